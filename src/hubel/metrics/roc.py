"""How well scores tell two kinds of samples apart (strange and normal), and whether one score does better.

The interval of an AUROC and the test of a difference on the same pictures are those of DeLong, DeLong and
Clarke-Pearson 1988. Letters: N samples; truth is 0 for normal and 1 for strange.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from hubel.metrics.intervals import NOTHING, Interval
from hubel.metrics.probability import placement

_Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Difference:
    """The AUROC of one method minus that of another, on the same pictures."""

    value: float
    interval: Interval
    p_value: float


def auroc(scores_N: np.ndarray, truth_N: np.ndarray) -> tuple[float, Interval]:
    """The chance that a strange picture has the higher score, ties counting half, and its 95 % interval.

    NaN where one of the two kinds is missing. Where all of one kind lie above all of the other, DeLong's variance is 0
    however few there are; the bound is then that of Clopper and Pearson for so many of so many, of the rarer kind.

    >>> auroc(np.array([0.1, 0.2, 0.2, 0.9]), np.array([0, 0, 1, 1]))[0]
    0.875
    >>> value, (low, high) = auroc(np.arange(40), np.arange(40) >= 20)
    >>> value, round(low, 3), high
    (1.0, 0.832, 1.0)
    """
    parts = _parts(scores_N, truth_N)
    if parts is None:
        return math.nan, NOTHING
    above, below = parts
    value, spread = float(above.mean()), math.sqrt(_variance(above, below))
    if value in (0.0, 1.0):
        sure = 0.025 ** (1 / min(len(above), len(below)))
        return value, (sure, 1.0) if value else (0.0, 1 - sure)
    return value, (max(0.0, value - _Z * spread), min(1.0, value + _Z * spread))


def difference(first_N: np.ndarray, second_N: np.ndarray, truth_N: np.ndarray) -> Difference | None:
    """Is the first better than the second on these pictures? None where there is nothing to compare.

    >>> truth = np.array([0, 0, 0, 1, 1, 1])
    >>> found = difference(np.array([0, 1, 2, 3, 4, 5.0]), np.array([0, 3, 1, 2, 5, 4.0]), truth)
    >>> round(found.value, 3), found.p_value > 0.05
    (0.111, True)
    """
    first, second = _parts(first_N, truth_N), _parts(second_N, truth_N)
    if first is None or second is None:
        return None
    above, below = (a - b for a, b in zip(first, second, strict=True))
    value, spread = float(above.mean()), math.sqrt(_variance(above, below))
    if spread == 0:
        return Difference(value, (value, value), 1.0 if value == 0 else 0.0)
    p_value = 2 * (1 - NormalDist().cdf(abs(value) / spread))
    return Difference(value, (value - _Z * spread, value + _Z * spread), p_value)


def _parts(scores_N: np.ndarray, truth_N: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each strange picture the share of normal ones below it; of each normal one the share of strange ones above."""
    strange, normal = scores_N[truth_N == 1], scores_N[truth_N == 0]
    if not len(strange) or not len(normal):
        return None
    return placement(strange, np.sort(normal)), 1 - placement(normal, np.sort(strange))


def _variance(above: np.ndarray, below: np.ndarray) -> float:
    parts = (part.var(ddof=1) / len(part) if len(part) > 1 else 0.0 for part in (above, below))
    return float(sum(parts))
