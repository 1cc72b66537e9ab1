"""SqueezeNet: AlexNet's accuracy with a fiftieth of its parameters.

F. Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size, 2016, arXiv
1602.07360. Table 1; a fire module squeezes with s 1x1 maps and expands with e1 1x1 beside e3 3x3 maps:

    SqueezeNet 1.0                       SqueezeNet 1.1 (the authors' later release, 2.4 times cheaper)
    conv 7x7 s2, 96   max-pool 3 s2      conv 3x3 s2, 64   max-pool 3 s2
    fire2  s 16  e 64 + 64               fire2  s 16  e 64 + 64
    fire3  s 16  e 64 + 64               fire3  s 16  e 64 + 64     max-pool 3 s2
    fire4  s 32  e 128 + 128  max-pool   fire4  s 32  e 128 + 128
    fire5  s 32  e 128 + 128             fire5  s 32  e 128 + 128   max-pool 3 s2
    fire6  s 48  e 192 + 192             fire6  s 48  e 192 + 192
    fire7  s 48  e 192 + 192             fire7  s 48  e 192 + 192
    fire8  s 64  e 256 + 256  max-pool   fire8  s 64  e 256 + 256
    fire9  s 64  e 256 + 256             fire9  s 64  e 256 + 256
    dropout 0.5, conv 1x1 K, ReLU, average

Module names are torchvision's. Letters: B batch, C input channels, H W height and width, K classes.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.models.shared import is_small, require

POOL = 0
"""In a table: a max-pool 3x3 of stride 2. Other rows are (s, e), with e1 = e3 = e."""

Table = tuple[tuple[int, int] | int, ...]
V1_0: Table = (POOL, (16, 64), (16, 64), (32, 128), POOL, (32, 128), (48, 192), (48, 192), (64, 256), POOL, (64, 256))
V1_1: Table = (POOL, (16, 64), (16, 64), POOL, (32, 128), (32, 128), POOL, (48, 192), (48, 192), (64, 256), (64, 256))


class Fire(nn.Module):
    """Figure 1. B in_maps H W -> B 2e H W."""

    def __init__(self, in_maps: int, s: int, e: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_maps, s, 1)
        self.squeeze_relu = nn.ReLU()
        self.expand1x1 = nn.Conv2d(s, e, 1)
        self.expand3x3 = nn.Conv2d(s, e, 3, padding=1)
        self.expand_relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.squeeze_relu(self.squeeze(x))
        return self.expand_relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


class SqueezeNet(nn.Module):
    """Table 1. Images B C H W -> logits B K. The ReLU over the last maps (as published) lets no logit be negative."""

    head = "classifier.1"

    def __init__(self, stem: nn.Conv2d, table: Table, *, num_classes: int, dropout: float, skip_pools: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [stem, nn.ReLU()]
        stages = []
        maps = stem.out_channels
        for row in table:
            if isinstance(row, int):
                # The first pools are left out for small images; a place holder keeps the module names.
                layers.append(nn.Identity() if skip_pools > 0 else nn.MaxPool2d(3, 2, ceil_mode=True))
                skip_pools -= 1
            else:
                stages.append(f"features.{len(layers)}")
                layers.append(Fire(maps, *row))
                maps = 2 * row[1]
        self.stages = tuple(stages)
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Conv2d(maps, num_classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self._initialise()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.features(images)  # B 512 H/16 W/16
        return self.classifier(x).flatten(1)  # B K

    def _initialise(self) -> None:
        last = self.classifier[1]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:  # the paper's N(0, 0.01); He's would be silent behind the last ReLU as often as not
                    nn.init.normal_(module.weight, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def squeezenet1_0(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", dropout: float = 0.5
) -> SqueezeNet:
    """Version 1.0: 1,248,424 parameters; images of up to 64 pixels get a 3x3 stem of stride 1 and no first pool."""
    small = is_small(img_size, stem)
    require("squeezenet1_0", img_size, 4 if small else 21)
    first = nn.Conv2d(in_chans, 96, 3, padding=1) if small else nn.Conv2d(in_chans, 96, 7, stride=2)
    return SqueezeNet(first, V1_0, num_classes=num_classes, dropout=dropout, skip_pools=int(small))


def squeezenet1_1(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], stem: str = "auto", dropout: float = 0.5
) -> SqueezeNet:
    """Version 1.1: 1,235,496 parameters; small images as in version 1.0."""
    small = is_small(img_size, stem)
    require("squeezenet1_1", img_size, 4 if small else 17)
    first = nn.Conv2d(in_chans, 64, 3, padding=1) if small else nn.Conv2d(in_chans, 64, 3, stride=2)
    return SqueezeNet(first, V1_1, num_classes=num_classes, dropout=dropout, skip_pools=int(small))
