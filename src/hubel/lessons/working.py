"""What every way of writing a number out shares: the number, what made it, and where its parts came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from hubel.lessons.scene import Part, Scene
from hubel.views import Viewed

MOST_TERMS = 24
"""Products that a line shows; the largest, if there are more."""


@dataclass(frozen=True)
class Term:
    """One product, or one number that counts."""

    value: float
    weight: float | None
    """What it is multiplied by; None where it is not."""
    source: int | None
    """The part whose number it is; -1 is the picture, None a constant or padding."""
    place: tuple[int, ...] = ()
    """Where it stands there, without the batch."""


@dataclass(frozen=True)
class Written(Viewed):
    """A number and how it came about."""

    title: str
    value: float
    """What torch gave."""
    result: float
    """What the calculation below gives."""
    text: str
    """The calculation on one line."""
    lines: tuple[str, ...]
    terms: tuple[Term, ...]
    """What it is made of; all of it, window after window."""
    window: tuple[int, ...] = ()
    """Of a window: channels, rows, columns; the terms fill it in this order."""
    corner: tuple[int, int] = (0, 0)
    """First row and column of the window, in the input without padding."""
    apart: bool = True
    """False where the operation is not taken apart, and the result is torch's own."""
    parts: dict[str, Any] = field(default_factory=dict)


class Working:
    """One number of a part, at a place, with what the part was given."""

    def __init__(self, scene: Scene, part: Part, place: tuple[int, ...], value: float) -> None:
        self.scene, self.part, self.place, self.value = scene, part, place, value
        self.given = part.arguments

    def tensor(self, name: str) -> torch.Tensor:
        """What it was given under a name, an array."""
        found: torch.Tensor = self.given[name]
        return found

    def term(self, tensor: torch.Tensor, place: Sequence[int], weight: float | None = None) -> Term:
        """A number of an array, with the part that it comes from."""
        source = self.scene.source_of(tensor)
        where = tuple(int(p) for p in place)
        held = self.scene.picture if source == -1 else self.scene.parts[source].output if source is not None else tensor
        short = where[1:] if held.dim() > 1 and held.shape[0] == 1 else where
        return Term(float(tensor[where]), weight, source, short)

    def made(
        self, result: float, text: str, lines: Sequence[str] = (), terms: Sequence[Term] = (), **more: Any
    ) -> Written:
        """The number with how it came about."""
        return Written(
            f"{self.part.title} at {self.place[1:] if self.part.batched else self.place}", self.value, result, text,
            tuple(lines) or (text,), tuple(terms), **more,
        )  # fmt: skip

    def summed(self, terms: list[Term], bias: float | None, what: str = "", **more: Any) -> Written:
        """A sum of products, and a bias if there is one."""
        line, total = in_products(terms, bias)
        tail = f" + bias {brief(bias)}" if bias is not None else ""
        text = f"{line}{tail} = {brief(total)}"
        last = f"sum of {len(terms)} products{tail} = {brief(total)}"
        return self.made(total, text, (*([what] if what else []), f"{line}{tail}", last), terms, **more)

    def gathered(self, terms: list[Term], how: str, count: int, **more: Any) -> Written:
        """Numbers brought together by a mean, sum, largest or smallest."""
        values = [t.value for t in terms]
        result = {
            "mean": lambda: math.fsum(values) / count,
            "sum": lambda: math.fsum(values),
            "max": lambda: max(values),
            "min": lambda: min(values),
        }[how]()
        shown = ", ".join(brief(v) for v in values[:MOST_TERMS]) + (
            f", … ({len(values)} numbers)" if len(values) > MOST_TERMS else ""
        )
        return self.made(result, f"{how}({shown}) = {brief(result)}", (), terms, **more)


def in_products(terms: Sequence[Term], bias: float | None = None) -> tuple[str, float]:
    """Products on a line, the largest if there are many, and their sum; the bias is added and not written."""
    total = math.fsum(t.value * (1.0 if t.weight is None else t.weight) for t in terms) + (bias or 0.0)
    shown = list(terms)
    if len(terms) > MOST_TERMS:
        shown = sorted(terms, key=lambda t: -abs(t.value * (t.weight or 0.0)))[:MOST_TERMS]
    line = " + ".join(f"{brief(t.value)}·{signed(t.weight or 0.0)}" for t in shown)
    rest = len(terms) - len(shown)
    if rest:
        left = total - (bias or 0.0) - math.fsum(t.value * (t.weight or 0.0) for t in shown)
        line += f" + {rest} smaller ones ({brief(left)})"
    return line, total


def listed(value: Any) -> Any:
    """A tuple as a list, as operators take it."""
    return list(value) if isinstance(value, tuple) else value


def along(value: Any, count: int) -> tuple[int, ...]:
    """A setting of a window along each of its axes; a word stands for none."""
    if isinstance(value, str) or not value:
        return (0,) * count
    numbers = [int(value)] if isinstance(value, int) else [int(v) for v in value]
    return tuple(numbers * count if len(numbers) == 1 else numbers)


def two(value: Any) -> tuple[int, int]:
    """A setting of a window of rows and columns."""
    rows, columns = along(value, 2)
    return rows, columns


def brief(value: float) -> str:
    """A number with four digits."""
    return f"{value:.4g}".replace("-", "−")


def signed(value: float) -> str:
    """A number with four digits, in brackets if it is negative."""
    return f"({brief(value)})" if value < 0 else brief(value)
