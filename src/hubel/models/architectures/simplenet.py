"""SimpleNet: thirteen plain layers, arranged with care, against nets ten times as large.

S. Hasanpour, M. Rouhani, M. Fayyaz, M. Sabokrou, Lets keep it simple, Using simple architectures to outperform deeper
and more complex architectures, 2016, arXiv 1608.06037. Convolutions 3x3 unless noted, each with BN and ReLU:

    64, 128, 128, 128   pool
    128, 128, 256       pool
    256, 256            pool
    512                 pool
    2048 (1x1), 256 (1x1)   pool
    256
    maximum over positions, dense K

A pool is max 2x2. Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

# Blocks of (maps, kernel); a pool stands between blocks.
BLOCKS = (
    ((64, 3), (128, 3), (128, 3), (128, 3)),
    ((128, 3), (128, 3), (256, 3)),
    ((256, 3), (256, 3)),
    ((512, 3),),
    ((2048, 1), (256, 1)),
    ((256, 3),),
)


class SimpleNet(nn.Module):
    """Images B C H W -> logits B K. Pools round up, so that any size from 1x1 on fits."""

    stages = tuple(f"blocks.{index}" for index in range(len(BLOCKS)))
    head = "fc"

    def __init__(self, num_classes: int, in_chans: int, dropout: float) -> None:
        super().__init__()
        maps = in_chans
        blocks = []
        for index, block in enumerate(BLOCKS):
            layers: list[nn.Module] = []
            for out, kernel in block:
                layers += [nn.Conv2d(maps, out, kernel, padding=kernel // 2), nn.BatchNorm2d(out), nn.ReLU()]
                maps = out
            if index < len(BLOCKS) - 1:
                layers += [nn.MaxPool2d(2, ceil_mode=True), nn.Dropout2d(dropout)]
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.Sequential(*blocks)
        self.maxpool = nn.AdaptiveMaxPool2d(1)
        self.fc = nn.Linear(maps, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.blocks(images)  # B 256 H/32 W/32
        return self.fc(self.maxpool(x).flatten(1))  # B K


def simplenet(*, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float = 0.1) -> SimpleNet:
    """SimpleNet; any size fits (`img_size` is not needed)."""
    return SimpleNet(num_classes, in_chans, dropout)
