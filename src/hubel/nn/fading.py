"""How much of a signal is left where maps have shrunk so far that kernels lie on padding instead of picture.

A kernel of k x k over a map of h x w, padded with zeros, meets the map with a share of its weights only: at 1 x 1 with
one of 9. Initial weights are scaled for all of them, so what comes out has √share of the deviation that it should have,
forward and, by the same weights, backward. A norm sets it right; without one it is the product over the layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from hubel.nn.modes import evaluating
from hubel.nn.taps import watch

FADED = 0.01
"""Of the signal, below which a net hardly begins to learn."""
NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True, kw_only=True)
class Fading:
    """Where least of the signal is left."""

    layer: str
    left: float
    """Of the deviation that the weights were scaled for: the product of √share since the last norm."""
    first: str
    """The first convolution whose map is one pixel; "" where none is."""
    on_a_pixel: int
    """Convolutions of more than 1 x 1 that see maps of one pixel."""

    @property
    def told(self) -> str:
        """In a sentence."""
        pixel = f", and from {self.first!r} on {self.on_a_pixel} of them see a single pixel" if self.on_a_pixel else ""
        return (
            f"the maps grow so small that kernels lie on padding{pixel}: {self.left:.2g} of the signal is left at "
            f"{self.layer!r}, and the net may not learn"
        )


def find_fading(model: nn.Module, image: torch.Tensor) -> Fading | None:
    """Where a picture (1 C H W) fades away in the net; None where at least FADED of it is left. Nothing changes.

    >>> deep = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(6)))
    >>> find_fading(deep, torch.zeros(1, 1, 8, 8)), round(find_fading(deep, torch.zeros(1, 1, 1, 1)).left, 5)
    (None, 0.00137)
    """
    kinds = (_ConvNd, *NORMS)
    named = {name: module for name, module in model.named_modules() if isinstance(module, kinds)}
    lowest, where, gain = 1.0, "", 1.0
    pixels: list[str] = []

    def hear(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal lowest, where, gain
        if not isinstance(module, _ConvNd):
            gain = 1.0
            return
        if module.transposed or not inputs or not isinstance(inputs[0], torch.Tensor):
            return
        sides = inputs[0].shape[2:]
        gain *= math.sqrt(_met(module, tuple(sides), tuple(output.shape[2:])))
        if max(sides) == 1 and max(module.kernel_size) > 1:
            pixels.append(name)
        if gain < lowest:
            lowest, where = gain, name

    with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]), watch(named, hear):
        model(image)
    if lowest >= FADED:
        return None
    return Fading(layer=where, left=lowest, first=pixels[0] if pixels else "", on_a_pixel=len(pixels))


def _met(conv: _ConvNd, sides: tuple[int, ...], out: tuple[int, ...]) -> float:
    """The mean share of a kernel's weights that lie on the map."""
    share = 1.0
    for axis, (side, places) in enumerate(zip(sides, out, strict=True)):
        size, stride, gap = conv.kernel_size[axis], conv.stride[axis], conv.dilation[axis]
        padding = conv.padding
        if isinstance(padding, str):
            before = (size - 1) * gap // 2 if padding == "same" else 0
        else:
            before = padding[axis]
        if conv.padding_mode != "zeros" or not places:
            continue
        taps = [p * stride - before + t * gap for p in range(places) for t in range(size)]
        share *= sum(0 <= tap < side for tap in taps) / len(taps)
    return max(share, 1e-12)
