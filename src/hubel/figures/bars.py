"""One number a name: bars for classes, dots with intervals for runs; and the reliability diagram."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from hubel.figures.theme import BLUE, GRID, INK, MUTED, Figure, canvas, finish, label, style


def reliability(
    edges: np.ndarray, counts: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray, *, width: int = 340
) -> Figure:
    """Accuracy against confidence in M bins: dots on the diagonal are honest, below it the model is too sure of itself.

    `edges` M + 1; `counts`, `confidence`, `accuracy` M (NaN where a bin is empty). The area of a dot is the number of
    samples in its bin.

    >>> reliability(np.array([0, 0.5, 1]), np.array([0, 4]), np.array([np.nan, 0.8]), np.array([np.nan, 0.75])).alt
    'Reliability diagram: of 4 predictions made with 80 % confidence, 75 % are right.'
    """
    there = counts > 0
    with style():
        drawing = canvas(width, 260)
        axes = drawing.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, dashes=(3, 3))
        axes.vlines(confidence[there], confidence[there], accuracy[there], color=BLUE, alpha=0.4, linewidth=2)
        area = 14 + 160 * counts[there] / max(1, counts.max())
        axes.scatter(confidence[there], accuracy[there], s=area, color=BLUE, alpha=0.85, linewidths=0)
        axes.set_xlim(edges[0], edges[-1] + 0.02)
        axes.set_ylim(-0.02, 1.04)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set_xlabel("confidence of the prediction")
        axes.set_ylabel("right")
        spoken = "; ".join(
            f"of {n} predictions made with {100 * c:.0f} % confidence, {100 * a:.0f} % are right"
            for n, c, a in zip(counts[there], confidence[there], accuracy[there], strict=True)
        )
        return finish(
            drawing,
            caption="Accuracy against confidence; on the dashed line confidence is honest.",
            alt=f"Reliability diagram: {spoken or 'no predictions'}.",
        )


def bars(values: Sequence[float], names: Sequence[str], *, title: str, share: bool = False, width: int = 460) -> Figure:
    """One horizontal bar a name, in the order given; NaN is an empty row.

    >>> bars([0.9, 0.5], ["cat", "dog"], title="recall", share=True).alt
    'recall: cat 90.0 %; dog 50.0 %.'
    """
    lengths = np.asarray(values, dtype=np.float64)
    written = ["–" if np.isnan(v) else f"{100 * v:.1f} %" if share else f"{v:,.4g}" for v in lengths]
    with style():
        drawing = canvas(width, 56 + 19 * len(names))
        axes = drawing.add_subplot()
        at = np.arange(len(names))
        if share:
            axes.barh(at, np.ones(len(names)), color=GRID, alpha=0.45, height=0.62)
        axes.barh(at, np.nan_to_num(lengths), color=BLUE, height=0.62)
        axes.set_yticks(at, [label(name, 24) for name in names], color=INK)
        end = 1.0 if share else float(np.nanmax(lengths, initial=0.0)) or 1.0
        for row, text in enumerate(written):
            axes.text(end * 1.02, row, text, va="center", fontsize=8)
        axes.set_xlim(0, end * 1.16)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xticks([])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_title(label(title))
        spoken = "; ".join(f"{name} {text}" for name, text in zip(names, written, strict=True))
        return finish(drawing, caption=title, alt=f"{title}: {spoken}.")


def estimates(
    names: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    *,
    title: str,
    share: bool = False,
    width: int = 460,
) -> Figure:
    """One dot a name with its interval, to compare runs or models: bars that reach far into each other may be luck.

    >>> estimates(["a", "b"], [0.9, 0.95], [(0.88, 0.92), (0.93, 0.97)], title="accuracy", share=True).alt
    'accuracy: a 90.0 % (88.0 % to 92.0 %); b 95.0 % (93.0 % to 97.0 %).'
    """
    lows, highs = np.array(intervals, dtype=np.float64).reshape(-1, 2).T
    middle = np.asarray(values, dtype=np.float64)
    with style():
        drawing = canvas(width, 64 + 24 * len(names))
        axes = drawing.add_subplot()
        at = np.arange(len(names))
        axes.hlines(at, lows, highs, color=BLUE, alpha=0.45, linewidth=5)
        axes.scatter(middle, at, color=BLUE, s=34, zorder=3)
        axes.set_yticks(at, [label(name, 24) for name in names], color=INK)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        if share:
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_title(label(title))

        def written(value: float) -> str:
            return "–" if np.isnan(value) else f"{100 * value:.1f} %" if share else f"{value:.4g}"

        spoken = "; ".join(
            f"{name} {written(v)} ({written(low)} to {written(high)})"
            for name, v, low, high in zip(names, middle, lows, highs, strict=True)
        )
        return finish(drawing, caption=title, alt=f"{title}: {spoken}.")
