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

    def forward(self, x: torch.Tensor, there: torch.Tensor | None = None) -> torch.Tensor:
        """`there` B 1 T is 1 up to the end of each signal: what stands behind it counts nowhere, and stays 0."""
        pad, conv, norm, relu = self
        x = conv(pad(x))
        if there is None:
            return relu(norm(x))
        if self.training:  # statistics of what is there alone
            inside = there[:, 0] > 0  # B T
            x = torch.zeros_like(x.transpose(1, 2)).index_put((inside,), norm(x.transpose(1, 2)[inside]))
            return relu(x.transpose(1, 2))
        return relu(norm(x)) * there


class SignalNet(nn.Module):
    """Signals B T or B C T, or pictures B C H W read as C·H signals of length W, -> logits B K.

    `padded`: signals of unequal lengths, whose last channel is 1 up to their end (`hubel.data.signals`).
    """

    stages = ("block1", "block2", "block3")
    head = "classify"

    def __init__(self, num_classes: int, channels: int, *, padded: bool = False) -> None:
        super().__init__()
        self.padded = padded
        self.block1 = Block(channels, 128, 8)
        self.block2 = Block(128, 256, 5)
        self.block3 = Block(256, 128, 3)
        self.classify = nn.Linear(128, num_classes)

    def forward(self, signals: torch.Tensor) -> torch.Tensor:
        if signals.ndim == 2:
            signals = signals[:, None]  # B 1 T
        x = signals.flatten(1, -2)  # B C T
        if not self.padded:
            x = self.block3(self.block2(self.block1(x)))  # B 128 T
            return self.classify(x.mean(dim=2))  # B K
        there = x[:, -1:]
        for block in (self.block1, self.block2, self.block3):
            x = block(x, there)
        return self.classify(x.sum(dim=2) / there.sum(dim=2).clamp_min(1))


def signal_fcn(
    *, num_classes: int, in_chans: int, img_size: tuple[int | None, int | None], channels: int | None = None
) -> SignalNet:
    """The net for tables whose columns are `in_chans` samples in time, for the rows of pictures, or for series B C T
    (which are built with pictures of one pixel).

    `channels` is for signals B C T that have several.
    """
    height = img_size[0]
    if tuple(img_size) == (1, 1):
        return SignalNet(num_classes, in_chans, padded=True)
    return SignalNet(num_classes, channels or (in_chans * height if height else 1))
