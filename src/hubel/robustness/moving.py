"""What a net makes of pictures that are moved, turned, resized and bent: it is invariant where its answer stays.

Letters: N pictures, C channels, H W height and width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hubel.data.augment_ops import shifted
from hubel.data.draws import Draws
from hubel.robustness.answers import Labels, alike, truth_of
from hubel.robustness.filters import as_bytes, as_shares, blurred, doubled, grid, read_at, uniforms
from hubel.words import percent

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))
TURNS = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 180.0)
SIZES = (50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 125.0, 150.0, 175.0, 200.0)
"""Per cent of the size."""
BENDS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Standard deviations of the displacement, in per cent of the side."""
SMOOTH = 0.08
"""Of a smooth deformation: how far a displacement reaches, as a share of the side."""

Ask = Callable[[np.ndarray], np.ndarray]
Warp = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Rows and columns of a changed picture (N or 1, h, w; in pixels) to those where the picture itself is read."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Accuracy, and how often the answer stays, the more pictures are changed."""

    name: str
    unit: str
    at: tuple[float, ...]
    accuracy: tuple[float, ...]
    """A share at each; the mean over the directions."""
    consistency: tuple[float, ...]
    """Share of pictures whose answer is the one for the picture as it is."""

    @property
    def sentence(self) -> str:
        """What it comes to at its far end."""
        worst = min(range(len(self.at)), key=lambda place: self.consistency[place])
        if self.consistency[worst] == 1:
            return f"{self.name}: from {min(self.at):g} to {max(self.at):g} {self.unit} every answer stays."
        return (
            f"{self.name}: at {self.at[worst]:g} {self.unit} {percent(self.consistency[worst], 1)} of the answers "
            f"stay, {percent(self.accuracy[worst], 1)} are right."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "at": list(self.at),
            "accuracy": list(self.accuracy),
            "consistency": list(self.consistency),
        }


def shift_curve(ask: Ask, pictures: np.ndarray, labels: Labels, *, far: int = 8, border: str = "black") -> Curve:
    """Pictures N C H W uint8 moved by 0 to `far` pixels in four directions; `ask` gives their logits N K."""
    images = torch.from_numpy(pictures)

    def changed(distance: float) -> list[np.ndarray]:
        steps = DIRECTIONS if distance else DIRECTIONS[:1]
        return [shifted(images, round(dy * distance), round(dx * distance), border=border).numpy() for dy, dx in steps]

    kind = {"black": "black border", "mirror": "mirrored border", "wrap": "wrapped"}[border]
    return _curve(f"shifted, {kind}", "pixels", ask, changed, tuple(map(float, range(far + 1))), labels)


def turn_curve(ask: Ask, pictures: np.ndarray, labels: Labels, at: Sequence[float] = TURNS) -> Curve:
    """Pictures turned about their middle both ways, black where nothing is."""

    def changed(degrees: float) -> list[np.ndarray]:
        sides = (1,) if degrees in (0, 180) else (1, -1)
        return [_mapped(pictures, 1.0, math.radians(side * degrees)) for side in sides]

    return _curve("turned", "degrees", ask, changed, tuple(at), labels)


def size_curve(ask: Ask, pictures: np.ndarray, labels: Labels, at: Sequence[float] = SIZES) -> Curve:
    """Pictures made smaller and larger about their middle, black where nothing is."""
    return _curve("resized", "% of the size", ask, lambda size: [_mapped(pictures, size / 100, 0.0)], tuple(at), labels)


def bend_curve(
    ask: Ask, pictures: np.ndarray, labels: Labels, ids: np.ndarray, at: Sequence[float] = BENDS, *, seed: int = 0
) -> Curve:
    """Pictures under smooth deformations; their displacements deviate by so many per cent of the side."""
    x = as_shares(torch.from_numpy(pictures))
    height, width = x.shape[2:]
    side = math.sqrt(height * width)
    fields = displacements(Draws(torch.as_tensor(ids, dtype=torch.int64), seed, 1 << 40), height, width)

    def changed(share: float) -> list[np.ndarray]:
        rows, cols = (
            places + share / 100 * side * field for places, field in zip(grid(height, width), fields, strict=True)
        )
        return [as_bytes(read_at(x, rows, cols)).numpy()]

    return _curve("bent", "% of the side", ask, changed, tuple(at), labels)


def displacements(draws: Draws, height: int, width: int) -> list[torch.Tensor]:
    """Smooth fields for rows and for columns, N H W each, that deviate by one."""
    side = math.sqrt(height * width)
    fields = [
        blurred(2 * uniforms(draws, height, width) - 1, max(1.0, SMOOTH * side), truncate=3, rim=doubled)
        for _ in range(2)
    ]
    return [field / field.std(dim=(1, 2), keepdim=True).clamp(min=1e-9) for field in fields]


def about_middle(size: float, angle: float, height: int, width: int) -> Warp:
    """Turned counter-clockwise by `angle` radians about the middle of a picture H W, and `size` times as large."""
    down, right = (height - 1) / 2, (width - 1) / 2

    def warp(rows: torch.Tensor, cols: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rows, cols = rows - down, cols - right
        there = (rows * math.cos(angle) + cols * math.sin(angle)) / size + down
        return there, (cols * math.cos(angle) - rows * math.sin(angle)) / size + right

    return warp


def rounded(*places: torch.Tensor) -> list[torch.Tensor]:
    """Places that miss a whole number by the rounding of a sine are that number: a quarter turn meets the pixels."""
    return [torch.where((at - at.round()).abs() < 1e-9, at.round(), at) for at in places]


def _mapped(pictures: np.ndarray, size: float, angle: float) -> np.ndarray:
    x = as_shares(torch.from_numpy(pictures))
    height, width = x.shape[2:]
    places = about_middle(size, angle, height, width)(*grid(height, width))
    return as_bytes(read_at(x, *rounded(*places), black=True)).numpy()


def _curve(
    name: str, unit: str, ask: Ask, changed: Callable[[float], list[np.ndarray]], at: tuple[float, ...],
    labels: Labels,
) -> Curve:  # fmt: skip
    still, truth = 100.0 if name == "resized" else 0.0, truth_of(labels)
    before = truth.said(ask(changed(still)[0]))
    said = [[truth.said(ask(pictures)) for pictures in changed(value)] for value in at]
    return Curve(
        name=name,
        unit=unit,
        at=at,
        accuracy=tuple(float(np.mean([truth.right(answer) for answer in answers])) for answers in said),
        consistency=tuple(float(np.mean([alike(answer, before) for answer in answers])) for answers in said),
    )
