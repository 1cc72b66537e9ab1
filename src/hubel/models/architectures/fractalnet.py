"""FractalNet: very deep without residuals, because a short path runs beside every long one.

G. Larsson, M. Maire, G. Shakhnarovich, FractalNet: Ultra-Deep Neural Networks without Residuals, ICLR 2017, arXiv
1605.07648. The rule of figure 1, where + joins by the mean:

    f_1(x) = conv(x)        f_(C+1)(x) = f_C(f_C(x)) + conv(x)

Five such blocks of C columns with 64, 128, 256, 512, 512 maps, each followed by a 2x2 max-pool, then dense K: the
longest path has 5 · 2^(C-1) convolutions (20 for C = 3). Drop-path (section 4): in half of the mini-batches each join
loses each of its inputs with probability 0.15 (local), in the other half one column stands alone (global).

Letters: B batch, C input channels or columns, H W height and width, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hubel.models.architectures.resnet import initialise

MAPS = (64, 128, 256, 512, 512)
DROPOUT = (0.0, 0.1, 0.2, 0.3, 0.4)


def conv(in_maps: int, maps: int) -> nn.Sequential:
    """Convolution 3x3, batch normalisation, ReLU: the paper's unit."""
    return nn.Sequential(nn.Conv2d(in_maps, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU())


def join(paths: Sequence[torch.Tensor], drop: float, column: int | None) -> torch.Tensor:
    """Mean of the paths that survive; `paths` run from the shallowest, the last is column 1, the first the highest.

    With a `column` only that one passes; else each is dropped with probability `drop`, but one always stays.
    """
    if column is not None and column <= len(paths):
        return paths[-column]
    kept = paths
    if drop > 0:  # evaluation draws nothing; which paths live is decided on the CPU, whatever the maps are on
        draws = torch.rand(len(paths), device="cpu").tolist()
        kept = [path for path, draw in zip(paths, draws, strict=True) if draw >= drop]
        kept = kept or [paths[int(torch.randint(len(paths), (), device="cpu"))]]
    return sum(kept[1:], start=kept[0]) / len(kept)


class Fractal(nn.Module):
    """f_C without its last join: gives the paths, shallowest first. B in_maps H W -> each B maps H W."""

    def __init__(self, in_maps: int, maps: int, columns: int) -> None:
        super().__init__()
        self.short = conv(in_maps, maps)
        self.first = Fractal(in_maps, maps, columns - 1) if columns > 1 else None
        self.second = Fractal(maps, maps, columns - 1) if columns > 1 else None

    def forward(self, x: torch.Tensor, drop: float, column: int | None) -> list[torch.Tensor]:
        if self.first is None or self.second is None:
            return [self.short(x)]
        middle = join(self.first(x, drop, column), drop, column)
        return [self.short(x), *self.second(middle, drop, column)]


class FractalBlock(nn.Module):
    """A fractal, its join, a pool, dropout. B in_maps H W -> B maps H/2 W/2."""

    def __init__(self, in_maps: int, maps: int, columns: int, dropout: float) -> None:
        super().__init__()
        self.fractal = Fractal(in_maps, maps, columns)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, drop: float = 0.0, column: int | None = None) -> torch.Tensor:
        return self.dropout(self.pool(join(self.fractal(x, drop, column), drop, column)))


class FractalNet(nn.Module):
    """Five blocks. Images B C H W -> logits B K."""

    stages = ("block1", "block2", "block3", "block4", "block5")
    head = "fc"

    def __init__(self, columns: int, *, num_classes: int, in_chans: int, drop_path: float) -> None:
        super().__init__()
        self.columns, self.drop_path = columns, drop_path
        maps_before = in_chans
        for name, maps, dropout in zip(self.stages, MAPS, DROPOUT, strict=True):
            self.add_module(name, FractalBlock(maps_before, maps, columns, dropout))
            maps_before = maps
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(maps_before, num_classes)
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        drop, column = self._paths()
        x = images
        for name in self.stages:
            x = self.get_submodule(name)(x, drop, column)  # H and W halve
        return self.fc(self.avgpool(x).flatten(1))  # B K

    def _paths(self) -> tuple[float, int | None]:
        """How this mini-batch drops paths: (probability at each join, or the only column)."""
        if not self.training or self.drop_path == 0:
            return 0.0, None
        if torch.rand((), device="cpu") < 0.5:
            return self.drop_path, None
        return 0.0, 1 + int(torch.randint(self.columns, (), device="cpu"))


def fractalnet20(
    *, num_classes: int, in_chans: int, img_size: tuple[int, int], columns: int = 3, drop_path: float = 0.15
) -> FractalNet:
    """20 layers on the longest path with three `columns`; four make 40."""
    return FractalNet(columns, num_classes=num_classes, in_chans=in_chans, drop_path=drop_path)
