"""One hidden layer can draw any curve: ReLU units placed by hand, no training.

A ReLU bends at one place. Put n of them at equal distances and give each the change of slope the curve needs there:

    f(x) ≈ f(a) + sum_i c_i relu(x - b_i),    c_i = slope behind b_i - slope before it

which is the polygon through n + 1 points of the curve; its error falls with 1 / n² for a smooth curve. Cybenko 1989 and
Hornik 1991 prove the same for sigmoid units and any continuous function on a closed interval.

>>> rough, fine = approximate("sin(x)", 16), approximate("sin(x)", 32)
>>> 3.8 < rough.error / fine.error < 4.2
True
>>> len(fine.bends), len(fine.weights)
(32, 32)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubel.errors import UsageError
from hubel.lessons.descent import field

MOST_UNITS = 10_000


@dataclass(frozen=True, slots=True)
class Approximation:
    """A curve and the hidden layer that draws it."""

    x: np.ndarray
    curve: np.ndarray
    drawn: np.ndarray
    """What the layer gives at x."""
    bends: np.ndarray
    """b_i: minus the biases of the hidden units (their input weight is 1)."""
    weights: np.ndarray
    """c_i: output weights."""
    offset: float
    """Bias of the output."""
    error: float
    """Largest distance on the interval."""


def approximate(formula: str, units: int, *, low: float = -3.0, high: float = 3.0, points: int = 601) -> Approximation:
    """Place `units` ReLU units so that they draw a formula of one variable between `low` and `high`.

    Raises UsageError for a formula without value somewhere on the interval, or a number of units that cannot be.
    """
    if not 1 <= units <= MOST_UNITS:
        raise UsageError(
            f"units must be between 1 and {MOST_UNITS}, got {units}",
            hint="for example: hubel plot approximation 'sin(x)'",
        )
    if not low < high:
        raise UsageError(f"the interval must have a length, got {low} to {high}", hint="for example low=-3, high=3")
    knots = np.linspace(low, high, units + 1)
    heights = field(formula, knots).values
    x = np.linspace(low, high, points)
    curve = field(formula, x).values
    if not (np.isfinite(heights).all() and np.isfinite(curve).all()):
        raise UsageError(
            f"{formula!r} has no value somewhere between {low:g} and {high:g}", hint="choose another interval"
        )
    slopes = np.diff(heights) / np.diff(knots)
    weights = np.diff(slopes, prepend=0.0)
    bends = knots[:-1]
    drawn = heights[0] + np.maximum(x[:, None] - bends, 0) @ weights
    return Approximation(x, curve, drawn, bends, weights, float(heights[0]), float(np.abs(drawn - curve).max()))
