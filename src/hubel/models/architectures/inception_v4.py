"""Inception v4: uniform modules, and a stem that itself has paths.

C. Szegedy, S. Ioffe, V. Vanhoucke, A. Alemi, Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning, AAAI 2017, arXiv 1602.07261, figure 9:

    stem (figure 3)          35x35x384
    4 x Inception-A (4)      35x35x384
    Reduction-A (7)          17x17x1024    k = 192, l = 224, m = 256, n = 384 (table 1)
    7 x Inception-B (5)      17x17x1024
    Reduction-B (8)          8x8x1536
    3 x Inception-C (6)      8x8x1536
    average, dropout 0.2, dense K

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.architectures.inception import ConvBn, Paths, chain, initialise
from hubel.models.shared import is_small, require

FLAT, TALL = (1, 7), (7, 1)


def stem(in_chans: int, small: bool) -> nn.Sequential:
    """Figure 3. B C 299 299 -> B 384 35 35; for small images each step keeps the size (padding, no stride)."""
    stride, padding = (1, 1) if small else (2, 0)
    pool = nn.MaxPool2d(3, stride, padding)
    return nn.Sequential(
        ConvBn(in_chans, 32, 3, stride, padding),
        ConvBn(32, 32, 3, padding=padding),
        ConvBn(32, 64, 3, padding=1),
        Paths(pool, ConvBn(64, 96, 3, stride, padding)),  # 160
        Paths(
            nn.Sequential(ConvBn(160, 64, 1), ConvBn(64, 96, 3, padding=padding)),
            nn.Sequential(*chain(160, (64, 1), (64, FLAT), (64, TALL)), ConvBn(64, 96, 3, padding=padding)),
        ),  # 192
        Paths(ConvBn(192, 192, 3, stride, padding), nn.MaxPool2d(3, stride, padding)),  # 384
    )


def inception_a() -> Paths:
    """Figure 4. B 384 H W -> B 384 H W."""
    return Paths(
        chain(384, (96, 1)),
        chain(384, (64, 1), (96, 3)),
        chain(384, (64, 1), (96, 3), (96, 3)),
        nn.Sequential(average(), ConvBn(384, 96, 1)),
    )


def reduction_a(in_maps: int, k: int, l: int, m: int, n: int) -> Paths:  # noqa: E741 (the paper's letters)
    """Figure 7. B in_maps H W -> B (n + m + in_maps) H/2 W/2."""
    return Paths(
        ConvBn(in_maps, n, 3, stride=2),
        nn.Sequential(*chain(in_maps, (k, 1), (l, 3)), ConvBn(l, m, 3, stride=2)),
        nn.MaxPool2d(3, 2),
    )


def inception_b() -> Paths:
    """Figure 5. B 1024 H W -> B 1024 H W."""
    return Paths(
        chain(1024, (384, 1)),
        chain(1024, (192, 1), (224, FLAT), (256, TALL)),
        chain(1024, (192, 1), (192, TALL), (224, FLAT), (224, TALL), (256, FLAT)),
        nn.Sequential(average(), ConvBn(1024, 128, 1)),
    )


def reduction_b() -> Paths:
    """Figure 8. B 1024 H W -> B 1536 H/2 W/2."""
    return Paths(
        nn.Sequential(ConvBn(1024, 192, 1), ConvBn(192, 192, 3, stride=2)),
        nn.Sequential(*chain(1024, (256, 1), (256, FLAT), (320, TALL)), ConvBn(320, 320, 3, stride=2)),
        nn.MaxPool2d(3, 2),
    )


def inception_c() -> Paths:
    """Figure 6: two paths fan out into 1x3 beside 3x1. B 1536 H W -> B 1536 H W."""
    return Paths(
        chain(1536, (256, 1)),
        nn.Sequential(ConvBn(1536, 384, 1), fan(384)),
        nn.Sequential(chain(1536, (384, 1), (448, TALL_3), (512, FLAT_3)), fan(512)),
        nn.Sequential(average(), ConvBn(1536, 256, 1)),
    )


FLAT_3, TALL_3 = (1, 3), (3, 1)


def fan(in_maps: int) -> Paths:
    """1x3 beside 3x1, 256 maps each."""
    return Paths(chain(in_maps, (256, FLAT_3)), chain(in_maps, (256, TALL_3)))


def average() -> nn.AvgPool2d:
    """Average of 3x3 that keeps the size; the margin is not counted, as in the released net."""
    return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)


class InceptionV4(nn.Module):
    """Figure 9. Images B C H W -> logits B K."""

    stages = ("stem", "inception_a", "reduction_a", "inception_b", "reduction_b", "inception_c")
    head = "fc"

    def __init__(self, num_classes: int, in_chans: int, small: bool, dropout: float) -> None:
        super().__init__()
        self.stem = stem(in_chans, small)
        self.inception_a = nn.Sequential(*(inception_a() for _ in range(4)))
        self.reduction_a = reduction_a(384, k=192, l=224, m=256, n=384)
        self.inception_b = nn.Sequential(*(inception_b() for _ in range(7)))
        self.reduction_b = reduction_b()
        self.inception_c = nn.Sequential(*(inception_c() for _ in range(3)))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1536, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.inception_a(self.stem(images))  # B 384 35 35
        x = self.inception_b(self.reduction_a(x))  # B 1024 17 17
        x = self.inception_c(self.reduction_b(x))  # B 1536 8 8
        return self.fc(self.dropout(self.avgpool(x).flatten(1)))  # B K


def inception_v4(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", dropout: float = 0.2
) -> InceptionV4:
    """Inception v4: 42,679,816 parameters; images of up to 74 pixels keep their size through the stem."""
    small = is_small(img_size, stem, up_to=74)
    require("inception_v4", img_size, 7 if small else 75)
    return InceptionV4(num_classes, in_chans, small, dropout)
