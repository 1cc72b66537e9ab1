"""GoogLeNet, Inception v1: paths of 1x1, 3x3, 5x5 and pooling side by side, made cheap by 1x1 convolutions before them.

C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015, arXiv 1409.4842. Table 1:

    type             size   #1x1   #3x3 reduce   #3x3   #5x5 reduce   #5x5   pool proj
    conv 7x7 s2      112    64
    max-pool 3 s2    56
    conv 1x1, 3x3    56     64                   192
    max-pool 3 s2    28
    inception 3a     28     64     96            128    16            32     32
    inception 3b     28     128    128           192    32            96     64
    max-pool 3 s2    14
    inception 4a     14     192    96            208    16            48     64     auxiliary head 1 after it
    inception 4b     14     160    112           224    24            64     64
    inception 4c     14     128    128           256    24            64     64
    inception 4d     14     112    144           288    32            64     64     auxiliary head 2 after it
    inception 4e     14     256    160           320    32            128    128
    max-pool 3 s2    7
    inception 5a     7      256    160           320    32            128    128
    inception 5b     7      384    192           384    48            128    128
    average, dropout 0.4, dense K

Two forms: `inception_v1` is the table (with biases and response normalisation, 5x5 where it says 5x5), `googlenet` is
torchvision's: batch normalisation, and 3x3 where the table says 5x5. Letters: B batch, C input channels, H W height and
width, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from hubel.models.architectures.inception import ConvBn, Paths, initialise
from hubel.models.shared import is_small
from hubel.nn.layers import local_response_norm

# The rows of table 1 that are inception modules, with the letters of its columns.
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

Conv = Callable[..., nn.Module]
"""(in_maps, maps, kernel, stride, padding) -> convolution with its non-linearity."""


def conv_relu(in_maps: int, maps: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Module:
    """The paper's convolution: with a bias, and ReLU."""
    return nn.Sequential(nn.Conv2d(in_maps, maps, kernel, stride, padding), nn.ReLU())


def inception(in_maps: int, row: str, conv: Conv, largest: int) -> Paths:
    """Figure 2b with the widths of a row of table 1; `largest` is the window of the third path."""
    n1x1, reduce3, n3x3, reduce5, n5x5, proj = TABLE_1[row]
    return Paths(
        conv(in_maps, n1x1, 1),
        nn.Sequential(conv(in_maps, reduce3, 1), conv(reduce3, n3x3, 3, padding=1)),
        nn.Sequential(conv(in_maps, reduce5, 1), conv(reduce5, n5x5, largest, padding=largest // 2)),
        nn.Sequential(nn.MaxPool2d(3, 1, padding=1, ceil_mode=True), conv(in_maps, proj, 1)),
    )


def width(row: str) -> int:
    """Maps that leave a row.

    >>> width("3a"), width("5b")
    (256, 1024)
    """
    n1x1, _, n3x3, _, n5x5, proj = TABLE_1[row]
    return n1x1 + n3x3 + n5x5 + proj


class AuxiliaryHead(nn.Module):
    """A classifier half-way: average to 4x4, 1x1 to 128, dense 1024, dropout 0.7, dense K. B maps H W -> B K."""

    def __init__(self, in_maps: int, num_classes: int, conv: Conv) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.conv = conv(in_maps, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(self.pool(x)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Table 1. Images B C H W -> logits B K; `forward_all` also gives the auxiliary logits, for training."""

    stages = (
        "maxpool1", "maxpool2", "inception3a", "inception3b", "inception4a", "inception4b", "inception4c",
        "inception4d", "inception4e", "inception5a", "inception5b",
    )  # fmt: skip
    head = "fc"
    aux_weight = 0.3
    """Weight of the auxiliary losses in the paper's sum."""

    def __init__(
        self,
        *,
        num_classes: int,
        in_chans: int,
        small: bool,
        aux: bool,
        conv: Conv,
        largest: int,
        norm: Callable[[], nn.Module],
        dropout: float,
    ) -> None:
        super().__init__()

        def block(in_maps: int, row: str) -> Paths:
            return inception(in_maps, row, conv, largest)

        # Small stem: 3x3 at full resolution and no pools, so that module 3a sees 28x28 or 32x32.
        self.conv1 = conv(in_chans, 64, 3, padding=1) if small else conv(in_chans, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.Sequential(nn.Identity() if small else pool(), norm())
        self.conv2 = conv(64, 64, 1)
        self.conv3 = conv(64, 192, 3, padding=1)
        self.maxpool2 = nn.Sequential(norm(), nn.Identity() if small else pool())
        self.inception3a = block(192, "3a")
        self.inception3b = block(width("3a"), "3b")
        self.maxpool3 = pool()
        self.inception4a = block(width("3b"), "4a")
        self.inception4b = block(width("4a"), "4b")
        self.inception4c = block(width("4b"), "4c")
        self.inception4d = block(width("4c"), "4d")
        self.inception4e = block(width("4d"), "4e")
        self.maxpool4 = nn.MaxPool2d(2, 2, ceil_mode=True) if conv is ConvBn else pool()
        self.inception5a = block(width("4e"), "5a")
        self.inception5b = block(width("5a"), "5b")
        self.aux1 = AuxiliaryHead(width("4a"), num_classes, conv) if aux else None
        self.aux2 = AuxiliaryHead(width("4d"), num_classes, conv) if aux else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width("5b"), num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x, _, _ = self._body(images)
        return self.fc(x)  # B K

    def forward_all(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits of the head, then of each auxiliary head, each B K."""
        x, half, later = self._body(images)
        heads = [(self.aux1, half), (self.aux2, later)]
        return (self.fc(x), *(head(maps) for head, maps in heads if head is not None))

    def _body(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.maxpool1(self.conv1(images))  # B 64 H/4 W/4
        x = self.maxpool2(self.conv3(self.conv2(x)))  # B 192 H/8 W/8
        x = self.inception3b(self.inception3a(x))  # B 480 H/8 W/8
        x = half = self.inception4a(self.maxpool3(x))  # B 512 H/16 W/16
        x = later = self.inception4d(self.inception4c(self.inception4b(x)))  # B 528 H/16 W/16
        x = self.maxpool4(self.inception4e(x))  # B 832 H/32 W/32
        x = self.inception5b(self.inception5a(x))  # B 1024 H/32 W/32
        return self.dropout(self.avgpool(x).flatten(1)), half, later


def pool() -> nn.MaxPool2d:
    """Max-pooling 3x3 with stride 2, rounding up: 112 -> 56 -> 28 -> 14 -> 7."""
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def googlenet(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    aux: bool = True,
    dropout: float = 0.2,
) -> GoogLeNet:
    """torchvision's form: 13,004,888 parameters with its auxiliary heads (`aux`), 6,624,904 without."""
    small = is_small(img_size, stem)
    return GoogLeNet(
        num_classes=num_classes, in_chans=in_chans, small=small, aux=aux, conv=ConvBn, largest=3, norm=nn.Identity,
        dropout=dropout,
    )  # fmt: skip


def inception_v1(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    aux: bool = True,
    dropout: float = 0.4,
) -> GoogLeNet:
    """The paper's form: 6,998,552 parameters without the auxiliary heads (`aux`), 13,378,280 with them."""
    small = is_small(img_size, stem)
    return GoogLeNet(
        num_classes=num_classes, in_chans=in_chans, small=small, aux=aux, conv=conv_relu, largest=5,
        norm=local_response_norm, dropout=dropout,
    )  # fmt: skip
