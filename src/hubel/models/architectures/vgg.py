"""VGG: nothing but 3x3 convolutions and 2x2 pools, and more of them.

K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015, arXiv
1409.1556. Table 1: convolutions 3x3 before each of five max-pools, and their maps:

    configuration   maps   64   128   256   512   512    weight layers
    A   vgg11              1    1     2     2     2      11
    B   vgg13              2    2     2     2     2      13
    D   vgg16              2    2     3     3     3      16
    E   vgg19              2    2     4     4     4      19
    dense 4096, 4096, K with dropout 0.5

The maps double after each pool but the last. Module names are torchvision's. `_bn` puts batch normalisation between
each convolution and its ReLU (not in the paper). Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from hubel.models.architectures.alexnet import dense_layers
from hubel.models.shared import is_small, require

MAPS = (64, 128, 256, 512, 512)
CONFIGURATIONS = {"A": (1, 1, 2, 2, 2), "B": (2, 2, 2, 2, 2), "D": (2, 2, 3, 3, 3), "E": (2, 2, 4, 4, 4)}


class Vgg(nn.Module):
    """A column of table 1. Images B C H W -> logits B K. Each stage ends in a pool."""

    head = "classifier.6"

    def __init__(
        self, convs: Sequence[int], *, num_classes: int, in_chans: int, norm: bool, small: bool, dropout: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        pools = []
        maps_before = in_chans
        for maps, count in zip(MAPS, convs, strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(maps_before, maps, 3, padding=1))
                if norm:
                    layers.append(nn.BatchNorm2d(maps))
                layers.append(nn.ReLU())
                maps_before = maps
            pools.append(f"features.{len(layers)}")
            layers.append(nn.MaxPool2d(2, ceil_mode=small))  # rounding up, 28x28 lasts for five pools
        self.stages = tuple(pools)
        self.features = nn.Sequential(*layers)
        # Small images: the average and dense layers of 512 of S. Liu, W. Deng, ACPR 2015, for CIFAR.
        side, width = (1, 512) if small else (7, 4096)
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = dense_layers(512 * side * side, width, num_classes, dropout, dropout_first=False)
        initialise(self, small=small)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.features(images)  # B 512 H/32 W/32
        x = self.avgpool(x).flatten(1)  # B 25088
        return self.classifier(x)  # B K


def initialise(net: nn.Module, *, small: bool) -> None:
    """He's initialisation for convolutions, N(0, 0.01) for dense layers, biases 0, as torchvision does.

    The narrow dense layers for small images get He's too. The paper started its deep nets from a trained
    configuration A; with this start they need not.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        elif isinstance(module, nn.Linear):
            if small:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


def vgg(
    configuration: str,
    norm: bool,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    dropout: float = 0.5,
) -> Vgg:
    """Configuration A to E, with batch normalisation or without; images of up to 64 pixels get a head of width 512."""
    small = is_small(img_size, stem)
    if not small:
        require("vgg", img_size, 32)
    convs = CONFIGURATIONS[configuration]
    return Vgg(convs, num_classes=num_classes, in_chans=in_chans, norm=norm, small=small, dropout=dropout)


vgg11, vgg11_bn = partial(vgg, "A", False), partial(vgg, "A", True)
vgg13, vgg13_bn = partial(vgg, "B", False), partial(vgg, "B", True)
vgg16, vgg16_bn = partial(vgg, "D", False), partial(vgg, "D", True)
vgg19, vgg19_bn = partial(vgg, "E", False), partial(vgg, "E", True)
