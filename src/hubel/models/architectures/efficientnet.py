"""EfficientNet: depth, width and resolution grown together, from a small net that was searched for.

M. Tan, Q. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019, arXiv 1905.11946.
Table 1, EfficientNet-B0 (MBConv: expansion, depthwise k x k, squeeze and excitation, 1x1, plus the input):

    stage   operator          resolution   maps   layers
    1       conv 3x3 s2       224          32     1
    2       MBConv1, k 3      112          16     1
    3       MBConv6, k 3 s2   112          24     2
    4       MBConv6, k 5 s2   56           40     2
    5       MBConv6, k 3 s2   28           80     3
    6       MBConv6, k 5      14           112    3
    7       MBConv6, k 5 s2   14           192    4
    8       MBConv6, k 3      7            320    1
    9       conv 1x1, average, dense K     1280   1

B1 to B7 multiply maps by w and layers by d. Module names are torchvision's. Small images: stages 1 and 3 keep the size.
Letters: B batch, C input channels, H W height and width, K classes, w width, d depth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from hubel.models.architectures.mobilenet import divisible
from hubel.models.shared import answer_for_pixels, is_small
from hubel.nn.blocks import conv_norm_act
from hubel.nn.layers import DropPath, SqueezeExcite

# Stages 2 to 8: (expansion, kernel, stride, maps, layers).
TABLE_1 = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
# B0 … B7: (w, d, dropout).
SCALES = (
    (1.0, 1.0, 0.2),
    (1.0, 1.1, 0.2),
    (1.1, 1.2, 0.3),
    (1.2, 1.4, 0.3),
    (1.4, 1.8, 0.4),
    (1.6, 2.2, 0.4),
    (1.8, 2.6, 0.5),
    (2.0, 3.1, 0.5),
)

Norm = Callable[[int], nn.Module]


class MBConv(nn.Module):
    """Inverted residual with squeeze and excitation to a quarter of the maps that come in.

    B in_maps H W -> B maps H/stride W/stride.
    """

    def __init__(
        self, in_maps: int, maps: int, kernel: int, stride: int, expansion: int, drop_path: float, *, norm: Norm
    ) -> None:
        super().__init__()
        self.adds = stride == 1 and in_maps == maps
        wide = divisible(in_maps * expansion)
        layers: list[nn.Module] = [] if wide == in_maps else [conv_norm_act(in_maps, wide, 1, norm=norm, act=nn.SiLU)]
        layers += [
            conv_norm_act(wide, wide, kernel, stride=stride, groups=wide, norm=norm, act=nn.SiLU),
            SqueezeExcite(wide, max(1, in_maps // 4), activation=nn.SiLU),
            conv_norm_act(wide, maps, 1, norm=norm, act=None),
        ]
        self.block = nn.Sequential(*layers)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.drop_path(self.block(x)) if self.adds else self.block(x)


class EfficientNet(nn.Module):
    """Table 1, scaled by w and d. Images B C H W -> logits B K."""

    stages = tuple(f"features.{index}" for index in range(9))
    head = "classifier.1"

    def __init__(
        self,
        w: float,
        layers: Sequence[int],
        *,
        num_classes: int,
        in_chans: int,
        small: bool,
        dropout: float,
        drop_path: float,
        norm: Norm = nn.BatchNorm2d,
        stem_maps: int | None = None,
        top: int | None = None,
        convolve: Callable[..., nn.Module] | None = None,
        block: Callable[[int, int, int, int, int, float], nn.Module] | None = None,
    ) -> None:
        """`convolve` makes the first and the last layer, `block` all others, where they are not the paper's."""
        super().__init__()
        convolve = convolve or partial(conv_norm_act, norm=norm, act=nn.SiLU)
        block = block or partial(MBConv, norm=norm)
        done, total = 0, sum(layers)
        maps = stem_maps or divisible(32 * w)
        features: list[nn.Module] = [convolve(in_chans, maps, 3, stride=1 if small else 2)]
        for row, (expansion, kernel, stride, out, _) in enumerate(TABLE_1):
            blocks = []
            for index in range(layers[row]):
                step = stride if index == 0 and not (small and row == 1) else 1
                # Deeper blocks are left out more often, up to `drop_path` (stochastic depth).
                blocks.append(block(maps, divisible(out * w), kernel, step, expansion, drop_path * done / total))
                maps = divisible(out * w)
                done += 1
            features.append(nn.Sequential(*blocks))
        top = top or 4 * maps
        features.append(convolve(maps, top, 1))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(top, num_classes))
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.features(images)  # B 1280w H/32 W/32
        return self.classifier(self.avgpool(x).flatten(1))  # B K

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits for each pixel, B K H W: what the head says at each place of the last maps."""
        size = (images.shape[2], images.shape[3])
        return answer_for_pixels(self.features(images), self.classifier, size)


def initialise(net: nn.Module) -> None:
    """He's normal initialisation by fan-out; the dense layer uniform by its number of inputs, biases 0.

    The authors take the number of outputs there: about the same for 1,000 classes, but ten classes would begin with
    logits ten times as large, and a loss of 10.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)


def efficientnet(
    b: int,
    /,
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int, int],
    stem: str = "auto",
    dropout: float | None = None,
    drop_path: float = 0.2,
) -> EfficientNet:
    """EfficientNet-B`b`; images of up to 64 pixels skip two halvings; `dropout` None is the paper's."""
    w, d, usual_dropout = SCALES[b]
    return EfficientNet(
        w,
        [math.ceil(count * d) for *_, count in TABLE_1],
        num_classes=num_classes,
        in_chans=in_chans,
        small=is_small(img_size, stem),
        dropout=usual_dropout if dropout is None else dropout,
        drop_path=drop_path,
        # B5 to B7 keep the normalisation constants of the original code.
        norm=nn.BatchNorm2d if b < 5 else partial(nn.BatchNorm2d, eps=0.001, momentum=0.01),
    )


efficientnet_b0 = partial(efficientnet, 0)
efficientnet_b1 = partial(efficientnet, 1)
efficientnet_b2 = partial(efficientnet, 2)
efficientnet_b3 = partial(efficientnet, 3)
efficientnet_b4 = partial(efficientnet, 4)
efficientnet_b5 = partial(efficientnet, 5)
efficientnet_b6 = partial(efficientnet, 6)
efficientnet_b7 = partial(efficientnet, 7)
