"""ShuffleNet: grouped 1x1 convolutions, made to talk to each other by shuffling maps between groups.

Version 1. X. Zhang, X. Zhou, M. Lin, J. Sun, ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile
Devices, CVPR 2018, arXiv 1707.01083. Table 1, maps for g groups:

    layer    size   blocks   g = 1   2     3     4     8
    conv1    112             24      24    24    24    24      3x3 s2
    pool     56                                                max 3x3 s2
    stage2   28     4        144     200   240   272   384     the first block of each stage has stride 2
    stage3   14     8        288     400   480   544   768
    stage4   7      4        576     800   960   1088  1536
    head     1               average, dense K

Version 2. N. Ma, X. Zhang, H. Zheng, J. Sun, ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design,
ECCV 2018, arXiv 1807.11164. Table 5, maps:

    layer    size   blocks   x0.5   x1    x1.5   x2
    conv1    112             24     24    24     24
    pool     56
    stage2   28     4        48     116   176    244
    stage3   14     8        96     232   352    488
    stage4   7      4        192    464   704    976
    conv5    7               1024   1024  1024   2048    1x1

Module names of version 2 are torchvision's. Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from hubel.models.shared import is_small
from hubel.nn.layers import ChannelShuffle

BLOCKS = (4, 8, 4)
TABLE_1 = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Maps of stage 2 for g groups; they double with each stage."""


class UnitV1(nn.Module):
    """Figure 2b, with stride 2 figure 2c. B in_maps H W -> B maps H/stride W/stride.

    With stride 2 the input, averaged, is stacked beside what the branch makes; else it is added.
    """

    def __init__(self, in_maps: int, maps: int, stride: int, groups: int, first_groups: int) -> None:
        super().__init__()
        made = maps - in_maps if stride == 2 else maps
        width = maps // 4
        self.branch = nn.Sequential(
            nn.Conv2d(in_maps, width, 1, groups=first_groups, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            ChannelShuffle(groups),
            nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False), nn.BatchNorm2d(width),
            nn.Conv2d(width, made, 1, groups=groups, bias=False), nn.BatchNorm2d(made),
        )  # fmt: skip
        self.pool = nn.AvgPool2d(3, 2, padding=1) if stride == 2 else None
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.branch(x)
        return self.relu(x + f if self.pool is None else torch.cat([self.pool(x), f], dim=1))


class UnitV2(nn.Module):
    """Figure 3c, with stride 2 figure 3d: half of the maps pass by, half are worked on, then all are shuffled."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        half = maps // 2
        self.splits = stride == 1
        self.branch1 = nn.Sequential() if self.splits else nn.Sequential(
            nn.Conv2d(in_maps, in_maps, 3, stride, 1, groups=in_maps, bias=False), nn.BatchNorm2d(in_maps),
            nn.Conv2d(in_maps, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
        )  # fmt: skip
        self.branch2 = nn.Sequential(
            nn.Conv2d(half if self.splits else in_maps, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
            nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False), nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(),
        )  # fmt: skip
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        passing, working = x.chunk(2, dim=1) if self.splits else (self.branch1(x), x)
        return self.shuffle(torch.cat([passing, self.branch2(working)], dim=1))


def stem(in_chans: int, small: bool) -> nn.Sequential:
    """conv1: 3x3, 24 maps, stride 2 (1 for small images)."""
    return nn.Sequential(
        nn.Conv2d(in_chans, 24, 3, 1 if small else 2, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU()
    )


class ShuffleNetV1(nn.Module):
    """Table 1 of version 1. Images B C H W -> logits B K."""

    stages = ("stage2", "stage3", "stage4")
    head = "fc"

    def __init__(self, groups: int, *, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        self.conv1 = stem(in_chans, small)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        before, maps = 24, TABLE_1[groups]
        for name, blocks in zip(self.stages, BLOCKS, strict=True):
            # The very first 1x1 sees 24 maps, too few to group (section 3.2).
            first_groups = 1 if before == 24 else groups
            units = [UnitV1(before, maps, 2, groups, first_groups)]
            units += [UnitV1(maps, maps, 1, groups, groups) for _ in range(blocks - 1)]
            self.add_module(name, nn.Sequential(*units))
            before, maps = maps, 2 * maps
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.conv1(images))  # B 24 H/4 W/4
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.fc(self.avgpool(x).flatten(1))  # B K


class ShuffleNetV2(nn.Module):
    """Table 5 of version 2. Images B C H W -> logits B K. Weights start as torch's layers do."""

    stages = ("stage2", "stage3", "stage4", "conv5")
    head = "fc"

    def __init__(self, maps: tuple[int, int, int, int], *, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        self.conv1 = stem(in_chans, small)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1)
        before = 24
        for name, width, blocks in zip(self.stages, maps, BLOCKS, strict=False):
            units = [UnitV2(before, width, 2), *(UnitV2(width, width, 1) for _ in range(blocks - 1))]
            self.add_module(name, nn.Sequential(*units))
            before = width
        self.conv5 = nn.Sequential(nn.Conv2d(before, maps[3], 1, bias=False), nn.BatchNorm2d(maps[3]), nn.ReLU())
        self.fc = nn.Linear(maps[3], num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.conv1(images))  # B 24 H/4 W/4
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.fc(x.mean(dim=(2, 3)))  # B K


def initialise(net: nn.Module) -> None:
    """He's normal initialisation by fan-out for every convolution."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def shufflenet_v1(
    groups: int, /, *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto"
) -> ShuffleNetV1:
    """Version 1; images of up to 64 pixels get a stem of stride 1 without pooling (`stem`: full, small)."""
    return ShuffleNetV1(groups, num_classes=num_classes, in_chans=in_chans, small=is_small(img_size, stem))


def shufflenet_v2(
    maps: tuple[int, int, int, int],
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
) -> ShuffleNetV2:
    """Version 2 with these maps in its three stages and before its head; `stem` as in version 1."""
    return ShuffleNetV2(maps, num_classes=num_classes, in_chans=in_chans, small=is_small(img_size, stem))


shufflenet_v1_g1 = partial(shufflenet_v1, 1)
shufflenet_v1_g2 = partial(shufflenet_v1, 2)
shufflenet_v1_g3 = partial(shufflenet_v1, 3)
shufflenet_v1_g4 = partial(shufflenet_v1, 4)
shufflenet_v1_g8 = partial(shufflenet_v1, 8)
shufflenet_v2_x0_5 = partial(shufflenet_v2, (48, 96, 192, 1024))
shufflenet_v2_x1_0 = partial(shufflenet_v2, (116, 232, 464, 1024))
shufflenet_v2_x1_5 = partial(shufflenet_v2, (176, 352, 704, 1024))
shufflenet_v2_x2_0 = partial(shufflenet_v2, (244, 488, 976, 2048))
