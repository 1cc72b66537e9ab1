"""What becomes of space when there are many dimensions: balls, cells, and the samples that are needed."""

from __future__ import annotations

import math

from hubel.errors import UsageError

__all__ = ["ball_volume", "samples_per_cell", "samples_power"]


def ball_volume(dimensions: int, *, radius: float = 0.5) -> float:
    """π^(d/2) / Γ(d/2 + 1) · r^d: with radius ½ the share of the unit cube that its inscribed ball fills.

    Raises UsageError below one dimension or for a radius that is not positive.

    >>> [round(ball_volume(d), 5) for d in (1, 2, 3, 8, 10)]
    [1.0, 0.7854, 0.5236, 0.01585, 0.00249]
    """
    if dimensions < 1:
        raise UsageError(f"dimensions must be at least 1, got {dimensions}", hint="2 is a disc, 3 a ball")
    if not radius > 0:
        raise UsageError(f"the radius must be positive, got {radius}", hint="0.5 is that of the ball in a unit cube")
    return math.exp(
        dimensions / 2 * math.log(math.pi) - math.lgamma(dimensions / 2 + 1) + dimensions * math.log(radius)
    )


def samples_per_cell(samples: int, dimensions: int, *, cells: int = 5) -> float:
    """N / c^d: how many samples stand in a cell in the mean, where each axis is cut into `cells` parts.

    >>> [samples_per_cell(10, d) for d in (1, 2, 3)]
    [2.0, 0.4, 0.08]
    """
    return samples / cells**dimensions


def samples_power(dimensions: int, *, eps: float) -> float:
    """The power of ten of eps^-d: samples on a grid so fine that none lies further than eps from a neighbour.

    >>> samples_power(3, eps=0.1)
    3.0
    """
    return -dimensions * math.log10(eps)
