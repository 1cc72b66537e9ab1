"""Shake-Shake: two residual branches, mixed at random, with one weight forward and another backward.

X. Gastaldi, Shake-Shake regularization, 2017, arXiv 1705.07485, table 1 of the 26-layer nets "2x(base)d":

    conv 3x3, 16       32x32
    4 blocks, base     32x32    branch: ReLU, 3x3, BN, ReLU, 3x3, BN
    4 blocks, 2 base   16x16
    4 blocks, 4 base   8x8
    ReLU, average, dense K

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from hubel.models.architectures.resnet import conv1x1, conv3x3, initialise, stage


def shake(first: torch.Tensor, second: torch.Tensor, training: bool) -> torch.Tensor:
    """a·first + (1 - a)·second: a is drawn for each image, anew for the backward pass; 1/2 outside training.

    The gradient flows through the mix with the weight b, while the value is that of the mix with a.
    """
    if not training:
        return (first + second) / 2
    shape = (len(first), 1, 1, 1)
    a, b = torch.rand(shape, device=first.device), torch.rand(shape, device=first.device)
    forward = a * first + (1 - a) * second
    backward = b * first + (1 - b) * second
    return backward + (forward - backward).detach()


def branch(in_maps: int, maps: int, stride: int) -> nn.Sequential:
    """ReLU, 3x3, BN, ReLU, 3x3, BN."""
    return nn.Sequential(
        nn.ReLU(), conv3x3(in_maps, maps, stride), nn.BatchNorm2d(maps),
        nn.ReLU(), conv3x3(maps, maps), nn.BatchNorm2d(maps),
    )  # fmt: skip


class ShiftedShortcut(nn.Module):
    """Every other pixel, and every other pixel shifted by one, each through a 1x1 to half of the maps (section 2.1)."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = conv1x1(in_maps, maps // 2)
        self.conv2 = conv1x1(in_maps, maps - maps // 2)
        self.bn = nn.BatchNorm2d(maps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(x)
        here = x[:, :, :: self.stride, :: self.stride]
        shifted = nn.functional.pad(x, (-1, 1, -1, 1))[:, :, :: self.stride, :: self.stride]
        return self.bn(torch.cat([self.conv1(here), self.conv2(shifted)], dim=1))


class ShakeBlock(nn.Module):
    """Two branches and a shortcut. B in_maps H W -> B maps H/stride W/stride."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.out_maps = maps
        self.branch1 = branch(in_maps, maps, stride)
        self.branch2 = branch(in_maps, maps, stride)
        self.shortcut = nn.Identity() if in_maps == maps else ShiftedShortcut(in_maps, maps, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut(x) + shake(self.branch1(x), self.branch2(x), self.training)


class ShakeShake(nn.Module):
    """26 layers, 2 x `base` d. Images B C H W -> logits B K; any size from 4x4 on."""

    stages = ("layer1", "layer2", "layer3")
    head = "fc"

    def __init__(self, base: int, *, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv3x3(in_chans, 16), nn.BatchNorm2d(16))
        self.layer1, maps = stage(ShakeBlock, 16, base, 4, stride=1)
        self.layer2, maps = stage(ShakeBlock, maps, 2 * base, 4, stride=2)
        self.layer3, maps = stage(ShakeBlock, maps, 4 * base, 4, stride=2)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(maps, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.layer1(self.stem(images))  # B base H W
        x = self.layer2(x)  # B 2·base H/2 W/2
        x = self.relu(self.layer3(x))  # B 4·base H/4 W/4
        return self.fc(self.avgpool(x).flatten(1))  # B K


def shake_shake(base: int, /, *, num_classes: int, in_chans: int, img_size: tuple[int, int]) -> ShakeShake:
    """26 layers, two branches of `base` maps in the first stage."""
    return ShakeShake(base, num_classes=num_classes, in_chans=in_chans)


shake_shake26_2x32d = partial(shake_shake, 32)  # 2.9M parameters
shake_shake26_2x96d = partial(shake_shake, 96)  # 26.2M parameters
