"""Coordinates through Fourier features: M. Tancik et al., Fourier Features Let Networks Learn High Frequency Functions
in Low Dimensional Domains, NeurIPS 2020, arXiv 2006.10739. What a ReLU net lacks to hold a picture as a function.

    γ(v) = [cos(π B v), sin(π B v)],  B ~ N(0, σ²), drawn once and never learnt      (equation 4, v in -1 … 1)

σ = 10 is what serves natural pictures best there (figure 3). Letters: B points, F features, K values.

>>> fourier_field(num_classes=3, in_chans=2, img_size=(None, None))(torch.zeros(5, 2)).shape
torch.Size([5, 3])
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from hubel.models.architectures.mlp import MLP


class Waves(nn.Module):
    """Cosines and sines of random frequencies: B F -> B 2·waves."""

    frequencies: torch.Tensor

    def __init__(self, in_features: int, waves: int, sigma: float) -> None:
        super().__init__()
        self.register_buffer("frequencies", sigma * torch.randn(in_features, waves))

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        angles = math.pi * points.flatten(1) @ self.frequencies
        return torch.cat([angles.cos(), angles.sin()], dim=1)


class FourierField(MLP):
    """An MLP of ReLUs over `Waves`: B F -> B K."""

    def __init__(self, in_features: int, num_values: int, hidden: Sequence[int], waves: int, sigma: float) -> None:
        super().__init__(2 * waves, num_values, hidden=hidden)
        self.waves = Waves(in_features, waves, sigma)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return super().forward(self.waves(points))


def fourier_field(
    *,
    num_classes: int,
    in_chans: int,
    img_size: tuple[int | None, int | None],
    hidden: Sequence[int] = (256, 256, 256),
    waves: int = 128,
    sigma: float = 10.0,
) -> FourierField:
    """`num_classes` values (3 for a colour) of a point with `in_chans` coordinates, through `waves` frequencies of
    deviation `sigma`; a whole picture is flattened.
    """
    height, width = img_size
    in_features = in_chans * height * width if height and width else in_chans
    return FourierField(in_features, num_classes, hidden, waves, sigma)
