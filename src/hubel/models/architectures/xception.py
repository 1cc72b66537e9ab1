"""Xception: the extreme Inception, in which each map is convolved alone and only 1x1 convolutions mix maps.

F. Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017, arXiv 1610.02357, figure 5:

    entry flow    conv 32 3x3 s2, conv 64 3x3
                  3 blocks: separable 128, 128 | 256, 256 | 728, 728, max-pool 3 s2, shortcut 1x1 s2
    middle flow   8 blocks: separable 728, 728, 728 with ReLU before each, identity shortcut
    exit flow     1 block: separable 728, 1024, max-pool 3 s2, shortcut 1x1 s2
                  separable 1536, ReLU, separable 2048, ReLU
    average, dense K

Batch normalisation after every convolution. Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.architectures.inception import ConvBn, initialise
from hubel.models.shared import is_small


def separable(in_maps: int, maps: int) -> nn.Sequential:
    """Depthwise 3x3, then 1x1, nothing between (section 2), then batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(in_maps, in_maps, 3, padding=1, groups=in_maps, bias=False),
        nn.Conv2d(in_maps, maps, 1, bias=False),
        nn.BatchNorm2d(maps),
    )


class Block(nn.Module):
    """Separable convolutions, and a shortcut around them: the identity, or 1x1 with stride 2 beside a max-pool.

    B in_maps H W -> B maps[-1] H/stride W/stride. The first ReLU is left out where the input has just been rectified.
    """

    def __init__(self, in_maps: int, *maps: int, stride: int = 1, relu_first: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = in_maps
        for width in maps:
            layers += [nn.ReLU(), separable(before, width)]
            before = width
        if not relu_first:
            layers.pop(0)
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.body = nn.Sequential(*layers)
        self.shortcut = nn.Identity() if stride == 1 else _projection(in_maps, before, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + self.shortcut(x)


def _projection(in_maps: int, maps: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_maps, maps, 1, stride, bias=False), nn.BatchNorm2d(maps))


class Xception(nn.Module):
    """Figure 5. Images B C H W -> logits B K."""

    stages = ("stem", "entry.0", "entry.1", "entry.2", "middle", "exit")
    head = "fc"

    def __init__(self, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        # Small stem: stride 1 in the first convolution. The paper's has no padding.
        first = ConvBn(in_chans, 32, 3, padding=1) if small else ConvBn(in_chans, 32, 3, stride=2)
        self.stem = nn.Sequential(first, ConvBn(32, 64, 3, padding=1 if small else 0))
        self.entry = nn.Sequential(
            Block(64, 128, 128, stride=2, relu_first=False),
            Block(128, 256, 256, stride=2),
            Block(256, 728, 728, stride=2),
        )
        self.middle = nn.Sequential(*(Block(728, 728, 728, 728) for _ in range(8)))
        self.exit = nn.Sequential(
            Block(728, 728, 1024, stride=2),
            separable(1024, 1536), nn.ReLU(),
            separable(1536, 2048), nn.ReLU(),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)  # B 64 147 147
        x = self.entry(x)  # B 728 19 19
        x = self.middle(x)  # B 728 19 19
        x = self.exit(x)  # B 2048 10 10
        return self.fc(self.avgpool(x).flatten(1))  # B K


def xception(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> Xception:
    """Xception: 22,855,952 parameters; images of up to 64 pixels get a stem of stride 1 ("full", "small": always)."""
    return Xception(num_classes, in_chans, is_small(img_size, stem))
