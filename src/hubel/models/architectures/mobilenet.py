"""MobileNet: each 3x3 sees one map, and 1x1 convolutions do the mixing.

Version 1. A. Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017,
arXiv 1704.04861. Table 1: conv 3x3 s2 32, then depthwise 3x3 and 1x1, BN and ReLU after each:

    maps     64   128   128   256   256   512   5 x 512   1024   1024      average, dense K
    stride   1    2     1     2     1     2     1         2      1

Version 2. M. Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, arXiv 1801.04381.
Table 2: conv 3x3 s2 32; rows of t (expansion), c (maps), n (blocks), s (stride of the first); conv 1x1 1280; dense K.

Version 3. A. Howard et al., Searching for MobileNetV3, ICCV 2019, arXiv 1905.02244. Tables 1 and 2: rows of kernel,
exp size, out, SE, NL (RE or HS), s; then conv 1x1, average, dense with h-swish, dense K.

Module names of versions 2 and 3 are torchvision's. Small images: the stem and the first stride-2 block keep the size.
Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from hubel.models.shared import answer_for_pixels, is_small
from hubel.nn.blocks import conv_norm_act
from hubel.nn.layers import SqueezeExcite

# Version 1, table 1: (maps, stride).
TABLE_V1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip

# Version 2, table 2: (t, c, n, s).
TABLE_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

# Version 3, tables 1 and 2: (kernel, exp size, out, SE, NL, s).
LARGE = (
    (3, 16, 16, False, "RE", 1),
    (3, 64, 24, False, "RE", 2),
    (3, 72, 24, False, "RE", 1),
    (5, 72, 40, True, "RE", 2),
    (5, 120, 40, True, "RE", 1),
    (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2),
    (3, 200, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1),
    (3, 480, 112, True, "HS", 1),
    (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2),
    (5, 960, 160, True, "HS", 1),
    (5, 960, 160, True, "HS", 1),
)
SMALL = (
    (3, 16, 16, True, "RE", 2),
    (3, 72, 24, False, "RE", 2),
    (3, 88, 24, False, "RE", 1),
    (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1),
    (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1),
    (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2),
    (5, 576, 96, True, "HS", 1),
    (5, 576, 96, True, "HS", 1),
)
NON_LINEARITIES: dict[str, Callable[[], nn.Module]] = {"RE": nn.ReLU, "HS": nn.Hardswish}


def divisible(maps: float, by: int = 8) -> int:
    """The nearest multiple of `by`, but never below 90 %: hardware likes multiples of eight.

    >>> divisible(18), divisible(24 * 0.35), divisible(120 / 4)
    (24, 8, 32)
    """
    rounded = max(by, int(maps + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * maps else rounded


class MobileNetV1(nn.Module):
    """Table 1 of version 1. Images B C H W -> logits B K."""

    stages = ("stem", "blocks.0", "blocks.2", "blocks.4", "blocks.10", "blocks.12")
    head = "fc"

    def __init__(self, *, num_classes: int, in_chans: int, width: float, small: bool, dropout: float) -> None:
        super().__init__()
        maps = divisible(32 * width)
        self.stem = conv_norm_act(in_chans, maps, 3, stride=1 if small else 2)
        layers = []
        for index, (wanted, stride) in enumerate(TABLE_V1):
            out = divisible(wanted * width)
            layers.append(
                nn.Sequential(
                    conv_norm_act(maps, maps, 3, stride=1 if small and index == 1 else stride, groups=maps),
                    conv_norm_act(maps, out, 1),
                )
            )
            maps = out
        self.blocks = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(maps, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.stem(images))  # B 1024 H/32 W/32
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))  # B K

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits for each pixel, B K H W: what the head says at each place of the last maps."""
        maps = self.dropout(self.blocks(self.stem(images)))
        return answer_for_pixels(maps, self.fc, (images.shape[2], images.shape[3]))


