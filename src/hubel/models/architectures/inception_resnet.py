"""Inception-ResNet v2: Inception paths compute what a residual block adds.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi, Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning, AAAI 2017, arXiv 1602.07261, figure 15, with the widths of the released net where they differ:

    stem                          35x35x320     that of Inception v3 and one Inception-A module (the paper: figure 3)
    10 x block35 (figure 16)      35x35x320     scale 0.17   (the paper: 5 blocks, 384 maps)
    Reduction-A (7)               17x17x1088    k = 256, l = 256, m = 384, n = 384 (table 1)
    20 x block17 (figure 17)      17x17x1088    scale 0.10   (the paper: 10 blocks, 1152 maps)
    Reduction-B (18)              8x8x2080
    10 x block8 (figure 19)       8x8x2080      scale 0.20   (the paper: 5 blocks, 2144 maps)
    conv 1x1                      8x8x1536
    average, dropout 0.2, dense K

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.architectures.inception import ConvBn, Paths, chain, initialise
from hubel.models.architectures.inception_v4 import average, reduction_a
from hubel.models.shared import is_small, require


class ScaledResidual(nn.Module):
    """x + scale · f(x), then ReLU (section 3.3); f ends in a 1x1 convolution without normalisation."""

    def __init__(self, paths: Paths, path_maps: int, maps: int, scale: float, *, relu: bool = True) -> None:
        super().__init__()
        self.paths = paths
        self.up = nn.Conv2d(path_maps, maps, 1)
        self.scale = scale
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.scale * self.up(self.paths(x)))


def block35() -> ScaledResidual:
    """Figure 16. B 320 H W -> B 320 H W."""
    paths = Paths(chain(320, (32, 1)), chain(320, (32, 1), (32, 3)), chain(320, (32, 1), (48, 3), (64, 3)))
    return ScaledResidual(paths, 128, 320, 0.17)


def block17() -> ScaledResidual:
    """Figure 17. B 1088 H W -> B 1088 H W."""
    paths = Paths(chain(1088, (192, 1)), chain(1088, (128, 1), (160, (1, 7)), (192, (7, 1))))
    return ScaledResidual(paths, 384, 1088, 0.10)


def block8(*, last: bool = False) -> ScaledResidual:
    """Figure 19. B 2080 H W -> B 2080 H W. The last one of the released net adds all of f and has no ReLU."""
    paths = Paths(chain(2080, (192, 1)), chain(2080, (192, 1), (224, (1, 3)), (256, (3, 1))))
    return ScaledResidual(paths, 448, 2080, 1.0 if last else 0.20, relu=not last)


def reduction_b() -> Paths:
    """Figure 18. B 1088 H W -> B 2080 H/2 W/2."""
    return Paths(
        nn.Sequential(ConvBn(1088, 256, 1), ConvBn(256, 384, 3, stride=2)),
        nn.Sequential(ConvBn(1088, 256, 1), ConvBn(256, 288, 3, stride=2)),
        nn.Sequential(*chain(1088, (256, 1), (288, 3)), ConvBn(288, 320, 3, stride=2)),
        nn.MaxPool2d(3, 2),
    )


def stem(in_chans: int, small: bool) -> nn.Sequential:
    """B C 299 299 -> B 320 35 35; for small images each step keeps the size (padding, no stride)."""
    stride, padding = (1, 1) if small else (2, 0)
    return nn.Sequential(
        ConvBn(in_chans, 32, 3, stride, padding),
        ConvBn(32, 32, 3, padding=padding),
        ConvBn(32, 64, 3, padding=1),
        nn.MaxPool2d(3, stride, padding),
        ConvBn(64, 80, 1),
        ConvBn(80, 192, 3, padding=padding),
        nn.MaxPool2d(3, stride, padding),
        Paths(
            chain(192, (96, 1)),
            chain(192, (48, 1), (64, 5)),
            chain(192, (64, 1), (96, 3), (96, 3)),
            nn.Sequential(average(), ConvBn(192, 64, 1)),
        ),
    )


class InceptionResNetV2(nn.Module):
    """Figure 15. Images B C H W -> logits B K."""

    stages = ("stem", "blocks35", "reduction_a", "blocks17", "reduction_b", "blocks8")
    head = "fc"

    def __init__(self, num_classes: int, in_chans: int, small: bool, dropout: float) -> None:
        super().__init__()
        self.stem = stem(in_chans, small)
        self.blocks35 = nn.Sequential(*(block35() for _ in range(10)))
        self.reduction_a = reduction_a(320, k=256, l=256, m=384, n=384)
        self.blocks17 = nn.Sequential(*(block17() for _ in range(20)))
        self.reduction_b = reduction_b()
        self.blocks8 = nn.Sequential(*(block8(last=index == 9) for index in range(10)))
        self.top = ConvBn(2080, 1536, 1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1536, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.blocks35(self.stem(images))  # B 320 35 35
        x = self.blocks17(self.reduction_a(x))  # B 1088 17 17
        x = self.blocks8(self.reduction_b(x))  # B 2080 8 8
        x = self.avgpool(self.top(x)).flatten(1)
        return self.fc(self.dropout(x))  # B K


def inception_resnet_v2(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", dropout: float = 0.2
) -> InceptionResNetV2:
    """Inception-ResNet v2: 55,843,464 parameters; images of up to 74 pixels keep their size through the stem."""
    small = is_small(img_size, stem, up_to=74)
    require("inception_resnet_v2", img_size, 7 if small else 75)
    return InceptionResNetV2(num_classes, in_chans, small, dropout)
