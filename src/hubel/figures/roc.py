"""How many are found at how many false alarms, for every threshold at once."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import PercentFormatter

from hubel.figures.theme import BLUE, MUTED, VERMILLION, Figure, canvas, finish, style

POINTS = 400
"""Of a curve at most, evenly spread over it."""


def roc(false_alarms: np.ndarray, found: np.ndarray, *, equal: float | None = None, width: int = 420) -> Figure:
    """Shares M, both rising; `equal`: the error rate at which misses and false alarms are equal, marked on the curve.

    >>> roc(np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]), equal=0.0).alt
    'ROC curve: 100 % found at 5 % false alarms; both errors are 0.0 % where they are equal.'
    """
    some = np.unique(np.linspace(0, len(found) - 1, min(POINTS, len(found))).astype(int))
    at = float(found[false_alarms <= 0.05].max(initial=0.0))
    with style():
        drawing = canvas(width, 320)
        axes = drawing.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, dashes=(3, 3))
        axes.plot(false_alarms[some], found[some], color=BLUE)
        if equal is not None:
            axes.plot([equal], [1 - equal], "o", color=VERMILLION)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set_xlabel("false alarms")
        axes.set_ylabel("found")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.04)
        both = "" if equal is None else f"; both errors are {100 * equal:.1f} % where they are equal"
        alt = f"ROC curve: {100 * at:.0f} % found at 5 % false alarms{both}."
        return finish(drawing, caption="Found against false alarms, for every threshold.", alt=alt)
