"""Where to put normalisation and ReLU in a residual block: the five orders, of which full pre-activation won.

K. He, X. Zhang, S. Ren, J. Sun, Identity Mappings in Deep Residual Networks, ECCV 2016, arXiv 1603.05027, figure 4 and
table 2 (CIFAR-10 test error of 110 layers, of 164 with bottlenecks):

    (a) original                conv BN ReLU conv BN, add, ReLU      6.61   5.93   resnet110
    (b) BN after addition       conv BN ReLU conv, add, BN ReLU      8.17   6.50   resnet110_bn_after_add
    (c) ReLU before addition    conv BN ReLU conv BN ReLU, add       7.84   6.14   resnet110_relu_before_add
    (d) ReLU-only pre-act       ReLU conv BN ReLU conv BN, add       6.71   5.91   resnet110_relu_preact
    (e) full pre-activation     BN ReLU conv BN ReLU conv, add       6.37   5.46   preact_resnet110, preact_resnet164

With (e) nothing stands on the path of additions from the first layer to the last. Letters: B batch, C input channels,
H W height and width, K classes.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from hubel.models.architectures.resnet import Block, conv1x1, conv3x3, initialise, stage
from hubel.models.architectures.resnet_cifar import PaddedShortcut
from hubel.models.shared import is_small


class PreActBlock(nn.Module):
    """Figure 4e. B in_maps H W -> B maps H/stride W/stride.

    Where the shape changes, the shortcut is a 1x1 convolution of the pre-activated input, as in the authors' code.
    """

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.out_maps = maps
        self.bn1 = nn.BatchNorm2d(in_maps)
        self.relu1 = nn.ReLU()
        self.conv1 = conv3x3(in_maps, maps, stride)
        self.bn2 = nn.BatchNorm2d(maps)
        self.relu2 = nn.ReLU()
        self.conv2 = conv3x3(maps, maps)
        self.shortcut = None if in_maps == maps and stride == 1 else conv1x1(in_maps, maps, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ready = self.relu1(self.bn1(x))
        f = self.conv2(self.relu2(self.bn2(self.conv1(ready))))
        return f + (x if self.shortcut is None else self.shortcut(ready))


class PreActBottleneck(nn.Module):
    """Figure 4e with 1x1, 3x3, 1x1. B in_maps H W -> B 4·maps H/stride W/stride."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.out_maps = 4 * maps
        self.bn1 = nn.BatchNorm2d(in_maps)
        self.relu1 = nn.ReLU()
        self.conv1 = conv1x1(in_maps, maps)
        self.bn2 = nn.BatchNorm2d(maps)
        self.relu2 = nn.ReLU()
        self.conv2 = conv3x3(maps, maps, stride)
        self.bn3 = nn.BatchNorm2d(maps)
        self.relu3 = nn.ReLU()
        self.conv3 = conv1x1(maps, self.out_maps)
        changes = in_maps != self.out_maps or stride > 1
        self.shortcut = conv1x1(in_maps, self.out_maps, stride) if changes else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ready = self.relu1(self.bn1(x))
        f = self.conv1(ready)
        f = self.conv2(self.relu2(self.bn2(f)))
        f = self.conv3(self.relu3(self.bn3(f)))
        return f + (x if self.shortcut is None else self.shortcut(ready))


class BnAfterAddBlock(nn.Module):
    """Figure 4b: the normalisation stands in the way of the sum."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.out_maps = maps
        self.conv1 = conv3x3(in_maps, maps, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(maps, maps)
        self.shortcut = option_a(in_maps, maps, stride)
        self.bn2 = nn.BatchNorm2d(maps)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.conv2(self.relu1(self.bn1(self.conv1(x))))
        return self.relu2(self.bn2(f + self.shortcut(x)))


class ReluBeforeAddBlock(nn.Module):
    """Figure 4c: what is added can only be positive, so the sum can only grow."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.out_maps = maps
        self.conv1 = conv3x3(in_maps, maps, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(maps, maps)
        self.bn2 = nn.BatchNorm2d(maps)
        self.relu2 = nn.ReLU()
        self.shortcut = option_a(in_maps, maps, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(f))) + self.shortcut(x)


