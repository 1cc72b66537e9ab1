"""Predicted against true numbers, for regression."""

from __future__ import annotations

import numpy as np

from hubel.figures.theme import BLUE, MUTED, Figure, canvas, finish, label, style
from hubel.words import plural

MOST = 2000


def predicted_against_true(predicted_N: np.ndarray, targets_N: np.ndarray, *, unit: str = "") -> Figure:
    """One dot a sample; on the dashed line a prediction is right. At most 2,000 evenly chosen samples are drawn.

    >>> predicted_against_true(np.array([1.0, 2.1]), np.array([1.0, 2.0])).alt
    'Predicted against true value of 2 samples, true values from 1 to 2.'
    """
    chosen = np.linspace(0, len(targets_N) - 1, min(len(targets_N), MOST)).astype(int)
    x, y = targets_N[chosen], predicted_N[chosen]
    with style():
        drawing = canvas(380, 380)
        axes = drawing.add_subplot()
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, dashes=(3, 3))
        axes.scatter(x, y, s=10, color=BLUE, alpha=0.5, linewidths=0)
        axes.set_xlabel(label(f"true {unit}".strip()))
        axes.set_ylabel(label(f"predicted {unit}".strip()))
        span = f"{targets_N.min():.4g} to {targets_N.max():.4g}"
        return finish(
            drawing,
            caption="Predicted against true value; on the dashed line they agree.",
            alt=f"Predicted against true value of {plural(len(targets_N), 'sample')}, true values from {span}.",
        )
