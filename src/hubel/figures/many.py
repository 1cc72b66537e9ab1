"""Many curves at once: all of them faint, a few of them named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from hubel.figures.theme import CYCLE, MUTED, Figure, canvas, finish, label, style


def many_curves(
    curves: Sequence[Sequence[float]],
    named: Mapping[str, Sequence[float]],
    *,
    title: str,
    x_label: str = "epoch",
    share: bool = True,
    width: int = 560,
    height: int = 280,
) -> Figure:
    """`curves` faint, those in `named` strong and with their names; the floor leaves out what fails at once.

    >>> many_curves([[0.1, 0.5], [0.2, 0.4]], {"best": [0.3, 0.9]}, title="all").alt
    'all: 3 curves; best ends at 90.0 %.'
    """
    with style():
        drawing = canvas(width, height)
        axes = drawing.add_subplot()
        for values in curves:
            marker = "o" if len(values) == 1 else None
            at = np.arange(1, len(values) + 1)
            axes.plot(at, values, color=MUTED, alpha=0.35, linewidth=0.8, marker=marker, markersize=2)
        for (name, values), colour in zip(named.items(), CYCLE, strict=False):
            at = np.arange(1, len(values) + 1)
            marker = "o" if len(values) == 1 else None
            axes.plot(at, values, color=colour, linewidth=1.8, label=label(name, 30), marker=marker, markersize=3)
        ends = [float(values[-1]) for values in [*curves, *named.values()] if len(values)]
        if share and ends:
            low = float(np.quantile(ends, 0.1)) - 0.05
            axes.set_ylim(max(0.0, min(low, max(ends) - 0.1)), min(1.005, max(ends) + 0.02))
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
        axes.set_xlabel(label(x_label))
        axes.set_title(label(title))
        axes.grid(visible=False, axis="x")
        if named:
            axes.legend(loc="lower right")
        told = "; ".join(
            f"{name} ends at {f'{100 * values[-1]:.1f} %' if share else f'{values[-1]:.4g}'}"
            for name, values in named.items()
            if len(values)
        )
        return finish(
            drawing, caption=title, alt=f"{title}: {len(curves) + len(named)} curves; {told or 'none named'}."
        )
