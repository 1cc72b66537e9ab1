"""ZFNet: AlexNet with a finer first layer, found by looking at what its layers see.

M. Zeiler, R. Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv 1311.2901, figure 3:

    layer   maps   window          size
    1       96     7x7, stride 2   110    max-pool 3x3 s2 -> 55, contrast normalisation
    2       256    5x5, stride 2   26     max-pool 3x3 s2 -> 13, contrast normalisation
    3       384    3x3             13
    4       384    3x3             13
    5       256    3x3             13     max-pool 3x3 s2 -> 6
    6, 7    4096   dense, dropout
    head    K      dense

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.architectures.alexnet import dense_layers, initialise
from hubel.models.shared import is_small, require
from hubel.nn.layers import local_response_norm


class ZFNet(nn.Module):
    """Figure 3. Images B C H W -> logits B K. Pools round up (the paper's 55 and 13 need it)."""

    stages = ("conv1", "conv2", "conv3", "conv4", "conv5")
    head = "classifier.6"

    def __init__(self, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        # Small stem: stride 1 in both first convolutions, 32 -> 16 -> 8 -> 4, an average and narrower dense layers.
        stride, side, width = (1, 1, 1024) if small else (2, 6, 4096)
        first = nn.Conv2d(in_chans, 96, 7, stride, padding=3 if small else 1)
        second = nn.Conv2d(96, 256, 5, stride, padding=2 if small else 0)
        self.conv1 = nn.Sequential(first, nn.ReLU(), pool(), local_response_norm())
        self.conv2 = nn.Sequential(second, nn.ReLU(), pool(), local_response_norm())
        self.conv3 = nn.Sequential(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU())
        self.conv4 = nn.Sequential(nn.Conv2d(384, 384, 3, padding=1), nn.ReLU())
        self.conv5 = nn.Sequential(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), pool())
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = dense_layers(256 * side * side, width, num_classes, 0.5, dropout_first=True)
        initialise(self, ones=(), small=small)  # section 3: weights of 0.01, biases 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)  # B 96 55 55
        x = self.conv2(x)  # B 256 13 13
        x = self.conv3(x)  # B 384 13 13
        x = self.conv4(x)  # B 384 13 13
        x = self.conv5(x)  # B 256 6 6
        return self.classifier(self.avgpool(x).flatten(1))  # B K


def pool() -> nn.MaxPool2d:
    """Max-pooling 3x3 with stride 2 that keeps a rest at the edge."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def zfnet(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> ZFNet:
    """ZFNet: 62,357,608 parameters; images of up to 64 pixels get strides of 1 ("full", "small": always)."""
    small = is_small(img_size, stem)
    require("zfnet", img_size, 15 if small else 47)
    return ZFNet(num_classes, in_chans, small)
