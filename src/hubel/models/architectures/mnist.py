"""Two small convnets for digits, alike up to the head.

    stage    operation           maps    size (28x28 input)   parameters
    block1   conv 3x3, ReLU      32      26x26                320
             max-pool 2          32      13x13
    block2   conv 3x3, ReLU      64      11x11                18,496
             max-pool 2          64      5x5
    head     flatten, dense      K                            16,010   (mnist_cnn, K = 10)
    head     conv 1x1, average   K                            650      (mnist_gap, K = 10)

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.shared import enlarge_to_pixels


def block(in_maps: int, maps: int) -> nn.Sequential:
    """Convolution 3x3 without padding, max-pooling 2x2, ReLU.

    ReLU and max-pooling commute exactly; pooling first leaves the ReLU a quarter of the values.
    """
    return nn.Sequential(nn.Conv2d(in_maps, maps, 3), nn.MaxPool2d(2), nn.ReLU())


def pooled(side: int) -> int:
    """The side of the maps after both blocks: two 3x3 windows without padding, two halvings."""
    return ((side - 2) // 2 - 2) // 2


class MnistCnn(nn.Module):
    """S27: 34,826 parameters for C = 1, K = 10, 28x28; the dense head fixes the input size."""

    stages = ("block1", "block2")
    head = "dense"

    def __init__(self, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float) -> None:
        super().__init__()
        height, width = img_size
        self.block1 = block(in_chans, 32)
        self.block2 = block(32, 64)
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(64 * pooled(height) * pooled(width), num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.block1(images)  # B 32 13 13
        x = self.block2(x)  # B 64 5 5
        x = self.dropout(x.flatten(1))  # B 1600
        return self.dense(x)  # B K


class MnistGap(nn.Module):
    """S28: 19,466 parameters for C = 1, K = 10; takes any size from 10x10 on."""

    stages = ("block1", "block2")
    head = "classify"

    def __init__(self, num_classes: int, in_chans: int, dropout: float) -> None:
        super().__init__()
        self.block1 = block(in_chans, 32)
        self.block2 = block(32, 64)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(64, num_classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.block1(images)  # B 32 H/2 W/2
        x = self.block2(x)  # B 64 H/4 W/4
        x = self.classify(self.dropout(x))  # B K H/4 W/4
        return x.mean(dim=(2, 3))  # B K

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits for each pixel, B K H W: those of the places, of which `forward` takes the mean."""
        x = self.classify(self.dropout(self.block2(self.block1(images))))
        # Two windows of 3 and two of 2: the first place looks at pixels 0 to 9.
        return enlarge_to_pixels(x, (images.shape[2], images.shape[3]), first=(4.5, 4.5), jump=(4, 4))


def mnist_cnn(*, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float = 0.0) -> MnistCnn:
    """The net of row S27; `dropout` before the dense layer (the Keras example uses 0.5)."""
    return MnistCnn(num_classes, in_chans, img_size, dropout)


def mnist_gap(*, num_classes: int, in_chans: int, img_size: tuple[int, int], dropout: float = 0.0) -> MnistGap:
    """The net of row S28; `img_size` is not needed, any size from 10x10 on fits."""
    return MnistGap(num_classes, in_chans, dropout)
