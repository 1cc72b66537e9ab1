"""Curves over epochs or steps: how training went, and how several runs compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from hubel.figures.theme import CYCLE, MUTED, Figure, canvas, finish, label, style


def curves(
    series: Mapping[str, Sequence[float]],
    *,
    x: Sequence[float] | None = None,
    title: str,
    x_label: str = "epoch",
    share: bool = False,
    steep: bool = True,
    mark: float | None = None,
    notes: Sequence[float] = (),
    width: int = 340,
    height: int = 240,
) -> Figure:
    """Lines with a name each; NaN is a gap. `x`: positions, else 1, 2, 3, …; `share`: values 0..1, shown in per cent.

    `mark`: an x position to point out, for example the epoch whose weights were kept; `notes`: positions that get the
    numbers 1, 2, 3, … above a thin line, for a list beside the figure. With `steep`, values
    that span more than two orders of magnitude get a logarithmic axis.

    >>> curves({"training": [0.9, 0.5], "validation": [1.0, 0.7]}, title="loss").kind
    'svg'
    """
    known = {name: np.asarray(values, dtype=np.float64) for name, values in series.items()}
    with style():
        drawing = canvas(width, height)
        axes = drawing.add_subplot()
        for index, (name, values) in enumerate(known.items()):
            at = np.arange(1, len(values) + 1) if x is None else np.asarray(x, dtype=np.float64)
            there = np.isfinite(values)
            marker = "o" if there.sum() <= 12 else None
            dashes = (None, None) if index < len(CYCLE) else (4, 2)
            axes.plot(at[there], values[there], label=label(name, 24), marker=marker, markersize=3.5, dashes=dashes)
        every = np.concatenate([values[np.isfinite(values)] for values in known.values()] or [np.zeros(0)])
        if share:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))
        elif steep and len(every) and every.min() > 0 and every.max() > 100 * every.min():
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        if mark is not None:
            axes.axvline(mark, color=MUTED, linewidth=0.8, dashes=(3, 3))
        for number, where in enumerate(notes, start=1):
            axes.axvline(where, color=MUTED, linewidth=0.6)
            axes.annotate(
                str(number), (where, 1), xycoords=("data", "axes fraction"), xytext=(2, -2), textcoords="offset points",
                va="top", color=MUTED, fontsize="small",
            )  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.set_title(label(title))
        axes.set_xlabel(label(x_label))
        axes.grid(visible=False, axis="x")
        if len(known) > 1:
            axes.legend()
        return finish(drawing, caption=title, alt=_spoken(title, known, share))


def _spoken(title: str, series: Mapping[str, np.ndarray], share: bool) -> str:
    """First and last value of every line."""
    parts = []
    for name, values in series.items():
        there = values[np.isfinite(values)]
        if len(there):
            first, last = (f"{100 * v:.1f} %" if share else f"{v:.3g}" for v in (there[0], there[-1]))
            parts.append(f"{name} from {first} to {last}")
    return f"{title}: {'; '.join(parts) or 'no values'}."