class ReluPreActBlock(nn.Module):
    """Figure 4d: ReLU first, but it does not have the normalisation in front of it."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.out_maps = maps
        self.relu1 = nn.ReLU()
        self.conv1 = conv3x3(in_maps, maps, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu2 = nn.ReLU()
        self.conv2 = conv3x3(maps, maps)
        self.bn2 = nn.BatchNorm2d(maps)
        self.shortcut = option_a(in_maps, maps, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.bn1(self.conv1(self.relu1(x)))
        f = self.bn2(self.conv2(self.relu2(f)))
        return f + self.shortcut(x)


def option_a(in_maps: int, maps: int, stride: int) -> nn.Module:
    """The shortcut without parameters of the CIFAR nets."""
    return nn.Identity() if in_maps == maps else PaddedShortcut(in_maps, maps, stride)


class FlavouredResNet(nn.Module):
    """The three stages for CIFAR over any block, with what the order needs before the first and after the last block.

    Images B C H W -> logits B K.
    """

    stages = ("layer1", "layer2", "layer3")
    head = "fc"

    def __init__(
        self,
        block: Block,
        n: int,
        *,
        num_classes: int,
        in_chans: int,
        norm_first: bool = False,
        norm_last: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_chans, 16)
        self.start = nn.Sequential(nn.BatchNorm2d(16), nn.ReLU()) if norm_first else nn.Identity()
        self.layer1, maps = stage(block, 16, 16, n, stride=1)
        self.layer2, maps = stage(block, maps, 32, n, stride=2)
        self.layer3, maps = stage(block, maps, 64, n, stride=2)
        self.end = nn.Sequential(nn.BatchNorm2d(maps), nn.ReLU()) if norm_last else nn.Identity()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(maps, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.start(self.conv1(images))  # B 16 H W
        x = self.layer1(x)
        x = self.layer2(x)  # H/2 W/2
        x = self.end(self.layer3(x))  # H/4 W/4
        return self.fc(self.avgpool(x).flatten(1))  # B K


class PreActResNet(nn.Module):
    """Four stages for larger images over pre-activated blocks. Images B C H W -> logits B K."""

    stages = ("layer1", "layer2", "layer3", "layer4")
    head = "fc"

    def __init__(self, blocks: tuple[int, ...], *, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_chans, 64) if small else nn.Conv2d(in_chans, 64, 7, 2, 3, bias=False)
        self.start = nn.Identity() if small else nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.layer1, maps = stage(PreActBlock, 64, 64, blocks[0], stride=1)
        self.layer2, maps = stage(PreActBlock, maps, 128, blocks[1], stride=2)
        self.layer3, maps = stage(PreActBlock, maps, 256, blocks[2], stride=2)
        self.layer4, maps = stage(PreActBlock, maps, 512, blocks[3], stride=2)
        self.end = nn.Sequential(nn.BatchNorm2d(maps), nn.ReLU())
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(maps, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.start(self.conv1(images))  # B 64 H/4 W/4 (small stem: H W)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))  # B 512 H/32 W/32
        return self.fc(self.avgpool(self.end(x)).flatten(1))  # B K


def flavoured(
    block: Block,
    norms: str,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    n: int = 18,
) -> FlavouredResNet:
    """A net of figure 4 with n blocks a stage; `norms` says on which side of the blocks one more norm stands."""
    return FlavouredResNet(
        block, n, num_classes=num_classes, in_chans=in_chans, norm_first=norms == "first", norm_last=norms == "last"
    )


def preact_bottlenecks(n: int, /, *, num_classes: int, in_chans: int, img_size: tuple[int, int]) -> FlavouredResNet:
    """Figure 4e with bottlenecks, 9n + 2 layers."""
    return FlavouredResNet(PreActBottleneck, n, num_classes=num_classes, in_chans=in_chans, norm_last=True)


def preact_resnet(
    blocks: tuple[int, ...], /, *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto"
) -> PreActResNet:
    """The ResNet of as many blocks, pre-activated; `stem` as in resnet18."""
    return PreActResNet(blocks, num_classes=num_classes, in_chans=in_chans, small=is_small(img_size, stem))


resnet110_bn_after_add = partial(flavoured, BnAfterAddBlock, "first")  # figure 4b, 6n + 2 layers
resnet110_relu_before_add = partial(flavoured, ReluBeforeAddBlock, "first")  # 4c
resnet110_relu_preact = partial(flavoured, ReluPreActBlock, "last")  # 4d
preact_resnet110 = partial(flavoured, PreActBlock, "last")  # 4e
preact_resnet164 = partial(preact_bottlenecks, 18)
preact_resnet1001 = partial(preact_bottlenecks, 111)
preact_resnet18 = partial(preact_resnet, (2, 2, 2, 2))
preact_resnet34 = partial(preact_resnet, (3, 4, 6, 3))
