"""Blocks that several architectures share, small enough to be read in one look. Each keeps its paper's letters.

Letters: B batch, C channels, H W height and width, K classes, k kernel, n convolutions in a row, g growth rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from hubel.nn.layers import same_padding
from hubel.registry import Component, Registry

__all__ = [
    "BLOCKS",
    "AuxiliaryHead",
    "Concatenate",
    "DenseBlock",
    "Residual",
    "conv_norm_act",
    "inception_block",
    "nin_block",
    "projection",
    "residual_block",
    "transition",
    "vgg_block",
]


def conv_norm_act(
    in_maps: int,
    maps: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    norm: Callable[[int], nn.Module] | None = nn.BatchNorm2d,
    act: Callable[[], nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution with padding that keeps the size at stride 1, normalisation, activation; None leaves a part out.

    The convolution has a bias only if no normalisation follows, which would take it away again.

    >>> conv_norm_act(3, 8, 5, stride=2)(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 8, 4, 4])
    """
    padding = same_padding(kernel, dilation)
    conv = nn.Conv2d(in_maps, maps, kernel, stride, padding, dilation, groups, bias=norm is None)
    parts: list[nn.Module] = [conv]
    if norm is not None:
        parts.append(norm(maps))
    if act is not None:
        parts.append(act())
    return nn.Sequential(*parts)


class Residual(nn.Module):
    """act(f(x) + skip(x)): the branch learns what the identity lacks. He et al., arXiv:1512.03385, section 3.2.

    `shortcut` None is the identity; `act` None leaves the sum as it is (pre-activation, arXiv:1603.05027).

    >>> Residual(nn.Conv2d(4, 4, 3, padding=1))(torch.zeros(1, 4, 5, 5)).shape
    torch.Size([1, 4, 5, 5])
    """

    def __init__(
        self,
        branch: nn.Module,
        shortcut: nn.Module | None = None,
        act: Callable[[], nn.Module] | None = nn.ReLU,
    ) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = nn.Identity() if shortcut is None else shortcut
        self.act = nn.Identity() if act is None else act()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.branch(x) + self.shortcut(x))


def projection(in_maps: int, maps: int, stride: int) -> nn.Module | None:
    """The shortcut where shapes change: 1×1 convolution and batch norm (the paper's option B); else None."""
    if in_maps == maps and stride == 1:
        return None
    return conv_norm_act(in_maps, maps, 1, stride=stride, act=None)


def residual_block(in_maps: int, maps: int, *, stride: int = 1) -> Residual:
    """Two 3×3 convolutions with batch norm beside a shortcut: the block of ResNet-18 and -34.

    >>> residual_block(16, 32, stride=2)(torch.zeros(1, 16, 8, 8)).shape
    torch.Size([1, 32, 4, 4])
    """
    branch = nn.Sequential(
        conv_norm_act(in_maps, maps, 3, stride=stride),
        conv_norm_act(maps, maps, 3, act=None),
    )
    return Residual(branch, projection(in_maps, maps, stride))


class Concatenate(nn.Module):
    """Branches side by side on the same input, their maps stacked: B C H W -> B ΣC' H' W'.

    >>> Concatenate(nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 3, padding=1))(torch.zeros(1, 3, 5, 5)).shape
    torch.Size([1, 6, 5, 5])
    """

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def inception_block(
    in_maps: int,
    ones: int,
    reduce3: int,
    threes: int,
    reduce5: int,
    fives: int,
    pooled: int,
    *,
    norm: Callable[[int], nn.Module] | None = None,
) -> Concatenate:
    """Four branches: 1×1, 1×1 then 3×3, 1×1 then 5×5, 3×3 max-pool then 1×1. Szegedy et al., arXiv:1409.4842, table 1.

    The arguments are the columns of the table: #1×1, #3×3 reduce, #3×3, #5×5 reduce, #5×5, pool proj.

    >>> block = inception_block(192, 64, 96, 128, 16, 32, 32)  # inception (3a)
    >>> block(torch.zeros(1, 192, 7, 7)).shape, sum(p.numel() for p in block.parameters())
    (torch.Size([1, 256, 7, 7]), 163696)
    """

    def conv(maps_before: int, maps: int, kernel: int) -> nn.Sequential:
        return conv_norm_act(maps_before, maps, kernel, norm=norm)

    return Concatenate(
        conv(in_maps, ones, 1),
        nn.Sequential(conv(in_maps, reduce3, 1), conv(reduce3, threes, 3)),
        nn.Sequential(conv(in_maps, reduce5, 1), conv(reduce5, fives, 5)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(in_maps, pooled, 1)),
    )


def vgg_block(in_maps: int, maps: int, convs: int, *, norm: Callable[[int], nn.Module] | None = None) -> nn.Sequential:
    """n times 3×3 convolution and ReLU, max-pooling: B C H W -> B C' H/2 W/2. Simonyan & Zisserman, arXiv:1409.1556.

    >>> vgg_block(3, 16, 2)(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 16, 4, 4])
    """
    steps = [conv_norm_act(in_maps if index == 0 else maps, maps, 3, norm=norm) for index in range(convs)]
    return nn.Sequential(*steps, nn.MaxPool2d(2))


