"""EfficientNet-Lite: EfficientNet for processors that compute with few bits, such as those of phones.

Three things are changed against EfficientNet (R. Liu, Higher accuracy on vision models with EfficientNet-Lite, 2020,
and the authors' code): no squeeze and excitation, which such processors do badly; ReLU6 for SiLU, since values between
0 and 6 round well; stem, first stage, last stage and head keep their size when the net grows, so that it stays small.

    stage   operator             resolution   maps   layers
    1       conv 3x3 s2          224          32     1
    2       expand 1, k 3        112          16     1
    3       expand 6, k 3 s2     112          24     2
    4       expand 6, k 5 s2     56           40     2
    5       expand 6, k 3 s2     28           80     3
    6       expand 6, k 5        14           112    3
    7       expand 6, k 5 s2     14           192    4
    8       expand 6, k 3        7            320    1
    9       conv 1x1, average, dense K        1280   1

Lite1 to Lite4 multiply maps by w and layers by d. Small images: stages 1 and 3 keep the size. Where the size is halved,
zeros stand as in the authors' framework: an odd one below and right, which published weights count on.
Letters: B batch, C input channels, H W height and width, K classes, w width, d depth.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import nn

from hubel.models.architectures.efficientnet import TABLE_1, EfficientNet
from hubel.models.shared import is_small
from hubel.nn.blocks import conv_norm_act
from hubel.nn.layers import DropPath
from hubel.nn.padding import EvenPad

# Lite0 … Lite4: (w, d, dropout).
SCALES = ((1.0, 1.0, 0.2), (1.0, 1.1, 0.2), (1.1, 1.2, 0.3), (1.2, 1.4, 0.3), (1.4, 1.8, 0.3))
STEM, TOP = 32, 1280
"""Maps of the first and the last convolution, whatever w is."""

NORM = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


def convolve(in_maps: int, maps: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm and ReLU6; at stride 1 with the usual symmetric zeros."""
    layers = conv_norm_act(in_maps, maps, kernel, stride=stride, groups=groups, norm=NORM, act=nn.ReLU6)
    if stride == 1:
        return layers
    layers[0] = nn.Conv2d(in_maps, maps, kernel, stride, groups=groups, bias=False)
    return nn.Sequential(EvenPad(kernel, stride), *layers)


class LiteBlock(nn.Module):
    """Inverted residual: expand by 1x1, depthwise k x k, project by 1x1 without activation.

    B in_maps H W -> B maps H/stride W/stride.
    """

    def __init__(self, in_maps: int, maps: int, kernel: int, stride: int, expansion: int, drop_path: float) -> None:
        super().__init__()
        self.adds = stride == 1 and in_maps == maps
        wide = in_maps * expansion
        self.block = nn.Sequential(
            *([] if expansion == 1 else [convolve(in_maps, wide, 1)]),
            convolve(wide, wide, kernel, stride=stride, groups=wide),
            conv_norm_act(wide, maps, 1, norm=NORM, act=None),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.drop_path(self.block(x)) if self.adds else self.block(x)


def efficientnet_lite(
    number: int,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    dropout: float | None = None,
    drop_path: float = 0.2,
) -> EfficientNet:
    """EfficientNet-Lite`number`; images of up to 64 pixels skip two halvings; `dropout` None is the authors'."""
    w, d, usual_dropout = SCALES[number]
    last = len(TABLE_1) - 1
    return EfficientNet(
        w,
        [count if row in (0, last) else math.ceil(count * d) for row, (*_, count) in enumerate(TABLE_1)],
        num_classes=num_classes,
        in_chans=in_chans,
        small=is_small(img_size, stem),
        dropout=usual_dropout if dropout is None else dropout,
        drop_path=drop_path,
        stem_maps=STEM,
        top=TOP,
        convolve=convolve,
        block=LiteBlock,
    )


efficientnet_lite0 = partial(efficientnet_lite, 0)
efficientnet_lite1 = partial(efficientnet_lite, 1)
efficientnet_lite2 = partial(efficientnet_lite, 2)
efficientnet_lite3 = partial(efficientnet_lite, 3)
efficientnet_lite4 = partial(efficientnet_lite, 4)
