"""Inception v3: large windows factored into small and flat ones.

C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016, arXiv 1512.00567. Table 1 with
the modules of the released net, which torchvision follows (its names Mixed_5b … are kept, so its state dicts load):

    type                    size   maps
    conv 3x3 s2, 3x3, 3x3   147    32, 32, 64
    max-pool 3 s2           73
    conv 1x1, 3x3           71     80, 192
    max-pool 3 s2           35
    Mixed_5b 5c 5d          35     256 288 288     figure 5: 5x5 and two 3x3
    Mixed_6a                17     768             stride 2
    Mixed_6b 6c 6d 6e       17     768             figure 6: 1x7 and 7x1
    Mixed_7a                8      1280            stride 2
    Mixed_7b 7c             8      2048            figure 7: 1x3 beside 3x1
    average, dropout, dense K

Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.architectures.inception import ConvBn, initialise
from hubel.models.shared import is_small, require


class InceptionA(nn.Module):
    """Figure 5. B in_maps H W -> B (224 + pool_maps) H W."""

    def __init__(self, in_maps: int, pool_maps: int) -> None:
        super().__init__()
        self.branch1x1 = ConvBn(in_maps, 64, 1)
        self.branch5x5_1 = ConvBn(in_maps, 48, 1)
        self.branch5x5_2 = ConvBn(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = ConvBn(in_maps, 64, 1)
        self.branch3x3dbl_2 = ConvBn(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvBn(96, 96, 3, padding=1)
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvBn(in_maps, pool_maps, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(self.pool(x))], dim=1)


class ReductionA(nn.Module):
    """Mixed_6a: convolutions and a pool of stride 2 side by side. B in_maps H W -> B (480 + in_maps) H/2 W/2."""

    def __init__(self, in_maps: int) -> None:
        super().__init__()
        self.branch3x3 = ConvBn(in_maps, 384, 3, stride=2)
        self.branch3x3dbl_1 = ConvBn(in_maps, 64, 1)
        self.branch3x3dbl_2 = ConvBn(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = ConvBn(96, 96, 3, stride=2)
        self.pool = nn.MaxPool2d(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, self.pool(x)], dim=1)


class InceptionB(nn.Module):
    """Figure 6 with n = 7; `maps` of the flat convolutions. B 768 H W -> B 768 H W."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        flat, tall = {"kernel": (1, 7), "padding": (0, 3)}, {"kernel": (7, 1), "padding": (3, 0)}
        self.branch1x1 = ConvBn(768, 192, 1)
        self.branch7x7_1 = ConvBn(768, maps, 1)
        self.branch7x7_2 = ConvBn(maps, maps, **flat)
        self.branch7x7_3 = ConvBn(maps, 192, **tall)
        self.branch7x7dbl_1 = ConvBn(768, maps, 1)
        self.branch7x7dbl_2 = ConvBn(maps, maps, **tall)
        self.branch7x7dbl_3 = ConvBn(maps, maps, **flat)
        self.branch7x7dbl_4 = ConvBn(maps, maps, **tall)
        self.branch7x7dbl_5 = ConvBn(maps, 192, **flat)
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvBn(768, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(self.pool(x))], dim=1)


