"""DenseNet: every layer sees all layers before it in its block, x_(i+1) = [x_i, f_i(x_i)].

G. Huang, Z. Liu, L. van der Maaten, K. Weinberger, Densely Connected Convolutional Networks, CVPR 2017, arXiv
1608.06993. Table 1, a dense layer being BN, ReLU, 1x1 to 4k maps, BN, ReLU, 3x3 to k maps:

                     growth k   stem   block 1   2    3    4     (layers; between them maps and size halve)
    densenet121      32         64     6         12   24   16
    densenet169      32         64     6         12   32   32
    densenet201      32         64     6         12   48   32
    densenet264      32         64     6         12   64   48
    densenet161      48         96     6         12   36   24    (DenseNet-161 of the authors' code)

Section 4 for CIFAR, DenseNet-BC of depth L: three blocks of (L - 4) / 6 layers, a stem of 2k maps of 3x3:

    densenet_bc100_k12   16 layers a block        densenet_bc250_k24   41        densenet_bc190_k40   31

Module names are torchvision's. Letters: B batch, C input channels, H W height and width, K classes, k growth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from hubel.models.shared import is_small


class DenseLayer(nn.Module):
    """BN, ReLU, 1x1 to 4k, BN, ReLU, 3x3 to k; the k new maps are stacked behind the old. B c H W -> B (c + k) H W."""

    def __init__(self, maps: int, k: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(maps)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(maps, 4 * k, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * k)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(4 * k, k, 3, padding=1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        new = self.conv1(self.relu1(self.norm1(x)))
        new = self.conv2(self.relu2(self.norm2(new)))
        return torch.cat([x, self.dropout(new)], dim=1)


def dense_block(maps: int, layers: int, k: int, dropout: float) -> nn.Sequential:
    """`layers` dense layers: maps + layers · k maps leave it."""
    return nn.Sequential(
        OrderedDict((f"denselayer{index + 1}", DenseLayer(maps + index * k, k, dropout)) for index in range(layers))
    )


def transition(maps: int) -> nn.Sequential:
    """BN, ReLU, 1x1 to half of the maps (compression 0.5), average 2x2."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(maps),
            relu=nn.ReLU(),
            conv=nn.Conv2d(maps, maps // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(nn.Module):
    """Table 1 or section 4. Images B C H W -> logits B K."""

    head = "classifier"

    def __init__(
        self, blocks: Sequence[int], k: int, stem: nn.Module, stem_maps: int, *, num_classes: int, dropout: float
    ) -> None:
        super().__init__()
        self.features = stem
        maps = stem_maps
        for index, layers in enumerate(blocks, start=1):
            self.features.add_module(f"denseblock{index}", dense_block(maps, layers, k, dropout))
            maps += layers * k
            if index < len(blocks):
                self.features.add_module(f"transition{index}", transition(maps))
                maps //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(maps))
        self.stages = tuple(f"features.denseblock{index}" for index in range(1, len(blocks) + 1))
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(maps, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.features(images))  # B maps H/32 W/32 (CIFAR and small stem: larger)
        return self.classifier(self.avgpool(x).flatten(1))  # B K


def initialise(net: nn.Module) -> None:
    """He's normal initialisation for convolutions; zeros for the bias of the dense layer."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def _imagenet(
    blocks: tuple[int, ...], k: int, maps: int, num_classes: int, in_chans: int, small: bool, dropout: float
) -> DenseNet:
    if small:  # as in the paper's nets for CIFAR: one 3x3 at full resolution
        stem = nn.Sequential(OrderedDict(conv0=nn.Conv2d(in_chans, maps, 3, padding=1, bias=False)))
    else:
        stem = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(in_chans, maps, 7, stride=2, padding=3, bias=False),
                norm0=nn.BatchNorm2d(maps),
                relu0=nn.ReLU(),
                pool0=nn.MaxPool2d(3, 2, padding=1),
            )
        )
    return DenseNet(blocks, k, stem, maps, num_classes=num_classes, dropout=dropout)


def _cifar(depth: int, k: int, num_classes: int, in_chans: int, dropout: float) -> DenseNet:
    layers = (depth - 4) // 6
    stem = nn.Sequential(OrderedDict(conv0=nn.Conv2d(in_chans, 2 * k, 3, padding=1, bias=False)))
    return DenseNet((layers,) * 3, k, stem, 2 * k, num_classes=num_classes, dropout=dropout)


def densenet(
    blocks: tuple[int, ...],
    k: int,
    maps: int,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    dropout: float = 0.0,
) -> DenseNet:
    """Growth `k`; images of up to 64 pixels get a 3x3 stem (`stem`: full, small); `dropout` in layers."""
    return _imagenet(blocks, k, maps, num_classes, in_chans, is_small(img_size, stem), dropout)


def densenet_bc(
    depth: int, k: int, /, *, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float = 0.0
) -> DenseNet:
    """DenseNet-BC for CIFAR; the paper's `dropout` is 0.2 without augmentation."""
    return _cifar(depth, k, num_classes, in_chans, dropout)


densenet121 = partial(densenet, (6, 12, 24, 16), 32, 64)
densenet161 = partial(densenet, (6, 12, 36, 24), 48, 96)
densenet169 = partial(densenet, (6, 12, 32, 32), 32, 64)
densenet201 = partial(densenet, (6, 12, 48, 32), 32, 64)
densenet264 = partial(densenet, (6, 12, 64, 48), 32, 64)
densenet_bc100_k12 = partial(densenet_bc, 100, 12)
densenet_bc250_k24 = partial(densenet_bc, 250, 24)
densenet_bc190_k40 = partial(densenet_bc, 190, 40)
