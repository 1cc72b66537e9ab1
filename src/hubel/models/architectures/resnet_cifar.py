"""The thin ResNets for CIFAR-10: 6n + 2 layers of 3x3 convolutions, three sizes of maps.

K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385, section 4.2:

    stage    output size   layers   maps        depth   20    32    44    56    110
    conv1    32x32         1        16          n       3     5     7     9     18
    layer1   32x32         2n       16          params  0.27M 0.46M 0.66M 0.85M 1.7M
    layer2   16x16         2n       32
    layer3   8x8           2n       64
    fc       1             average pool, dense K

The paper's shortcuts have no parameters anywhere (option A). Many files of weights come from ports that project where
the shape changes (option B): `shortcut="B"` builds those.

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.models.architectures.resnet import Block, conv1x1, conv3x3, initialise, stage


class PaddedShortcut(nn.Module):
    """Option A of section 3.3: every `stride`-th pixel, and zeros for the maps that are new. No parameters."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_maps = maps - in_maps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, :, :: self.stride, :: self.stride]
        # The ports to PyTorch put half of the zeros before and half after; the paper does not say where.
        before = self.new_maps // 2
        return nn.functional.pad(x, (0, 0, 0, 0, before, self.new_maps - before))


class ThinBlock(nn.Module):
    """Two convolutions 3x3 and the identity. B in_maps H W -> B maps H/stride W/stride.

    Where the shape changes, the identity is padded (option A), or a 1x1 convolution with batch norm if `projected` (B).
    """

    def __init__(self, in_maps: int, maps: int, stride: int, *, projected: bool = False) -> None:
        super().__init__()
        self.out_maps = maps
        self.conv1 = conv3x3(in_maps, maps, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(maps, maps)
        self.bn2 = nn.BatchNorm2d(maps)
        self.shortcut: nn.Module = nn.Identity()
        if in_maps != maps and projected:
            self.shortcut = nn.Sequential(conv1x1(in_maps, maps, stride), nn.BatchNorm2d(maps))
        elif in_maps != maps:
            self.shortcut = PaddedShortcut(in_maps, maps, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.relu1(self.bn1(self.conv1(x)))
        f = self.bn2(self.conv2(f))
        return self.relu2(f + self.shortcut(x))


class CifarResNet(nn.Module):
    """The nets of section 4.2, 6n + 2 layers. Images B C H W -> logits B K; any size from 1x1 on."""

    stages = ("layer1", "layer2", "layer3")
    head = "fc"

    def __init__(self, n: int, *, num_classes: int, in_chans: int, block: Block = ThinBlock) -> None:
        super().__init__()
        self.conv1 = conv3x3(in_chans, 16)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1, _ = stage(block, 16, 16, n, stride=1)
        self.layer2, _ = stage(block, 16, 32, n, stride=2)
        self.layer3, _ = stage(block, 32, 64, n, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(images)))  # B 16 H W
        x = self.layer1(x)  # B 16 H W
        x = self.layer2(x)  # B 32 H/2 W/2
        x = self.layer3(x)  # B 64 H/4 W/4
        return self.fc(self.avgpool(x).flatten(1))  # B K


def cifar_resnet(
    n: int, block: Block = ThinBlock, /, *, num_classes: int, in_chans: int, img_size: tuple[int, int]
) -> CifarResNet:
    """6n + 2 layers; any size fits (`img_size` is not needed)."""
    return CifarResNet(n, num_classes=num_classes, in_chans=in_chans, block=block)


def thin_resnet(
    n: int, /, *, num_classes: int, in_chans: int, img_size: tuple[int, int], shortcut: str = "A"
) -> CifarResNet:
    """6n + 2 layers with the shortcuts of section 3.3: padded ("A", the paper's) or projected ("B").

    Raises UsageError for another word.
    """
    if shortcut not in ("A", "B"):
        raise UsageError(f"shortcut must be A or B, got {shortcut!r}", hint="A pads with zeros, B projects")
    block = ThinBlock if shortcut == "A" else partial(ThinBlock, projected=True)
    return CifarResNet(n, num_classes=num_classes, in_chans=in_chans, block=block)


resnet20 = partial(thin_resnet, 3)
resnet32 = partial(thin_resnet, 5)
resnet44 = partial(thin_resnet, 7)
resnet56 = partial(thin_resnet, 9)
resnet110 = partial(thin_resnet, 18)  # the paper trains it first with a rate of 0.01, then 0.1