def nin_block(in_maps: int, maps: int, kernel: int, *, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """A convolution and two 1×1, each with ReLU: a small dense net slides over the image. Lin et al., arXiv:1312.4400.

    >>> nin_block(3, 96, 11, stride=4)(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 96, 54, 54])
    """
    return nn.Sequential(
        nn.Conv2d(in_maps, maps, kernel, stride, padding), nn.ReLU(),
        nn.Conv2d(maps, maps, 1), nn.ReLU(),
        nn.Conv2d(maps, maps, 1), nn.ReLU(),
    )  # fmt: skip


class DenseBlock(nn.Module):
    """Each layer sees all maps before it and adds `growth` more: B C H W -> B (C + n·growth) H W.

    Huang et al., arXiv:1608.06993; a layer is batch norm, ReLU, 3×3 convolution, behind a 1×1 bottleneck of
    `bottleneck` · growth maps if that is not 0 (the paper's DenseNet-B: 4).

    >>> DenseBlock(16, layers=3, growth=12)(torch.zeros(1, 16, 4, 4)).shape
    torch.Size([1, 52, 4, 4])
    """

    def __init__(self, in_maps: int, *, layers: int, growth: int, bottleneck: int = 0) -> None:
        super().__init__()
        steps = []
        for index in range(layers):
            maps = in_maps + index * growth
            parts: list[nn.Module] = []
            if bottleneck:
                between = bottleneck * growth
                parts += [nn.BatchNorm2d(maps), nn.ReLU(), nn.Conv2d(maps, between, 1, bias=False)]
                maps = between
            parts += [nn.BatchNorm2d(maps), nn.ReLU(), nn.Conv2d(maps, growth, 3, padding=1, bias=False)]
            steps.append(nn.Sequential(*parts))
        self.layers = nn.ModuleList(steps)
        self.out_maps = in_maps + layers * growth

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return x


def transition(in_maps: int, maps: int) -> nn.Sequential:
    """Between dense blocks: batch norm, ReLU, 1×1 convolution, 2×2 average pooling: B C H W -> B C' H/2 W/2."""
    return nn.Sequential(nn.BatchNorm2d(in_maps), nn.ReLU(), nn.Conv2d(in_maps, maps, 1, bias=False), nn.AvgPool2d(2))


class AuxiliaryHead(nn.Module):
    """GoogLeNet's side exit: pool to 4×4, 1×1 to 128 maps, dense 1024, dropout 0.7, dense K. B C H W -> B K.

    In training its loss is added to the main one with weight 0.3, then it is thrown away (arXiv:1409.4842, section 5).

    >>> AuxiliaryHead(512, 10)(torch.zeros(2, 512, 14, 14)).shape
    torch.Size([2, 10])
    """

    def __init__(self, in_maps: int, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = conv_norm_act(in_maps, 128, 1, norm=None)
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(2048, 1024), nn.ReLU(), nn.Dropout(0.7))
        self.classify = nn.Linear(1024, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.dense(self.conv(self.pool(x))))


BLOCKS: Registry[Component[Callable[..., nn.Module]]] = Registry("block", listing="hubel components blocks")
_ENTRIES: Sequence[tuple[str, Callable[..., nn.Module], str, str, str, tuple[str, ...]]] = (
    ("conv-norm-act", conv_norm_act, "Convolution, norm, activation", "act(norm(conv(x)))", "folklore", ("C23",)),
    ("vgg", vgg_block, "VGG block", "n × (conv 3×3, ReLU), max-pool 2", "Simonyan & Zisserman, arXiv:1409.1556",
     ("C22", "C12")),
    ("nin", nin_block, "NiN block", "conv k×k, conv 1×1, conv 1×1, ReLU after each", "Lin et al., arXiv:1312.4400",
     ("C10",)),
    ("inception", inception_block, "Inception block", "[1×1, 1×1→3×3, 1×1→5×5, pool→1×1]",
     "Szegedy et al., arXiv:1409.4842", ("C17",)),
    ("concatenate", Concatenate, "Branches side by side", "[f₁(x), f₂(x), …]", "Szegedy et al., arXiv:1409.4842",
     ("C17",)),
    ("residual", residual_block, "Residual block", "relu(f(x) + x)", "He et al., arXiv:1512.03385", ("C19",)),
    ("dense-block", DenseBlock, "Dense block", "x ← [x, f_i(x)]", "Huang et al., arXiv:1608.06993", ("C20",)),
    ("transition", transition, "Transition layer", "norm, ReLU, conv 1×1, average pool 2",
     "Huang et al., arXiv:1608.06993",
     ("C20",)),
    ("auxiliary-head", AuxiliaryHead, "Auxiliary classifier", "pool 4×4, 1×1, dense, dropout, dense",
     "Szegedy et al., arXiv:1409.4842", ("C18",)),
)  # fmt: skip
for _name, _build, _title, _formula, _source, _rows in _ENTRIES:
    BLOCKS.add(_name, Component(title=_title, build=_build, formula=_formula, source=_source, rows=_rows))
