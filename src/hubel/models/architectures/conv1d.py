"""A convolutional net for signals: Z. Wang, W. Yan, T. Oates, Time Series Classification from Scratch with Deep Neural
Networks: A Strong Baseline, IJCNN 2017, arXiv 1611.06455; figure 1 b (FCN).

    stage    operation                              maps
    block1   conv 8, batch norm, ReLU               128
    block2   conv 5, batch norm, ReLU               256
    block3   conv 3, batch norm, ReLU               128
    head     global average over time, dense        K

Letters: B batch, C channels of the signal, T samples in time, K classes.
"""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Sequential):
    """Convolution that keeps the length, batch norm, ReLU: B C T -> B maps T."""

    def __init__(self, in_maps: int, maps: int, size: int) -> None:
        pad = nn.ZeroPad1d(((size - 1) // 2, size // 2))  # an even window has one neighbour more on the right
        super().__init__(pad, nn.Conv1d(in_maps, maps, size, bias=False), nn.BatchNorm1d(maps), nn.ReLU())


class SignalNet(nn.Module):
    """Signals B T or B C T, or pictures B C H W read as C·H signals of length W, -> logits B K."""

    stages = ("block1", "block2", "block3")
    head = "classify"

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.block1 = Block(channels, 128, 8)
        self.block2 = Block(128, 256, 5)
        self.block3 = Block(256, 128, 3)
        self.classify = nn.Linear(128, num_classes)

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        if signals.ndim == 2:
            signals = signals[:, None]  # B 1 T
        x = signals.flatten(1, -2)  # B C T
        x = self.block3(self.block2(self.block1(x)))  # B 128 T
        return self.classify(x.mean(dim=2))  # B K


def signal_fcn(
    *, num_classes: int, in_chans: int, img_size: tuple[int | None, int | None], channels: int | None = None
) -> SignalNet:
    """The net for tables whose columns are `in_chans` samples in time, or for the rows of pictures.

    `channels` is for signals B C T that have several.
    """
    height = img_size[0]
    return SignalNet(num_classes, channels or (in_chans * height if height else 1))
