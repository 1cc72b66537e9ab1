"""SIREN: V. Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions, NeurIPS 2020,
arXiv 2006.09661. A picture as a function: coordinates in, colour out.

    Φ(x) = W_n (φ_{n-1} ∘ … ∘ φ_0)(x) + b_n        φ_i(x) = sin(ω (W_i x + b_i)), ω = 30

Initial weights (section 3.2 and supplement 1): U(-1/F, 1/F) in the first layer, U(-√(6/F)/ω, √(6/F)/ω) after it, so
that each layer receives an arcsine distribution and each sine a standard normal one.
Letters: B points, F features, K values.

>>> points = grid(2, 3)
>>> points.shape, points[0].tolist(), points[-1].tolist()
(torch.Size([6, 2]), [-1.0, -1.0], [1.0, 1.0])
>>> siren(num_classes=3, in_chans=2, img_size=(None, None))(points).shape
torch.Size([6, 3])
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


class SineLayer(nn.Module):
    """sin(ω (W x + b)): B F -> B F'."""

    def __init__(self, in_features: int, out_features: int, omega: float, *, first: bool) -> None:
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(in_features, out_features)
        reach = 1 / in_features if first else math.sqrt(6 / in_features) / omega
        nn.init.uniform_(self.linear.weight, -reach, reach)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.omega * self.linear(x))


class Siren(nn.Module):
    """Coordinates B F -> values B K; a net of this kind holds one picture, not a class of them."""

    head = "values"

    def __init__(self, in_features: int, num_values: int, hidden: Sequence[int], omega: float) -> None:
        super().__init__()
        widths = (in_features, *hidden)
        for depth, (before, after) in enumerate(pairwise(widths), start=1):
            self.add_module(f"sine{depth}", SineLayer(before, after, omega, first=depth == 1))
        self.stages = tuple(f"sine{depth}" for depth in range(1, len(widths)))
        self.values = nn.Linear(widths[-1], num_values)
        reach = math.sqrt(6 / widths[-1]) / omega
        nn.init.uniform_(self.values.weight, -reach, reach)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        x = points.flatten(1)  # B F
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.values(x)  # B K


def siren(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int | None, int | None],
    hidden: Sequence[int] = (256, 256, 256, 256),
    omega: float = 30.0,
) -> Siren:
    """`num_classes` values (3 for a colour) of a point with `in_chans` coordinates; a whole picture is flattened."""
    height, width = img_size
    in_features = in_chans * height * width if height and width else in_chans
    return Siren(in_features, num_classes, hidden, omega)


def grid(height: int, width: int) -> torch.Tensor:
    """The centres of the pixels of a picture as points (y, x) in -1 … 1, row by row: H·W 2."""
    y, x = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    return torch.cartesian_prod(y, x)
