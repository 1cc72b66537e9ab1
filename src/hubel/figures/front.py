"""Points with intervals against a cost, and the front of those that none beats in both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from hubel.figures.theme import BLUE, MUTED, VERMILLION, Figure, canvas, finish, label, style
from hubel.words import short


def cost_front(
    costs: Sequence[float],
    scores: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    front: Sequence[int],
    *,
    title: str,
    x_label: str,
    share: bool = True,
    winner: int | None = None,
    width: int = 340,
) -> Figure:
    """One dot a net, its score against its cost on a logarithmic axis, the front as steps, the winner ringed.

    `scores` are shares where `share`, else losses (lower is better); `front` are places, cheapest first.

    >>> cost_front([1e3, 1e4], [0.9, 0.95], [(0.88, 0.92), (0.93, 0.97)], [0, 1], title="by size", x_label="MACs").alt
    'by size: 2 nets; on the front 1k at 90.0 %; 10k at 95.0 %.'
    """
    x, y = np.asarray(costs, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    with style():
        drawing = canvas(width, 260)
        axes = drawing.add_subplot()
        spans = np.array(intervals, dtype=np.float64).reshape(-1, 2)
        known = np.isfinite(spans).all(axis=1)
        axes.vlines(x[known], spans[known, 0], spans[known, 1], color=BLUE, alpha=0.25, linewidth=1.5)
        axes.scatter(x, y, s=16, color=BLUE, alpha=0.75, linewidths=0, zorder=3)
        if len(front):
            axes.plot(x[list(front)], y[list(front)], color=VERMILLION, drawstyle="steps-post", linewidth=1.2, zorder=2)
        if winner is not None:
            axes.scatter(x[[winner]], y[[winner]], s=90, facecolors="none", edgecolors=VERMILLION, zorder=4)
        if len(x) and x.min() > 0 and x.max() > 3 * x.min():
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        if share:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel(label(x_label), color=MUTED)
        axes.set_title(label(title))
        said = "; ".join(
            f"{short(x[place])} at {f'{100 * y[place]:.1f} %' if share else f'{y[place]:.4g}'}" for place in front
        )
        return finish(drawing, caption=title, alt=f"{title}: {len(x)} nets; on the front {said or 'none'}.")
