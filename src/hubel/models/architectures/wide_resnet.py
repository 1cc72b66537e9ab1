"""Wide ResNet: fewer layers, more maps.

S. Zagoruyko, N. Komodakis, Wide Residual Networks, BMVC 2016, arXiv 1605.07146. Table 1, WRN-d-k with N = (d - 4) / 6:

    group    output size   block B(3, 3)
    conv1    32x32         [3x3, 16]
    conv2    32x32         [3x3, 16k; 3x3, 16k] x N
    conv3    16x16         [3x3, 32k; 3x3, 32k] x N
    conv4    8x8           [3x3, 64k; 3x3, 64k] x N
    head     1x1           average pool, dense K

The blocks are pre-activated, with dropout between their convolutions. `wide_resnet50_2` and `wide_resnet101_2` are
torchvision's: ResNet-50 and ResNet-101 whose bottlenecks are twice as wide. Letters: B batch, C input channels, H W
height and width, K classes, k widening factor, N blocks a group.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from hubel.models.architectures.resnet import Bottleneck, conv1x1, conv3x3, initialise, resnet, stage


class WideBlock(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, dropout, 3x3, plus the input (figure 1d). B in_maps H W -> B maps H/stride W/stride."""

    def __init__(self, in_maps: int, maps: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.out_maps = maps
        self.bn1 = nn.BatchNorm2d(in_maps)
        self.relu1 = nn.ReLU()
        self.conv1 = conv3x3(in_maps, maps, stride)
        self.bn2 = nn.BatchNorm2d(maps)
        self.relu2 = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.conv2 = conv3x3(maps, maps)
        self.shortcut = None if in_maps == maps and stride == 1 else conv1x1(in_maps, maps, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ready = self.relu1(self.bn1(x))
        f = self.dropout(self.relu2(self.bn2(self.conv1(ready))))
        return self.conv2(f) + (x if self.shortcut is None else self.shortcut(ready))


class WideResNet(nn.Module):
    """Table 1. Images B C H W -> logits B K; any size."""

    stages = ("conv2", "conv3", "conv4")
    head = "fc"

    def __init__(self, depth: int, k: int, *, num_classes: int, in_chans: int, dropout: float) -> None:
        super().__init__()
        n = (depth - 4) // 6

        def block(in_maps: int, maps: int, stride: int) -> WideBlock:
            return WideBlock(in_maps, maps, stride, dropout)

        self.conv1 = conv3x3(in_chans, 16)
        self.conv2, maps = stage(block, 16, 16 * k, n, stride=1)
        self.conv3, maps = stage(block, maps, 32 * k, n, stride=2)
        self.conv4, maps = stage(block, maps, 64 * k, n, stride=2)
        self.end = nn.Sequential(nn.BatchNorm2d(maps), nn.ReLU())
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(maps, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)  # B 16 H W
        x = self.conv2(x)  # B 16k H W
        x = self.conv3(x)  # B 32k H/2 W/2
        x = self.end(self.conv4(x))  # B 64k H/4 W/4
        return self.fc(self.avgpool(x).flatten(1))  # B K


def twice_as_wide(in_maps: int, maps: int, stride: int) -> Bottleneck:
    """A bottleneck whose 3x3 has twice the maps."""
    return Bottleneck(in_maps, maps, stride, width=2 * maps)


def wrn(
    depth: int,
    k: int,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    dropout: float = 0.0,
) -> WideResNet:
    """`depth` layers, `k` times as wide; `dropout` inside the blocks (the paper uses 0.3 on CIFAR)."""
    return WideResNet(depth, k, num_classes=num_classes, in_chans=in_chans, dropout=dropout)


wrn_16_4 = partial(wrn, 16, 4)
wrn_16_8 = partial(wrn, 16, 8)
wrn_40_4 = partial(wrn, 40, 4)
wrn_28_10 = partial(wrn, 28, 10)  # the paper's best
wide_resnet50_2 = partial(resnet, twice_as_wide, (3, 4, 6, 3))
wide_resnet101_2 = partial(resnet, twice_as_wide, (3, 4, 23, 3))
