"""What an experiment wants drawn, as plain data; `hubel.report.drawings.book` draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Lines:
    """Named lines over x."""

    title: str
    x: Sequence[float]
    series: Mapping[str, Sequence[float]]
    x_label: str
    share: bool = False
    """Values are shares, shown in per cent."""
    steep: bool = True
    """A logarithmic axis where the values span more than two orders of magnitude."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Named values, with intervals where there are some."""

    title: str
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] | None = None
    share: bool = False


@dataclass(frozen=True, slots=True)
class Pictures:
    """Named small pictures, H W or 3 H W uint8, all of one size."""

    title: str
    pictures: Mapping[str, np.ndarray]
    columns: int = 6
    side: int = 96
    """Pixels of the longer side as shown: small pictures are enlarged."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A table."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Cut:
    """The plane cut by a classifier of two classes: the share of the second class on a grid, and points."""

    title: str
    across: np.ndarray
    up: np.ndarray
    shares: np.ndarray
    """G G K."""
    points: np.ndarray
    labels: np.ndarray


Plot = Lines | Bars | Pictures | Listing | Cut
