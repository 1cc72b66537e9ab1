"""NASNet-A: two cells found by search on CIFAR-10, stacked by hand.

B. Zoph, V. Vasudevan, J. Shlens, Q. Le, Learning Transferable Architectures for Scalable Image Recognition, CVPR 2018,
arXiv 1707.07012, figure 4 (h this cell's input, p the input of the cell before; sep: separable convolution):

    normal cell                     reduction cell (stride 2)
    1  sep5(h) + sep3(p)            1  sep5(h) + sep7(p)
    2  sep5(p) + sep3(p)            2  max3(h) + sep7(p)
    3  avg3(h) + p                  3  avg3(h) + sep5(p)
    4  avg3(p) + avg3(p)            4  avg3(block 1) + block 2
    5  sep3(h) + h                  5  sep3(block 1) + max3(h)
    stack p, 1, 2, 3, 4, 5          stack 2, 3, 4, 5

"N @ F": N normal cells, a reduction that doubles the maps, N, a reduction, N; F = 24 times the maps of the first cells.

    nasnet_a_mobile   4 @ 1056   224x224   conv 3x3 s2 32, then two reduction cells of a quarter and half of the maps
    nasnet_a_large    6 @ 4032   331x331   conv 3x3 s2 96, the same
    nasnet_a_cifar    6 @ 768    32x32     conv 3x3, three times the maps, no reduction before the cells

The auxiliary head of the training code is left out. Letters: B batch, C input channels, H W height and width,
K classes.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from hubel.models.shared import is_small


def norm(maps: int) -> nn.BatchNorm2d:
    """Batch normalisation with the constant of the released net."""
    return nn.BatchNorm2d(maps, eps=0.001)


def sep(in_maps: int, maps: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Twice ReLU, depthwise, 1x1, BN (section 3 and appendix A.4); the stride is in the first."""

    def once(before: int, after: int, step: int) -> list[nn.Module]:
        depthwise = nn.Conv2d(before, before, kernel, step, kernel // 2, groups=before, bias=False)
        return [nn.ReLU(), depthwise, nn.Conv2d(before, after, 1, bias=False), norm(after)]

    return nn.Sequential(*once(in_maps, maps, stride), *once(maps, maps, 1))


def average(stride: int = 1) -> nn.AvgPool2d:
    """Average of 3x3; the margin is not counted."""
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


def squeeze(in_maps: int, maps: int) -> nn.Sequential:
    """ReLU, 1x1, BN: brings an input to the maps of the cell."""
    return nn.Sequential(nn.ReLU(), nn.Conv2d(in_maps, maps, 1, bias=False), norm(maps))


class Halve(nn.Module):
    """Brings p, which is twice as large, to the size and maps of h: two shifted subsamplings side by side."""

    def __init__(self, in_maps: int, maps: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.here = nn.Conv2d(in_maps, maps // 2, 1, bias=False)
        self.shifted = nn.Conv2d(in_maps, maps - maps // 2, 1, bias=False)
        self.bn = norm(maps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(x)
        shifted = nn.functional.pad(x, (-1, 1, -1, 1))
        return self.bn(torch.cat([self.here(x[:, :, ::2, ::2]), self.shifted(shifted[:, :, ::2, ::2])], dim=1))


class NormalCell(nn.Module):
    """Figure 4, left. h: B h_maps H W, p: B p_maps H W (or twice as large) -> B 6·maps H W."""

    def __init__(self, h_maps: int, p_maps: int, maps: int, *, p_larger: bool) -> None:
        super().__init__()
        self.adjust_h = squeeze(h_maps, maps)
        self.adjust_p = Halve(p_maps, maps) if p_larger else squeeze(p_maps, maps)
        self.block1_h, self.block1_p = sep(maps, maps, 5), sep(maps, maps, 3)
        self.block2_5, self.block2_3 = sep(maps, maps, 5), sep(maps, maps, 3)
        self.block5 = sep(maps, maps, 3)
        self.average = average()

    def forward(self, h: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        h, p = self.adjust_h(h), self.adjust_p(p)
        blocks = [
            self.block1_h(h) + self.block1_p(p),
            self.block2_5(p) + self.block2_3(p),
            self.average(h) + p,
            2 * self.average(p),
            self.block5(h) + h,
        ]
        return torch.cat([p, *blocks], dim=1)


class ReductionCell(nn.Module):
    """Figure 4, right. h: B h_maps H W, p: B p_maps H W (or twice as large) -> B 4·maps H/2 W/2.

    The very first cell has no cell before it: p is the stem's output as it is (`p_raw`).
    """

    def __init__(self, h_maps: int, p_maps: int, maps: int, *, p_larger: bool = False, p_raw: bool = False) -> None:
        super().__init__()
        self.adjust_h = squeeze(h_maps, maps)
        self.adjust_p: nn.Module = Halve(p_maps, maps) if p_larger else squeeze(p_maps, maps)
        if p_raw:
            self.adjust_p = nn.Identity()
        before = p_maps if p_raw else maps
        self.block1_h, self.block1_p = sep(maps, maps, 5, 2), sep(before, maps, 7, 2)
        self.block2_p = sep(before, maps, 7, 2)
        self.block3_p = sep(before, maps, 5, 2)
        self.block5 = sep(maps, maps, 3)
        self.max = nn.MaxPool2d(3, 2, padding=1)
        self.average_h, self.average = average(2), average()

    def forward(self, h: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
        h, p = self.adjust_h(h), self.adjust_p(p)
        block1 = self.block1_h(h) + self.block1_p(p)
        block2 = self.max(h) + self.block2_p(p)
        block3 = self.average_h(h) + self.block3_p(p)
        block4 = self.average(block1) + block2
        block5 = self.block5(block1) + self.max(h)
        return torch.cat([block2, block3, block4, block5], dim=1)


class NasNet(nn.Module):
    """N @ F. Images B C H W -> logits B K."""

    head = "fc"

    def __init__(
        self, n: int, f: int, *, num_classes: int, in_chans: int, stem_maps: int, small: bool, dropout: float
    ) -> None:
        super().__init__()
        maps = f // 24
        stem = nn.Conv2d(in_chans, stem_maps, 3, padding=1, bias=False)
        if not small:
            stem = nn.Conv2d(in_chans, stem_maps, 3, stride=2, bias=False)
        self.stem = nn.Sequential(stem, norm(stem_maps))
        self.cells = nn.ModuleList()
        self.stages: tuple[str, ...] = ("stem",)
        h_maps = p_maps = stem_maps
        p_larger = False
        if not small:
            self.cells.append(ReductionCell(stem_maps, stem_maps, maps // 4, p_raw=True))
            self.cells.append(ReductionCell(maps, stem_maps, maps // 2, p_larger=True))
            p_maps, h_maps, p_larger = maps, 2 * maps, True
        for group in range(3):
            if group > 0:
                self.stages += (f"cells.{len(self.cells) - 1}",)
                maps *= 2
                self.cells.append(ReductionCell(h_maps, p_maps, maps))
                p_maps, h_maps, p_larger = h_maps, 4 * maps, True
            for _ in range(n):
                self.cells.append(NormalCell(h_maps, p_maps, maps, p_larger=p_larger))
                p_maps, h_maps, p_larger = h_maps, 6 * maps, False
        self.stages += (f"cells.{len(self.cells) - 1}",)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(h_maps, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        p = h = self.stem(images)
        for cell in self.cells:
            p, h = h, cell(h, p)
        x = self.avgpool(self.relu(h)).flatten(1)  # B F
        return self.fc(self.dropout(x))  # B K


def nasnet_a(
    n: int,
    maps: int,
    stem_maps: int,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    dropout: float = 0.5,
) -> NasNet:
    """`n` @ `maps`; images of up to 64 pixels enter the cells at full size (`stem`: full, small)."""
    small = is_small(img_size, stem)
    return NasNet(
        n, maps, num_classes=num_classes, in_chans=in_chans, stem_maps=stem_maps, small=small, dropout=dropout
    )


nasnet_a_mobile = partial(nasnet_a, 4, 1056, 32)
nasnet_a_large = partial(nasnet_a, 6, 4032, 96)


def nasnet_a_cifar(*, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float = 0.0) -> NasNet:
    """6 @ 768, the net of the search itself."""
    return NasNet(6, 768, num_classes=num_classes, in_chans=in_chans, stem_maps=96, small=True, dropout=dropout)
