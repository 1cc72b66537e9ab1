"""ResNet: each block adds to its input what is still missing, x + f(x), so that depth cannot hurt.

K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385. Table 1:

    stage    size   18-layer     34-layer     50-layer             101-layer            152-layer
    conv1    112    7x7, 64, stride 2
             56     3x3 max-pool, stride 2
    layer1   56     [3x3,  64    [3x3,  64    [1x1, 64; 3x3, 64;   the same             the same
                     3x3,  64]x2  3x3,  64]x3  1x1, 256] x 3       x 3                  x 3
    layer2   28     128      x2  128      x4  128, 128, 512  x 4   x 4                  x 8
    layer3   14     256      x2  256      x6  256, 256, 1024 x 6   x 23                 x 36
    layer4   7      512      x2  512      x3  512, 512, 2048 x 3   x 3                  x 3
    fc       1      average pool, dense K, softmax (in the loss)

Module names are torchvision's (conv1, bn1, layer1.0.conv1 …, fc), so its state dicts load as they are.
Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from hubel.models.shared import answer_for_pixels, is_small

Block = Callable[[int, int, int], nn.Module]
"""(maps that come in, maps of the stage, stride) -> residual block, whose `out_maps` says how many maps leave it."""


def conv3x3(in_maps: int, maps: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Convolution 3x3 that keeps the size (divides it by `stride`); no bias, batch normalisation follows."""
    return nn.Conv2d(in_maps, maps, 3, stride, padding=1, groups=groups, bias=False)


def conv1x1(in_maps: int, maps: int, stride: int = 1) -> nn.Conv2d:
    """Convolution 1x1: a dense layer at each position."""
    return nn.Conv2d(in_maps, maps, 1, stride, bias=False)


def shortcut(in_maps: int, maps: int, stride: int) -> nn.Module | None:
    """Option B of section 3.3: the identity (None) where the shapes agree, else a projection 1x1."""
    if in_maps == maps and stride == 1:
        return None
    return nn.Sequential(conv1x1(in_maps, maps, stride), nn.BatchNorm2d(maps))


class BasicBlock(nn.Module):
    """Two convolutions 3x3 (figure 5, left). B in_maps H W -> B maps H/stride W/stride."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.out_maps = maps
        self.conv1 = conv3x3(in_maps, maps, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(maps, maps)
        self.bn2 = nn.BatchNorm2d(maps)
        self.downsample = shortcut(in_maps, maps, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.relu1(self.bn1(self.conv1(x)))
        f = self.bn2(self.conv2(f))
        return self.relu2(f + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1 down to `width`, 3x3, 1x1 up to 4 maps (figure 5, right). B in_maps H W -> B 4·maps H/stride W/stride.

    The stride sits in the 3x3, as in torchvision; the paper's is in the first 1x1, which skips three of four inputs.
    `width` is the paper's `maps` unless given; ResNeXt splits the 3x3 into `groups`, Wide ResNet widens it.
    """

    def __init__(self, in_maps: int, maps: int, stride: int, *, width: int | None = None, groups: int = 1) -> None:
        super().__init__()
        self.out_maps = 4 * maps
        width = width or maps
        self.conv1 = conv1x1(in_maps, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(width, width, stride, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = conv1x1(width, self.out_maps)
        self.bn3 = nn.BatchNorm2d(self.out_maps)
        self.downsample = shortcut(in_maps, self.out_maps, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = self.relu1(self.bn1(self.conv1(x)))
        f = self.relu2(self.bn2(self.conv2(f)))
        f = self.bn3(self.conv3(f))
        return self.relu3(f + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """The nets of table 1. Images B C H W -> logits B K; the head averages, so any size fits."""

    stages = ("layer1", "layer2", "layer3", "layer4")
    head = "fc"

    def __init__(self, block: Block, blocks: Sequence[int], *, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        if small:  # the usual port to CIFAR: full resolution enters layer1
            self.conv1 = conv3x3(in_chans, 64)
        else:
            self.conv1 = nn.Conv2d(in_chans, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, maps = stage(block, 64, 64, blocks[0], stride=1)
        self.layer2, maps = stage(block, maps, 128, blocks[1], stride=2)
        self.layer3, maps = stage(block, maps, 256, blocks[2], stride=2)
        self.layer4, maps = stage(block, maps, 512, blocks[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(maps, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.avgpool(self.see(images)).flatten(1)
        return self.fc(x)  # B K

    def see(self, images: torch.Tensor) -> torch.Tensor:
        """The last maps: B 512 H/32 W/32 (2048 maps with bottlenecks; with the small stem H/8 W/8)."""
        x = self.relu(self.bn1(self.conv1(images)))  # B 64 H/2 W/2 (small stem: H W)
        x = self.maxpool(x)  # B 64 H/4 W/4 (small stem: H W)
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        return self.layer4(x)

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits for each pixel, B K H W: what the head says at each place of the last maps."""
        return answer_for_pixels(self.see(images), self.fc, (images.shape[2], images.shape[3]))


def stage(block: Block, in_maps: int, maps: int, count: int, stride: int) -> tuple[nn.Sequential, int]:
    """`count` blocks, the first of which takes the `stride`; also says how many maps leave the stage."""
    blocks = [block(in_maps, maps, stride)]
    out_maps = int(blocks[0].out_maps)  # type: ignore[arg-type]
    blocks += [block(out_maps, maps, 1) for _ in range(count - 1)]
    return nn.Sequential(*blocks), out_maps


def initialise(net: nn.Module) -> None:
    """He's normal initialisation by fan-out (section 3.4 cites it) for every convolution, as torchvision does."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def resnet(
    block: Block,
    blocks: tuple[int, ...],
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
) -> ResNet:
    """Four stages of `blocks`; `stem` "auto" takes 3x3 without pooling up to 64 pixels ("full", "small": always)."""
    return ResNet(block, blocks, num_classes=num_classes, in_chans=in_chans, small=is_small(img_size, stem))


resnet18 = partial(resnet, BasicBlock, (2, 2, 2, 2))
resnet34 = partial(resnet, BasicBlock, (3, 4, 6, 3))
resnet50 = partial(resnet, Bottleneck, (3, 4, 6, 3))
resnet101 = partial(resnet, Bottleneck, (3, 4, 23, 3))
resnet152 = partial(resnet, Bottleneck, (3, 8, 36, 3))
