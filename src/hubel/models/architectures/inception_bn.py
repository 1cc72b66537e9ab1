"""Inception v2, BN-Inception: batch normalisation, and two 3x3 convolutions where GoogLeNet had 5x5.

S. Ioffe, C. Szegedy, Batch Normalization, ICML 2015, arXiv 1502.03167, figure 5 (its columns):

    type             size   #1x1   #3x3 reduce   #3x3   double 3x3 reduce   double 3x3   pool + proj
    conv 7x7 s2      112    64
    max-pool 3 s2    56
    conv 1x1, 3x3    56     64                   192
    max-pool 3 s2    28
    3a               28     64     64            64     64                  96           avg 32
    3b               28     64     64            96     64                  96           avg 64
    3c               14     0      128           160    64                  96           max, stride 2
    4a               14     224    64            96     96                  128          avg 128
    4b               14     192    96            128    96                  128          avg 128
    4c               14     160    128           160    128                 160          avg 96
    4d               14     96     128           192    160                 192          avg 96
    4e               7      0      128           192    192                 256          max, stride 2
    5a               7      352    192           320    160                 224          avg 128
    5b               7      352    192           320    192                 224          max 128
    average, dense K

The widths add up to the sizes that figure 5 prints (576, 1024); a known port has 128 for 96 in 4c, 4d.
Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.architectures.inception import ConvBn, Paths, initialise
from hubel.models.shared import is_small

# row: (#1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool, projection)
FIGURE_5 = {
    "3a": (64, 64, 64, 64, 96, "avg", 32),
    "3b": (64, 64, 96, 64, 96, "avg", 64),
    "3c": (0, 128, 160, 64, 96, "max", 0),
    "4a": (224, 64, 96, 96, 128, "avg", 128),
    "4b": (192, 96, 128, 96, 128, "avg", 128),
    "4c": (160, 128, 160, 128, 160, "avg", 96),
    "4d": (96, 128, 192, 160, 192, "avg", 96),
    "4e": (0, 128, 192, 192, 256, "max", 0),
    "5a": (352, 192, 320, 160, 224, "avg", 128),
    "5b": (352, 192, 320, 192, 224, "max", 128),
}


def block(in_maps: int, row: str) -> tuple[Paths, int]:
    """One row of figure 5, and how many maps leave it. A row without 1x1 halves the size and keeps the pool's maps."""
    n1x1, reduce3, n3x3, reduce5, n5x5, kind, proj = FIGURE_5[row]
    stride = 1 if n1x1 else 2
    pool = (nn.AvgPool2d if kind == "avg" else nn.MaxPool2d)(3, stride, padding=1)
    branches: list[nn.Module] = [ConvBn(in_maps, n1x1, 1)] if n1x1 else []
    branches += [
        nn.Sequential(ConvBn(in_maps, reduce3, 1), ConvBn(reduce3, n3x3, 3, stride, padding=1)),
        nn.Sequential(
            ConvBn(in_maps, reduce5, 1), ConvBn(reduce5, n5x5, 3, padding=1), ConvBn(n5x5, n5x5, 3, stride, padding=1)
        ),
        nn.Sequential(pool, ConvBn(in_maps, proj, 1)) if proj else pool,
    ]
    return Paths(*branches), n1x1 + n3x3 + n5x5 + (proj or in_maps)


class InceptionBn(nn.Module):
    """Figure 5. Images B C H W -> logits B K."""

    stages = ("stem", "inception3", "inception4", "inception5")
    head = "fc"

    def __init__(self, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        # Small stem: stride 1 and no pooling, so that 3a sees 28x28 or 32x32.
        first = ConvBn(in_chans, 64, 3, padding=1) if small else ConvBn(in_chans, 64, 7, 2, padding=3)
        self.stem = nn.Sequential(
            first,
            nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1),
            ConvBn(64, 64, 1),
            ConvBn(64, 192, 3, padding=1),
            nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1),
        )
        self.inception3, maps = stage(192, ("3a", "3b", "3c"))
        self.inception4, maps = stage(maps, ("4a", "4b", "4c", "4d", "4e"))
        self.inception5, maps = stage(maps, ("5a", "5b"))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(maps, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)  # B 192 H/8 W/8
        x = self.inception3(x)  # B 576 H/16 W/16
        x = self.inception4(x)  # B 1024 H/32 W/32
        x = self.inception5(x)  # B 1024 H/32 W/32
        return self.fc(self.avgpool(x).flatten(1))  # B K


def stage(maps: int, rows: tuple[str, ...]) -> tuple[nn.Sequential, int]:
    """Rows after one another, and how many maps leave the last."""
    blocks = []
    for row in rows:
        paths, maps = block(maps, row)
        blocks.append(paths)
    return nn.Sequential(*blocks), maps


def inception_v2(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> InceptionBn:
    """BN-Inception; images of up to 64 pixels get a 3x3 stem without pooling ("full", "small": always)."""
    return InceptionBn(num_classes, in_chans, is_small(img_size, stem))
