"""Accuracy against the number of pictures, the fitted line, and what it says of twice as many."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from hubel.evaluation.growing import Curve
from hubel.figures.theme import BLUE, MUTED, VERMILLION, Figure, canvas, finish, style
from hubel.words import percent, span


def draw_growth(found: Curve, *, width: int = 560) -> Figure:
    """Dots are trainings, the line the fit, the bar the 90 % interval at twice as many pictures."""
    a, b, c = found.fitted
    with style():
        drawing = canvas(width, 300)
        axes = drawing.add_subplot()
        ends = [*found.sizes, 2 * found.sizes[-1]]
        at = np.geomspace(ends[0], ends[-1], 80)
        line = 1 - (c + a * at**-b)
        seen = at <= found.sizes[-1]
        axes.plot(at[seen], line[seen], color=BLUE)
        axes.plot(at[~seen], line[~seen], color=BLUE, dashes=(3, 3))
        for size, values in zip(found.sizes, found.accuracies, strict=True):
            axes.scatter([size] * len(values), values, color=BLUE, s=22, alpha=0.75, linewidths=0, zorder=3)
        low, high = found.interval
        axes.vlines(ends[-1], low, high, color=VERMILLION, linewidth=5, alpha=0.5)
        axes.scatter([ends[-1]], [found.twice], color=VERMILLION, s=34, zorder=3)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(ends))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))
        axes.set_xlabel("pictures to learn from")
        what = "All labels right" if found.several else "Accuracy"
        axes.set_title(f"{what} on the test pictures")
        axes.grid(visible=False, axis="x")
        axes.axvline(found.sizes[-1], color=MUTED, linewidth=0.8, dashes=(3, 3))
        spoken = "; ".join(
            f"{percent(float(np.mean(values)), 1)} from {size:,}"
            for size, values in zip(found.sizes, found.accuracies, strict=True)
        )
        return finish(
            drawing,
            caption="Dots are trainings; the dashed line is all pictures there are; the bar is the 90 % interval.",
            alt=f"{what}: {spoken}; predicted {percent(found.twice, 1)} ({span(found.interval)}) from {ends[-1]:,}.",
        )