class InvertedResidual(nn.Module):
    """Version 2, figure 3b: 1x1 out to t times the maps, depthwise 3x3, 1x1 back without ReLU, plus the input.

    B in_maps H W -> B maps H/stride W/stride.
    """

    def __init__(self, in_maps: int, maps: int, stride: int, t: int) -> None:
        super().__init__()
        self.adds = stride == 1 and in_maps == maps
        wide = t * in_maps
        layers: list[nn.Module] = [] if t == 1 else [conv_norm_act(in_maps, wide, 1, act=nn.ReLU6)]
        layers += [
            conv_norm_act(wide, wide, 3, stride=stride, groups=wide, act=nn.ReLU6),
            nn.Conv2d(wide, maps, 1, bias=False),
            nn.BatchNorm2d(maps),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """Table 2 of version 2. Images B C H W -> logits B K."""

    head = "classifier.1"

    def __init__(self, *, num_classes: int, in_chans: int, width: float, small: bool, dropout: float) -> None:
        super().__init__()
        maps = divisible(32 * width)
        layers: list[nn.Module] = [conv_norm_act(in_chans, maps, 3, stride=1 if small else 2, act=nn.ReLU6)]
        ends = []
        for row, (t, c, n, s) in enumerate(TABLE_V2):
            out = divisible(c * width)
            for index in range(n):
                stride = s if index == 0 and not (small and row == 1) else 1
                layers.append(InvertedResidual(maps, out, stride, t))
                maps = out
            ends.append(f"features.{len(layers) - 1}")
        top = divisible(1280 * max(1.0, width))
        layers.append(conv_norm_act(maps, top, 1, act=nn.ReLU6))
        self.stages = (*ends, f"features.{len(layers) - 1}")
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(top, num_classes))
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.features(images)  # B 1280 H/32 W/32
        return self.classifier(self.avgpool(x).flatten(1))  # B K

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits for each pixel, B K H W: what the head says at each place of the last maps."""
        return answer_for_pixels(self.features(images), self.classifier, (images.shape[2], images.shape[3]))


class BlockV3(nn.Module):
    """Version 3, figure 4: the inverted residual with squeeze and excitation behind the depthwise convolution."""

    def __init__(self, in_maps: int, kernel: int, exp: int, out: int, se: bool, nl: str, stride: int) -> None:
        super().__init__()
        self.adds = stride == 1 and in_maps == out
        act = NON_LINEARITIES[nl]
        layers: list[nn.Module] = [] if exp == in_maps else [conv_norm_act(in_maps, exp, 1, norm=norm_v3, act=act)]
        layers.append(conv_norm_act(exp, exp, kernel, stride=stride, groups=exp, norm=norm_v3, act=act))
        if se:
            layers.append(SqueezeExcite(exp, divisible(exp / 4), gate=nn.Hardsigmoid))
        layers.append(conv_norm_act(exp, out, 1, norm=norm_v3, act=None))
        self.block = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x) if self.adds else self.block(x)


norm_v3 = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)

RowV3 = tuple[int, int, int, bool, str, int]


class MobileNetV3(nn.Module):
    """Tables 1 and 2 of version 3. Images B C H W -> logits B K."""

    head = "classifier.3"

    def __init__(
        self, table: tuple[RowV3, ...], dense: int, *, num_classes: int, in_chans: int, small: bool, dropout: float
    ) -> None:
        super().__init__()
        maps = 16
        layers: list[nn.Module] = [
            conv_norm_act(in_chans, maps, 3, stride=1 if small else 2, norm=norm_v3, act=nn.Hardswish)
        ]
        stages = []
        halvings = 0
        for kernel, exp, out, se, nl, stride in table:
            if stride == 2:
                stages.append(f"features.{len(layers) - 1}")  # the last block at each size
                halvings += 1
                stride = 1 if small and halvings == 1 else stride
            layers.append(BlockV3(maps, kernel, exp, out, se, nl, stride))
            maps = out
        layers.append(conv_norm_act(maps, 6 * maps, 1, norm=norm_v3, act=nn.Hardswish))
        self.stages = (*stages, f"features.{len(layers) - 1}")
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * maps, dense), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(dense, num_classes)
        )
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.features(images)  # B 960 H/32 W/32 (small net: 576)
        return self.classifier(self.avgpool(x).flatten(1))  # B K

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits for each pixel, B K H W: what the head says at each place of the last maps."""
        return answer_for_pixels(self.features(images), self.classifier, (images.shape[2], images.shape[3]))


def initialise(net: nn.Module) -> None:
    """He's normal initialisation by fan-out for convolutions, N(0, 0.01) and no bias for dense layers."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


def mobilenet_v1(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    width: float = 1.0,
    dropout: float = 0.001,
) -> MobileNetV1:
    """Version 1: 4,231,976 parameters at `width` 1; images of up to 64 pixels skip two halvings."""
    small = is_small(img_size, stem)
    return MobileNetV1(num_classes=num_classes, in_chans=in_chans, width=width, small=small, dropout=dropout)


def mobilenet_v2(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    width: float = 1.0,
    dropout: float = 0.2,
) -> MobileNetV2:
    """Version 2: 3,504,872 parameters at `width` 1; small images as in version 1."""
    small = is_small(img_size, stem)
    return MobileNetV2(num_classes=num_classes, in_chans=in_chans, width=width, small=small, dropout=dropout)


def mobilenet_v3(
    table: tuple[RowV3, ...],
    last: int,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    dropout: float = 0.2,
) -> MobileNetV3:
    """Version 3 by one of its tables, with `last` units before the head; small images as in version 1."""
    small = is_small(img_size, stem)
    return MobileNetV3(table, last, num_classes=num_classes, in_chans=in_chans, small=small, dropout=dropout)


mobilenet_v3_large = partial(mobilenet_v3, LARGE, 1280)  # 5,483,032 parameters
mobilenet_v3_small = partial(mobilenet_v3, SMALL, 1024)  # 2,542,856 parameters
