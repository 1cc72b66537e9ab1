"""QuickNet: the default net for small pictures. After K. Jordan, 94% on CIFAR-10 in 3.29 Seconds, arXiv 2404.00498.

Three groups of two 3x3 convolutions; each group pools inside, right after its first convolution, so that the second one
already works on a quarter of the pixels. No shortcuts, no bias before a norm, GELU, one small dense head.

    part     operation                              maps (width 1)   size (32x32 input)
    stem     conv 2x2 (whitening), GELU             24               31x31
    group1   conv 3x3, max-pool 2, norm, GELU       64               15x15
             conv 3x3, norm, GELU                   64               15x15
    group2   the same                               256              7x7
    group3   the same                               256              3x3
    head     max over the rest, dense without bias  K

The stem's filters are computed from the data where there are any (`prepare_from`): the principal directions of 2x2
patches, each with both signs, scaled to unit variance; they are not learned then. Departures from the paper: the number
of groups follows the picture's size (two below 16 pixels, one more for each doubling beyond 48), so that the last maps
are three pixels or less; the norm keeps its scale learnable.

Letters: B batch, C channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from hubel.errors import unknown
from hubel.nn.layers import BlurPool2d, largest

# Maps of groups 1, 2, 3, ... at width 1; further groups keep the last number.
WIDTHS = (64, 256, 256)
# The paper divides the logits by 9, which keeps the first losses calm for the large learning rates it uses.
LOGIT_SCALE = 1 / 9
# Variance below which a direction of the patches counts as noise and is not blown up; pictures have variance 1.
WHITENING_EPSILON = 5e-4
HALVINGS = ("max", "stride")


class Group(nn.Module):
    """Two convolutions, halving between them; B C H W -> B maps H/2 W/2."""

    def __init__(self, in_maps: int, maps: int, blur: int = 0, halving: str = "max") -> None:
        super().__init__()
        strided = halving == "stride"
        # What a blur is to smooth must be there at full size first.
        step = 2 if strided and not blur else 1
        self.conv1 = nn.Conv2d(in_maps, maps, 3, stride=step, padding=1, bias=False)
        largest_of = nn.Identity() if strided else nn.MaxPool2d(2, 1 if blur else 2)
        self.pool = nn.Sequential(largest_of, BlurPool2d(blur, 2)) if blur else largest_of
        self.norm1 = nn.BatchNorm2d(maps)
        self.conv2 = nn.Conv2d(maps, maps, 3, padding="same", bias=False)
        self.norm2 = nn.BatchNorm2d(maps)
        self.activation = nn.GELU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.conv1(x))  # B maps H/2 W/2
        x = self.activation(self.norm1(x))
        return self.activation(self.norm2(self.conv2(x)))


class QuickNet(nn.Module):
    """Stem, groups, head."""

    head = "classify"
    prepares_from = 4096

    def __init__(
        self, num_classes: int, in_chans: int, img_size: int, width: float, dropout: float, blur: int = 0,
        halving: str = "max",
    ) -> None:  # fmt: skip
        super().__init__()
        maps = [max(8, 8 * round(width * WIDTHS[min(i, len(WIDTHS) - 1)] / 8)) for i in range(group_count(img_size))]
        stem_maps = 8 * in_chans  # 4 C principal directions of 2x2 patches, with both signs
        self.stem = nn.Sequential(nn.Conv2d(in_chans, stem_maps, 2), nn.GELU())
        self.groups = nn.ModuleList(Group(a, b, blur, halving) for a, b in zip([stem_maps, *maps], maps, strict=False))
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(maps[-1], num_classes, bias=False)
        self.stages = ("stem", *(f"groups.{i}" for i in range(len(maps))))
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d) and conv.bias is None:
                start_as_identity(conv)

    def prepare_from(self, images: torch.Tensor) -> None:
        """Set the stem to whitening filters of `images` (N C H W, normalised), and leave it there.

        A direction of variance λ is divided by sqrt(λ + ε): its output then varies as much as any other's, so the
        groups need not learn to tell faint edges from loud brightness.
        """
        conv = self.stem[0]
        assert isinstance(conv, nn.Conv2d)
        assert conv.bias is not None
        patches = functional.unfold(images, 2, stride=2).transpose(1, 2).reshape(-1, conv.weight[0].numel())
        covariance = patches.double().T @ patches.double() / len(patches)  # 4C 4C
        variance, directions = torch.linalg.eigh(covariance)
        # An eigenvector's sign is the library's whim: the largest entry is made positive, so equal data start alike.
        largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
        filters = (directions * largest.sign() / (variance + WHITENING_EPSILON).sqrt()).T.reshape(
            -1, *conv.weight[0].shape
        )
        with torch.no_grad():
            conv.weight.copy_(torch.cat([filters, -filters]))
            conv.bias.zero_()
        conv.weight.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)  # B 24 H-1 W-1
        for group in self.groups:
            x = group(x)  # B maps H/2 W/2
        x = self.dropout(largest(x))  # B maps
        return self.classify(x) * LOGIT_SCALE  # B K


def group_count(img_size: int) -> int:
    """Groups for a picture of this side: the maps of the last one are 1 to 3 pixels wide.

    >>> [group_count(side) for side in (8, 16, 28, 32, 64, 128, 224)]
    [2, 3, 3, 3, 4, 5, 6]
    """
    groups = 2 if img_size < 16 else 3
    while img_size > 48:
        img_size, groups = img_size // 2, groups + 1
    return groups


def start_as_identity(conv: nn.Conv2d) -> None:
    """Dirac initialisation of the first filters: each copies one input map (as the paper does)."""
    if conv.in_channels <= conv.out_channels:
        nn.init.dirac_(conv.weight.data[: conv.in_channels])


def quicknet(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    width: float | None = None,
    dropout: float = 0.0,
    blur: int | None = None,
    halving: str = "max",
) -> QuickNet:
    """The default net; `width` scales the maps of all groups (None: 1, and 0.5 below 16 pixels, which hold less).

    `blur`: taps of a blur before each halving (Zhang, arXiv:1904.11486; 3 or 4 are usual). Maps then move
    along with the picture. It has no parameters: weights of the net without it fit.
    `halving`: "max", the larger of neighbours, or "stride", every second place of the first convolution.
    """
    if halving not in HALVINGS:
        raise unknown("halving", halving, HALVINGS)
    if width is None:
        width = 0.5 if min(img_size) < 16 else 1.0
    return QuickNet(num_classes, in_chans, min(img_size), width, dropout, blur or 0, halving)
