"""The effective receptive field: how much each pixel weighs in what a unit sees, by its gradient.

The theoretical field says which pixels can matter; most of the weight lies in its middle (Luo et al., Understanding the
effective receptive field in deep convolutional neural networks, 2016).

>>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 1, 3))
>>> weight = effective_field(net, torch.rand(2, 1, 9, 9), "1")
>>> weight.map.shape, weight.window, float(weight.map[:2].sum())
((9, 9), ((2, 7), (2, 7)), 0.0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hubel.anatomy.receptive import field
from hubel.errors import UsageError
from hubel.nn.modes import evaluating, frozen
from hubel.nn.taps import record
from hubel.views import Viewed


@dataclass(frozen=True, slots=True)
class EffectiveField(Viewed):
    """Weights of the pixels for the middle unit of a layer."""

    layer: str
    map: np.ndarray
    """H W, sums to 1."""
    window: tuple[tuple[int, int], ...]
    """Rows and columns (first, last + 1) of the theoretical field of that unit."""
    area: float
    """Share of the theoretical field's pixels that together have 95 % of the weight."""


def effective_field(model: nn.Module, images: torch.Tensor, layer: str) -> EffectiveField:
    """Mean absolute gradient of the layer's middle unit (sum over its channels) by the pixels of images B C H W.

    Raises UnknownName for a layer that is not there, UsageError for one without a map.
    """
    with evaluating(model), frozen(model), record(model, layer) as seen, torch.enable_grad():
        pixels = images.detach().clone().requires_grad_()
        model(pixels)
        maps = seen.get(layer)
        if maps is None or maps.dim() != 4:
            raise UsageError(
                f"layer {layer!r} has no map with rows and columns", hint="choose a convolution or pooling"
            )
        middle = (maps.shape[2] // 2, maps.shape[3] // 2)
        (gradient,) = torch.autograd.grad(maps[:, :, middle[0], middle[1]].sum(), pixels)
    weight = gradient.abs().mean((0, 1)).double().numpy()
    total = float(weight.sum())
    shown = weight / total if total else weight
    window = field(model, tuple(images.shape[1:]), layer).window(*middle)
    (top, bottom), (left, right) = window
    inside = np.sort(shown[top:bottom, left:right].ravel())[::-1]
    needed = int(np.searchsorted(np.cumsum(inside), 0.95 * inside.sum())) + 1 if total else 0
    return EffectiveField(layer, shown, window, needed / max(1, inside.size))
