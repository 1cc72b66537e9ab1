"""Plain nets: ResNets with the shortcuts cut, to see what the shortcuts are for.

K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385, table 2 and
figure 6. Past some depth a plain net has a higher *training* error than a shallower one (degradation):

    ImageNet   plain-18 27.94 %   plain-34 28.54 %      ResNet-18 27.88 %   ResNet-34 25.03 %     (top-1 error)
    CIFAR-10   plain-20 and plain-56 against resnet20 and resnet56 of resnet_cifar.py

The stages are those of resnet.py and resnet_cifar.py; only the block differs. Letters: B batch, H W height and width.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from hubel.models.architectures.resnet import conv3x3, resnet
from hubel.models.architectures.resnet_cifar import cifar_resnet


class PlainBlock(nn.Module):
    """Two convolutions 3x3, nothing around them. B in_maps H W -> B maps H/stride W/stride."""

    def __init__(self, in_maps: int, maps: int, stride: int) -> None:
        super().__init__()
        self.out_maps = maps
        self.conv1 = conv3x3(in_maps, maps, stride)
        self.bn1 = nn.BatchNorm2d(maps)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(maps, maps)
        self.bn2 = nn.BatchNorm2d(maps)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(x)))


# ResNets without shortcuts, for large images with the stem of resnet18, and for CIFAR.
plain18 = partial(resnet, PlainBlock, (2, 2, 2, 2))
plain34 = partial(resnet, PlainBlock, (3, 4, 6, 3))
plain20 = partial(cifar_resnet, 3, PlainBlock)
plain32 = partial(cifar_resnet, 5, PlainBlock)
plain44 = partial(cifar_resnet, 7, PlainBlock)
plain56 = partial(cifar_resnet, 9, PlainBlock)
