"""Two small nets of the classroom.

    convnetjs_cifar10   A. Karpathy, ConvNetJS, CIFAR-10 demonstration, 2014: three times convolution, ReLU, max-pool 2:
                        16, 20 and 20 maps of 7x7 (5x5 in the page's own code), dense K
    two_conv            two convolutions with ReLU that keep 32x32: 6 filters of 5x5x3, 10 filters of 3x3x6
                        (456 + 550 = 1,006 parameters, 1,013,760 multiply-accumulates); average, dense K

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn


class ConvNetJs(nn.Module):
    """Images B C H W -> logits B K; the dense head fixes the input size."""

    stages = ("layer1", "layer2", "layer3")
    head = "dense"

    def __init__(self, num_classes: int, in_chans: int, img_size: tuple[int, int], kernel: int) -> None:
        super().__init__()

        def layer(before: int, maps: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(before, maps, kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool2d(2))

        self.layer1 = layer(in_chans, 16)
        self.layer2 = layer(16, 20)
        self.layer3 = layer(20, 20)
        self.dense = nn.Linear(20 * (img_size[0] // 8) * (img_size[1] // 8), num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.layer1(images)  # B 16 16 16
        x = self.layer2(x)  # B 20 8 8
        x = self.layer3(x)  # B 20 4 4
        return self.dense(x.flatten(1))  # B K


class TwoConv(nn.Module):
    """Images B C H W -> logits B K; any size."""

    stages = ("conv1", "conv2")
    head = "dense"

    def __init__(self, num_classes: int, in_chans: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(in_chans, 6, 5, padding=2), nn.ReLU())
        self.conv2 = nn.Sequential(nn.Conv2d(6, 10, 3, padding=1), nn.ReLU())
        self.dense = nn.Linear(10, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)  # B 6 32 32
        x = self.conv2(x)  # B 10 32 32
        return self.dense(x.mean(dim=(2, 3)))  # B K


def convnetjs_cifar10(*, num_classes: int, in_chans: int, img_size: tuple[int, int], kernel: int = 7) -> ConvNetJs:
    """The browser's net for CIFAR-10; `kernel` 5 is the one of its code."""
    return ConvNetJs(num_classes, in_chans, img_size, kernel)


def two_conv(*, num_classes: int, in_chans: int, img_size: tuple[int, int]) -> TwoConv:
    """The two-layer stack with an average and a dense layer on top; any size fits."""
    return TwoConv(num_classes, in_chans)
