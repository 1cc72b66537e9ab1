"""Network in Network: a small dense net at every position (convolutions 1x1), and an average instead of dense layers.

M. Lin, Q. Chen, S. Yan, Network In Network, ICLR 2014, arXiv 1312.4400. Each mlpconv is a convolution and two of 1x1:

    block     nin (CIFAR, 32x32)                   nin_imagenet (224x224)
    mlpconv1  5x5 192, 160, 96   max-pool 3 s2     11x11 s4 96, 96, 96    max-pool 3 s2
    mlpconv2  5x5 192, 192, 192  average-pool 3 s2 5x5 256, 256, 256      max-pool 3 s2
    mlpconv3  3x3 192, 192, K                      3x3 384, 384, 384      max-pool 3 s2
    mlpconv4                                       3x3 1024, 1024, K
    head      global average

Dropout 0.5 after pools (CIFAR) or before the last block (ImageNet). The widths are those of the authors' public models;
the paper leaves them out. Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.shared import require


def mlpconv(in_maps: int, maps: tuple[int, int, int], kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Convolution, then twice 1x1, with ReLU after each."""
    first, second, third = maps
    return nn.Sequential(
        nn.Conv2d(in_maps, first, kernel, stride, padding), nn.ReLU(),
        nn.Conv2d(first, second, 1), nn.ReLU(),
        nn.Conv2d(second, third, 1), nn.ReLU(),
    )  # fmt: skip


class NiN(nn.Module):
    """`blocks`, then the mlpconv whose last 1x1 convolution is the head: one map a class, averaged.

    Images B C H W -> logits B K.
    """

    head = "classify.4"

    def __init__(self, blocks: tuple[nn.Module, ...], classify: nn.Sequential) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.stages = tuple(f"blocks.{index}" for index in range(len(blocks)))
        # The public models end in a ReLU; logits must be free to be negative, so ours do not.
        self.classify = classify[:-1]
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.blocks(images)  # B 192 H/4 W/4 (ImageNet: B 384 5 5)
        x = self.classify(x)  # B K H/4 W/4
        return x.mean(dim=(2, 3))  # B K


def initialise(net: nn.Module) -> None:
    """He's initialisation; the N(0, 0.05) of the public models needs a long warm-up that nobody should have to find."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def nin(*, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float = 0.5) -> NiN:
    """The net for CIFAR: 966,986 parameters with K = 10; any size from 8x8 on."""
    blocks = (
        nn.Sequential(
            *mlpconv(in_chans, (192, 160, 96), 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Dropout(dropout)
        ),
        nn.Sequential(
            *mlpconv(96, (192, 192, 192), 5, padding=2), nn.AvgPool2d(3, 2, ceil_mode=True), nn.Dropout(dropout)
        ),
    )
    return NiN(blocks, mlpconv(192, (192, 192, num_classes), 3, padding=1))


def nin_imagenet(*, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float = 0.5) -> NiN:
    """The net for ImageNet: 7,595,176 parameters; from 67x67 on. For smaller images there is nin."""
    require("nin_imagenet", img_size, 67)
    blocks = (
        nn.Sequential(*mlpconv(in_chans, (96, 96, 96), 11, stride=4), nn.MaxPool2d(3, 2)),
        nn.Sequential(*mlpconv(96, (256, 256, 256), 5, padding=2), nn.MaxPool2d(3, 2)),
        nn.Sequential(*mlpconv(256, (384, 384, 384), 3, padding=1), nn.MaxPool2d(3, 2), nn.Dropout(dropout)),
    )
    return NiN(blocks, mlpconv(384, (1024, 1024, num_classes), 3, padding=1))
