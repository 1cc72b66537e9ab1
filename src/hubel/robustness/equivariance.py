"""How far each stage of a net is from doing as the picture does: φ(T x) beside T φ(x), for four kinds of T.

A layer is equivariant where its maps move, turn, grow and bend along with the picture. Convolutions move along; strided
layers break that for all shifts but multiples of their stride (Zhang, ICML 2019, arXiv 1904.11486). Plain filters do
not turn along; those of group-equivariant (Cohen & Welling, arXiv 1602.07576) and harmonic nets (Worrall et al., arXiv
1612.04642) do, and their channels change places or phases as they turn: such a net says so by a method
`turned_channels(maps, degrees)`, which is given the maps of a stage.

Letters: N pictures, C channels, H W height and width, h w those of a map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hubel.anatomy import graph
from hubel.anatomy.receptive import ReceptiveField, fields
from hubel.data.draws import Draws
from hubel.errors import HubelError
from hubel.nn.modes import evaluating
from hubel.nn.taps import record
from hubel.robustness.filters import as_bytes, as_shares, grid, read_at
from hubel.robustness.moving import Warp, about_middle, displacements, rounded

TURNS = (15.0, 30.0, 45.0, 60.0, 90.0)
SIZES = (70.0, 85.0, 115.0, 130.0, 150.0)
BENDS = (2.0, 4.0, 8.0)
"""As the curves of `hubel.robustness.moving` have them: degrees, per cent of the size, per cent of the side."""


@dataclass(frozen=True, kw_only=True)
class StageChange:
    """How far the output of a stage is from changing as the picture does."""

    change: str
    """shifted, turned, resized or bent."""
    unit: str
    stage: str
    stride: float
    """Pixels of the picture to one place of the map; 0 where the output has no places."""
    at: tuple[float, ...]
    """How much the picture is changed."""
    distance: tuple[float, ...]
    """0: it changes along exactly; 1: as far off as the maps of two unrelated pictures."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "change": self.change, "unit": self.unit, "stage": self.stage, "stride": self.stride, "at": list(self.at),
            "distance": list(self.distance),
        }  # fmt: skip


@dataclass(frozen=True)
class _Change:
    """One T, by where it reads the picture; and by how much that is turned."""

    at: float
    warp: Warp
    degrees: float = 0.0


@dataclass(frozen=True)
class _Sight:
    """Where the places of a map lie in the picture: place 0, and the pixels from one to the next, down and right."""

    first: tuple[float, float]
    jump: tuple[float, float]

    def read(self, maps: torch.Tensor, warp: Warp) -> torch.Tensor:
        """Maps N C h w under the change that reads the picture by `warp`."""
        rows, cols = (
            start + step * at for start, step, at in zip(self.first, self.jump, grid(*maps.shape[2:]), strict=True)
        )
        places = [(at - start) / step for start, step, at in zip(self.first, self.jump, warp(rows, cols), strict=True)]
        return read_at(maps.double(), *rounded(*places))


