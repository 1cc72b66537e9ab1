"""AlexNet: the net of 2012 that won by ten points, and its two usual retellings.

A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet Classification with Deep Convolutional Neural Networks, NeurIPS 2012;
the second form is section 2 of A. Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014,
arXiv 1404.5997; the third is the one of A. Zhang et al., Dive into Deep Learning, section 8.1.

    layer    alexnet2012             alexnet                alexnet_d2l
    conv1    96@11x11 s4, LRN, pool  64@11x11 s4 p2, pool   96@11x11 s4 p1, pool     pool: max 3x3, stride 2
    conv2    256@5x5 p2, LRN, pool   192@5x5 p2, pool       256@5x5 p2, pool         ReLU after every layer
    conv3    384@3x3 p1              384@3x3 p1             384@3x3 p1
    conv4    384@3x3 p1              256@3x3 p1             384@3x3 p1
    conv5    256@3x3 p1, pool        256@3x3 p1, pool       256@3x3 p1, pool
    fc6      4096, dropout           4096, dropout          4096, dropout
    fc7      4096, dropout           4096, dropout          4096, dropout
    fc8      K                       K                      K

In 2012 conv2, conv4 and conv5 saw only the maps of their own GPU: two groups. Letters: B batch, C input channels,
H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.shared import is_small, require
from hubel.nn.layers import local_response_norm


class AlexNet(nn.Module):
    """torchvision's form, and its module names. Images B C H W -> logits B K."""

    stages = ("features.2", "features.5", "features.7", "features.9", "features.12")
    head = "classifier.6"

    def __init__(self, num_classes: int, in_chans: int, small: bool, dropout: float) -> None:
        super().__init__()
        # Small stem: 32 -> 15 -> 7 -> 3 instead of 224 -> 27 -> 13 -> 6, then an average and narrower dense layers.
        if small:
            stem, side, width = nn.Conv2d(in_chans, 64, 5, padding=2), 1, 1024
        else:
            stem, side, width = nn.Conv2d(in_chans, 64, 11, stride=4, padding=2), 6, 4096
        self.features = nn.Sequential(
            stem, nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = dense_layers(256 * side * side, width, num_classes, dropout, dropout_first=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.features(images)  # B 256 6 6
        x = self.avgpool(x).flatten(1)  # B 9216
        return self.classifier(x)  # B K


class AlexNet2012(nn.Module):
    """The two columns of figure 2 as two groups. Images B C H W -> logits B K."""

    stages = ("conv1", "conv2", "conv3", "conv4", "conv5")
    head = "classifier.6"

    def __init__(self, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        # The paper says 224x224, its arithmetic (55 = (227 - 11) / 4 + 1) 227x227; padding by 2 gives 55 from 224.
        if small:
            stem, side, width = nn.Conv2d(in_chans, 96, 5, padding=2), 1, 1024
        else:
            stem, side, width = nn.Conv2d(in_chans, 96, 11, stride=4, padding=2), 6, 4096
        self.conv1 = nn.Sequential(stem, nn.ReLU(), local_response_norm(), nn.MaxPool2d(3, 2))
        self.conv2 = nn.Sequential(
            nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), local_response_norm(), nn.MaxPool2d(3, 2)
        )
        self.conv3 = nn.Sequential(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU())
        self.conv4 = nn.Sequential(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU())
        self.conv5 = nn.Sequential(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = dense_layers(256 * side * side, width, num_classes, 0.5, dropout_first=True)
        ones = (self.conv2[0], self.conv4[0], self.conv5[0], self.classifier[1], self.classifier[4])
        initialise(self, ones, small=small)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)  # B 96 27 27
        x = self.conv2(x)  # B 256 13 13
        x = self.conv3(x)  # B 384 13 13
        x = self.conv4(x)  # B 384 13 13
        x = self.conv5(x)  # B 256 6 6
        return self.classifier(self.avgpool(x).flatten(1))  # B K


class AlexNetD2l(nn.Module):
    """The textbook's form, one column, no normalisation. Images B C H W -> logits B K."""

    stages = ("conv1", "conv2", "conv3", "conv4", "conv5")
    head = "classifier.6"

    def __init__(self, num_classes: int, in_chans: int, small: bool) -> None:
        super().__init__()
        if small:
            stem, side, width = nn.Conv2d(in_chans, 96, 5, padding=2), 1, 1024
        else:
            stem, side, width = nn.Conv2d(in_chans, 96, 11, stride=4, padding=1), 5, 4096
        self.conv1 = nn.Sequential(stem, nn.ReLU(), nn.MaxPool2d(3, 2))
        self.conv2 = nn.Sequential(nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.conv3 = nn.Sequential(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU())
        self.conv4 = nn.Sequential(nn.Conv2d(384, 384, 3, padding=1), nn.ReLU())
        self.conv5 = nn.Sequential(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = dense_layers(256 * side * side, width, num_classes, 0.5, dropout_first=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)  # B 96 26 26
        x = self.conv2(x)  # B 256 12 12
        x = self.conv3(x)  # B 384 12 12
        x = self.conv4(x)  # B 384 12 12
        x = self.conv5(x)  # B 256 5 5
        return self.classifier(self.avgpool(x).flatten(1))  # B K


def dense_layers(inputs: int, width: int, num_classes: int, dropout: float, *, dropout_first: bool) -> nn.Sequential:
    """fc6, fc7, fc8 with ReLU and dropout: before the two hidden layers (torchvision) or after."""
    if dropout_first:
        return nn.Sequential(
            nn.Dropout(dropout), nn.Linear(inputs, width), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, num_classes),
        )  # fmt: skip
    return nn.Sequential(
        nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(width, num_classes),
    )  # fmt: skip


def initialise(net: nn.Module, ones: tuple[nn.Module, ...], *, small: bool) -> None:
    """Section 5: weights from N(0, 0.01), biases 1 in the layers `ones` (their ReLUs start active), else 0.

    0.01 suits sums over thousands of inputs; the narrow net for small images would fall silent, and gets He's below its
    head. Under those sums a bias of 1 adds up from layer to layer (the first loss was 19 instead of ln 10), so it is 0.
    """
    head = net.get_submodule(str(net.head))
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            if small and module is not head:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, std=0.01)
            nn.init.constant_(module.bias, float(module in ones and not small))  # type: ignore[arg-type]


def alexnet(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", dropout: float = 0.5
) -> AlexNet:
    """torchvision's AlexNet: 61,100,840 parameters; images of up to 64 pixels get a 5x5 stem of stride 1."""
    small = is_small(img_size, stem)
    require("alexnet", img_size, 15 if small else 63)
    return AlexNet(num_classes, in_chans, small, dropout)


def alexnet2012(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> AlexNet2012:
    """The two-group AlexNet with response normalisation: 60,965,224 parameters; `stem` as in alexnet."""
    small = is_small(img_size, stem)
    require("alexnet2012", img_size, 15 if small else 63)
    return AlexNet2012(num_classes, in_chans, small)


def alexnet_d2l(*, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto") -> AlexNetD2l:
    """The textbook's AlexNet: 50,844,008 parameters with K = 1000; `stem` as in alexnet."""
    small = is_small(img_size, stem)
    require("alexnet_d2l", img_size, 15 if small else 65)
    return AlexNetD2l(num_classes, in_chans, small)
