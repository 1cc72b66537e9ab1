"""What a net makes of pictures that are moved, turned, resized and bent, and where in it that begins to matter.

A net is invariant where its answer stays, and a layer equivariant where its maps move along: φ(T x) = T φ(x). Strided
layers break that for all shifts but multiples of their stride (Zhang, ICML 2019, arXiv 1904.11486).
Letters: N pictures, C channels, H W height and width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.data.augment_ops import mirrored
from hubel.data.draws import Draws
from hubel.errors import unknown
from hubel.nn.modes import evaluating
from hubel.nn.taps import record
from hubel.robustness.answers import Labels, alike, truth_of
from hubel.robustness.filters import as_bytes, as_shares, blurred, doubled, grid, read_at, uniforms
from hubel.words import percent

BORDERS = ("black", "mirror", "wrap")
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))
TURNS = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 180.0)
SIZES = (50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 125.0, 150.0, 175.0, 200.0)
"""Per cent of the size."""
BENDS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Standard deviations of the displacement, in per cent of the side."""
SMOOTH = 0.08
"""Of a smooth deformation: how far a displacement reaches, as a share of the side."""

Ask = Callable[[np.ndarray], np.ndarray]


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


@dataclass(frozen=True, kw_only=True)
class StageShift:
    """How far the output of a stage is from moving along with the picture."""

    stage: str
    stride: float
    """Pixels of the picture to one place of the map; 0 where the output has no places."""
    at: tuple[int, ...]
    """Shifts in pixels."""
    distance: tuple[float, ...]
    """0: it moves along exactly; 1: as far as the maps of two unrelated pictures."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"stage": self.stage, "stride": self.stride, "at": list(self.at), "distance": list(self.distance)}


def shifted(pictures: torch.Tensor, dy: int, dx: int, *, border: str = "black") -> torch.Tensor:
    """… H W moved down by `dy` and right by `dx` whole pixels; where nothing was stands what `border` says.

    >>> shifted(torch.tensor([[1, 2, 3]]), 0, 1, border="black").tolist()
    [[0, 1, 2]]
    >>> shifted(torch.tensor([[1, 2, 3]]), 0, 1, border="wrap").tolist()
    [[3, 1, 2]]
    """
    if border not in BORDERS:
        raise unknown("border", border, BORDERS)
    if border == "wrap":
        return pictures.roll((dy, dx), (-2, -1))
    height, width = pictures.shape[-2:]
    rows, cols = torch.arange(height) - dy, torch.arange(width) - dx
    moved = pictures[..., mirrored(rows, height), :][..., mirrored(cols, width)]
    if border == "black":
        inside = ((rows >= 0) & (rows < height))[:, None] & ((cols >= 0) & (cols < width))
        moved = moved * inside.to(moved.device)
    return moved


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
    draws = Draws(torch.as_tensor(ids, dtype=torch.int64), seed, 1 << 40)
    fields = [
        blurred(2 * uniforms(draws, height, width) - 1, max(1.0, SMOOTH * side), truncate=3, rim=doubled)
        for _ in range(2)
    ]
    fields = [field / field.std(dim=(1, 2), keepdim=True).clamp(min=1e-9) for field in fields]

    def changed(share: float) -> list[np.ndarray]:
        rows, cols = (
            places + share / 100 * side * field for places, field in zip(grid(height, width), fields, strict=True)
        )
        return [as_bytes(read_at(x, rows, cols)).numpy()]

    return _curve("bent", "% of the side", ask, changed, tuple(at), labels)


def _mapped(pictures: np.ndarray, size: float, angle: float) -> np.ndarray:
    x = as_shares(torch.from_numpy(pictures))
    height, width = x.shape[2:]
    rows, cols = (places - (side - 1) / 2 for places, side in zip(grid(height, width), (height, width), strict=True))
    there = (rows * math.cos(angle) + cols * math.sin(angle)) / size + (height - 1) / 2
    across = (cols * math.cos(angle) - rows * math.sin(angle)) / size + (width - 1) / 2
    # A quarter turn meets the pixels but for the rounding of its sine.
    near = [torch.where((p - p.round()).abs() < 1e-9, p.round(), p) for p in (there, across)]
    return as_bytes(read_at(x, *near, black=True)).numpy()


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


def stage_shifts(
    model: nn.Module,
    images: torch.Tensor,
    normalise: Callable[[torch.Tensor], torch.Tensor],
    *,
    far: int = 8,
    stages: Sequence[str] | None = None,
    border: str = "mirror",
) -> tuple[StageShift, ...]:
    """For each stage: how far φ(T x) is from T φ(x), T moving pictures N C H W uint8 right by 1 to `far` pixels.

    Distances are those of maps less their mean over places and pictures, over the root of the sum of both squares;
    where a shift is no whole number of places the map is read between them. All but the middle half of a map is left
    out, since what a border shows is no matter of the net. Outputs without places are compared as they are.
    """
    names = tuple(stages if stages is not None else getattr(model, "stages", ()))
    if not names or not far:
        return ()
    width = images.shape[3]
    with evaluating(model), torch.no_grad(), record(model, *names, copy=True) as seen:

        def outputs(pictures: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.clear()
            model(normalise(pictures))
            return {name: seen[name].detach().float().cpu() for name in names if name in seen}

        still = outputs(images)
        moved = [outputs(shifted(images, 0, far_, border=border)) for far_ in range(1, far + 1)]
    found = []
    for name, before in still.items():
        is_map = before.dim() == 4 and before.shape[3] > 1
        stride = width / before.shape[3] if is_map else 0.0
        distances = tuple(
            _apart(after[name], _moved_along(before, distance / stride) if is_map else before)
            for distance, after in enumerate(moved, 1)
        )
        found.append(StageShift(stage=name, stride=stride, at=tuple(range(1, far + 1)), distance=distances))
    return tuple(found)


def _moved_along(maps: torch.Tensor, places: float) -> torch.Tensor:
    """N C h w moved right by so many places, read between them where they are no whole number; wrapped around."""
    low = math.floor(places)
    share = places - low
    return maps.roll(low, 3) * (1 - share) + maps.roll(low + 1, 3) * share


def _apart(first: torch.Tensor, second: torch.Tensor) -> float:
    if first.dim() == 4 and min(first.shape[2:]) >= 4:
        height, width = first.shape[2:]
        middle = (slice(None), slice(None), slice(height // 4, -(height // 4)), slice(width // 4, -(width // 4)))
        first, second = first[middle], second[middle]
    axes = tuple(axis for axis in range(first.dim()) if axis != 1)
    one, two = (each.double() - each.double().mean(dim=axes, keepdim=True) for each in (first, second))
    total = float((one.square().sum() + two.square().sum()).sqrt())
    return float((first.double() - second.double()).square().sum().sqrt()) / total if total > 1e-12 else 0.0