def stage_changes(
    model: nn.Module,
    images: torch.Tensor,
    normalise: Callable[[torch.Tensor], torch.Tensor],
    *,
    far: int = 8,
    stages: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[StageChange, ...]:
    """For each change and stage: how far φ(T x) is from T φ(x), of pictures N C H W uint8.

    T moves them right by 1 to `far` pixels, turns them about their middle by `TURNS` degrees, resizes them to `SIZES`
    per cent, and bends them smoothly; beyond their border they are mirrored. Distances are those of maps less their
    mean over places and pictures, over the root of the sum of both squares; maps are read between their places where
    they must be. All but the middle half of a map is left out, since what a border shows is no matter of the net.
    Outputs without places are compared as they are.
    """
    names = tuple(stages if stages is not None else getattr(model, "stages", ()))
    if not names or not far:
        return ()
    height, width = images.shape[2:]
    whole, device = _Sight((0.0, 0.0), (1.0, 1.0)), images.device
    turned = getattr(model, "turned_channels", None)
    known = _fields(model, normalise(images[:1]))
    with evaluating(model), torch.no_grad(), record(model, *names, copy=True) as seen:

        def outputs(pictures: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.clear()
            model(normalise(pictures))
            return {name: seen[name].detach().float().cpu() for name in names if name in seen}

        still = outputs(images)
        sights = {name: _sight(output, known.get(name), height, width) for name, output in still.items()}
        found = []
        for change, unit, steps in _changes(images, far, seed):
            apart: dict[str, list[float]] = {name: [] for name in still}
            for step in steps:
                pictures = as_bytes(whole.read(as_shares(images.cpu()), step.warp)).to(device)
                for name, after in outputs(pictures).items():
                    expected, sight = still[name], sights[name]
                    if sight is not None:
                        flat = expected.reshape(len(expected), -1, *expected.shape[-2:])
                        expected = sight.read(flat, step.warp).reshape(expected.shape).float()
                        expected = turned(expected, step.degrees) if turned and step.degrees else expected
                    apart[name].append(_apart(after, expected))
            at = tuple(step.at for step in steps)
            for name, distance in apart.items():
                sight = sights[name]
                stride = sight.jump[1] if sight else 0.0
                found.append(
                    StageChange(
                        change=change, unit=unit, stage=name, stride=stride, at=at, distance=tuple(distance)
                    )
                )  # fmt: skip
    return tuple(found)


def _changes(images: torch.Tensor, far: int, seed: int) -> Iterator[tuple[str, str, list[_Change]]]:
    """Name, unit, and every T of it."""
    height, width = images.shape[2:]
    yield "shifted", "pixels", [_Change(float(step), _moved(step)) for step in range(1, far + 1)]
    turns = [(degrees, about_middle(1.0, math.radians(degrees), height, width)) for degrees in TURNS]
    yield "turned", "degrees", [_Change(degrees, warp, degrees) for degrees, warp in turns]
    yield "resized", "% of the size", [_Change(size, about_middle(size / 100, 0.0, height, width)) for size in SIZES]
    draws = Draws(torch.arange(len(images)), seed, 1 << 40)
    fields = torch.stack(displacements(draws, height, width), dim=1)
    yield "bent", "% of the side", [_Change(bend, _bent(fields, bend / 100)) for bend in BENDS]


def _moved(step: int) -> Warp:
    return lambda rows, cols: (rows, cols - step)


def _bent(fields: torch.Tensor, share: float) -> Warp:
    """Moved by N 2 H W fields of unit deviation, times `share` of the side."""
    side = math.sqrt(fields.shape[2] * fields.shape[3])

    def warp(rows: torch.Tensor, cols: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        by = share * side * read_at(fields, rows, cols)
        return rows + by[:, 0], cols + by[:, 1]

    return warp


def _fields(model: nn.Module, images: torch.Tensor) -> Mapping[str, ReceptiveField]:
    """What the places of each stage see; nothing of a net that cannot be followed."""
    try:
        return fields(graph.record(model, tuple(images.shape[1:])))
    except HubelError:
        return {}


def _sight(output: torch.Tensor, seen: ReceptiveField | None, height: int, width: int) -> _Sight | None:
    """Where the places of a map lie; where that is not known they span the picture. None for an output without."""
    if not _has_places(output, height, width):
        return None
    if seen is not None and len(seen.jump) == 2 and all(seen.jump):
        down, right = (float(start) + (float(size) - 1) / 2 for start, size in zip(seen.start, seen.size, strict=True))
        return _Sight((down, right), (float(seen.jump[0]), float(seen.jump[1])))
    jump = (height / output.shape[-2], width / output.shape[-1])
    return _Sight(((jump[0] - 1) / 2, (jump[1] - 1) / 2), jump)


def _has_places(output: torch.Tensor, height: int, width: int) -> bool:
    """Are the last two axes places of the picture, in its proportions? (Some nets have the channels last.)"""
    if output.dim() < 4 or min(output.shape[-2:]) < 2:
        return False
    down, across = height / output.shape[-2], width / output.shape[-1]
    return 2 / 3 < down / across < 3 / 2


def _apart(first: torch.Tensor, second: torch.Tensor) -> float:
    if first.dim() >= 4 and min(first.shape[-2:]) >= 4:
        height, width = first.shape[-2:]
        middle = (..., slice(height // 4, -(height // 4)), slice(width // 4, -(width // 4)))
        first, second = first[middle], second[middle]
    axes = (0, -2, -1) if first.dim() >= 4 else tuple(axis for axis in range(first.dim()) if axis != 1)
    one, two = (each.double() - each.double().mean(dim=axes, keepdim=True) for each in (first, second))
    total = float((one.square().sum() + two.square().sum()).sqrt())
    return float((first.double() - second.double()).square().sum().sqrt()) / total if total > 1e-12 else 0.0