class ReductionB(nn.Module):
    """Mixed_7a. B 768 H W -> B 1280 H/2 W/2."""

    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1 = ConvBn(768, 192, 1)
        self.branch3x3_2 = ConvBn(192, 320, 3, stride=2)
        self.branch7x7x3_1 = ConvBn(768, 192, 1)
        self.branch7x7x3_2 = ConvBn(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = ConvBn(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = ConvBn(192, 192, 3, stride=2)
        self.pool = nn.MaxPool2d(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, self.pool(x)], dim=1)


class InceptionC(nn.Module):
    """Figure 7. B in_maps H W -> B 2048 H W."""

    def __init__(self, in_maps: int) -> None:
        super().__init__()
        flat, tall = {"kernel": (1, 3), "padding": (0, 1)}, {"kernel": (3, 1), "padding": (1, 0)}
        self.branch1x1 = ConvBn(in_maps, 320, 1)
        self.branch3x3_1 = ConvBn(in_maps, 384, 1)
        self.branch3x3_2a = ConvBn(384, 384, **flat)
        self.branch3x3_2b = ConvBn(384, 384, **tall)
        self.branch3x3dbl_1 = ConvBn(in_maps, 448, 1)
        self.branch3x3dbl_2 = ConvBn(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = ConvBn(384, 384, **flat)
        self.branch3x3dbl_3b = ConvBn(384, 384, **tall)
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvBn(in_maps, 192, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        paths = [
            self.branch1x1(x),
            self.branch3x3_2a(three), self.branch3x3_2b(three),
            self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double),
            self.branch_pool(self.pool(x)),
        ]  # fmt: skip
        return torch.cat(paths, dim=1)


class AuxiliaryHead(nn.Module):
    """The classifier over Mixed_6e. B 768 17 17 -> B K."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        # torchvision averages 5x5 with stride 3 (17 -> 5); smaller maps are brought to the 5x5 that conv1 needs.
        self.pool = nn.AvgPool2d(5, 3)
        self.resize = nn.AdaptiveAvgPool2d(5)
        self.conv0 = ConvBn(768, 128, 1)
        self.conv1 = ConvBn(128, 768, 5)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x) if min(x.shape[2:]) >= 17 else self.resize(x)
        x = self.conv1(self.conv0(x))
        return self.fc(x.mean(dim=(2, 3)))


class InceptionV3(nn.Module):
    """Table 1. Images B C H W -> logits B K; `forward_all` also gives the auxiliary logits, for training."""

    stages = (
        "maxpool1", "maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d",
        "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c",
    )  # fmt: skip
    head = "fc"
    aux_weight = 0.3

    def __init__(self, num_classes: int, in_chans: int, small: bool, aux: bool, dropout: float) -> None:
        super().__init__()
        stride, padding = (1, 1) if small else (2, 0)  # small stem: full resolution enters Mixed_5b
        self.Conv2d_1a_3x3 = ConvBn(in_chans, 32, 3, stride, padding)
        self.Conv2d_2a_3x3 = ConvBn(32, 32, 3, padding=padding)
        self.Conv2d_2b_3x3 = ConvBn(32, 64, 3, padding=1)
        self.maxpool1 = nn.Identity() if small else nn.MaxPool2d(3, 2)
        self.Conv2d_3b_1x1 = ConvBn(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvBn(80, 192, 3, padding=padding)
        self.maxpool2 = nn.Identity() if small else nn.MaxPool2d(3, 2)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)
        self.Mixed_6a = ReductionA(288)
        self.Mixed_6b = InceptionB(128)
        self.Mixed_6c = InceptionB(160)
        self.Mixed_6d = InceptionB(160)
        self.Mixed_6e = InceptionB(192)
        self.AuxLogits = AuxiliaryHead(num_classes) if aux else None
        self.Mixed_7a = ReductionB()
        self.Mixed_7b = InceptionC(1280)
        self.Mixed_7c = InceptionC(2048)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self._top(self._trunk(images))

    def forward_all(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Logits of the head, then of the auxiliary head if there is one, each B K."""
        x = self._trunk(images)
        return (self._top(x), *(() if self.AuxLogits is None else (self.AuxLogits(x),)))

    def _trunk(self, images: torch.Tensor) -> torch.Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images)))  # B 64 147 147
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))  # B 192 71 71
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))  # B 288 35 35
        x = self.Mixed_6a(x)  # B 768 17 17
        return self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))

    def _top(self, x: torch.Tensor) -> torch.Tensor:
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # B 2048 8 8
        return self.fc(self.dropout(self.avgpool(x)).flatten(1))  # B K


def inception_v3(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    aux: bool = True,
    dropout: float = 0.5,
) -> InceptionV3:
    """Inception v3: 27,161,264 parameters with its auxiliary head (`aux`), 23,834,568 without."""
    small = is_small(img_size, stem, up_to=74)
    require("inception_v3", img_size, 7 if small else 75)
    return InceptionV3(num_classes, in_chans, small, aux, dropout)
