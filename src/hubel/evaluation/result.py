"""What every judged task tells alike: a sentence, headline numbers, tables, and how it prints.

Classification and regression, which came first, have more of their own (`hubel.evaluation.classification`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """How well a net does its task on one split."""

    split: str
    samples: int

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        raise NotImplementedError

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers for tables: title, value, 95 % interval."""
        raise NotImplementedError

    @property
    def headline(self) -> dict[str, float]:
        """The few numbers that stand in summary.json."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        raise NotImplementedError

    def tables(self) -> Mapping[str, str]:
        """File name -> CSV: one line a sample in predictions.csv, one a class in per_class.csv."""
        raise NotImplementedError

    def predictions_csv(self) -> str:
        """One line a sample."""
        return self.tables()["predictions.csv"]

    def __str__(self) -> str:
        lines = [f"  {title:<20}{value:>12}   {interval}".rstrip() for title, value, interval in self.rows()]
        return "\n".join([*textwrap.wrap(self.sentence, 80), "", *lines])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.split}: {', '.join(f'{k}={v:.4g}' for k, v in self.headline.items())})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(a)}</th><td>{b}</td><td>{c}</td></tr>" for a, b, c in self.rows()
        )
        return f"<p>{escape(self.sentence)}</p><table>{rows}</table>"


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A sample to be shown: what the net saw, what was right, what it answered."""

    id: int
    name: str
    score: float
    """By which it was chosen."""
    picture: np.ndarray
    """C H W uint8."""
    truth: np.ndarray | None
    """H W of classes; None where the picture itself is the truth."""
    answer: np.ndarray
    """C H W uint8, a picture; or H W of classes."""
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Further pictures that the net tells of the sample (its `views`), by name: C H W uint8."""


def spread_rows(count: int, most: int) -> list[int]:
    """At most so many positions out of `count`, evenly spread.

    >>> spread_rows(10, 4), spread_rows(2, 4)
    ([0, 2, 5, 7], [0, 1])
    """
    return [position * count // min(count, most) for position in range(min(count, most))]
