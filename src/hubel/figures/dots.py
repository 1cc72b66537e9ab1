"""Numbers on a line, a row a kind: where they lie, and what lies beyond a border."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hubel.figures.theme import BLUE, MUTED, VERMILLION, Figure, canvas, finish, label, style

MOST = 400
"""Dots of a row at most; of more, evenly taken ones."""


def dots(
    rows: Mapping[str, Sequence[float] | np.ndarray], *, border: float, x_label: str, width: int = 520
) -> Figure:  # fmt: skip
    """A row of dots a kind; those beyond `border` stand out. Values far out are drawn at the rim.

    >>> dots({"good": [0.1, 0.2], "scratch": [1.5]}, border=1.0, x_label="score").alt
    'score: good 0 of 2 beyond 1; scratch 1 of 1 beyond 1.'
    """
    values = {name: np.sort(np.asarray(found, np.float64)) for name, found in rows.items()}
    every = np.concatenate(list(values.values())) if values else np.zeros(0)
    low = min(0.0, float(np.quantile(every, 0.005))) if len(every) else 0.0
    high = max(1.5 * border, float(np.quantile(every, 0.98))) if len(every) else 2 * border
    with style():
        drawing = canvas(width, 62 + 26 * max(1, len(values)))
        axes = drawing.add_subplot()
        axes.axvline(border, color=MUTED, linewidth=0.8, dashes=(3, 3))
        for place, found in enumerate(values.values()):
            shown = (
                found[np.linspace(0, len(found) - 1, min(MOST, len(found))).round().astype(int)]
                if len(found)
                else found
            )
            spread = place + 0.3 * np.sin(2.4 * np.arange(len(shown)))
            colours = np.where(shown > border, VERMILLION, BLUE).tolist()
            axes.scatter(np.clip(shown, low, high), spread, s=9, c=colours, alpha=0.6, linewidths=0)
        axes.set_yticks(range(len(values)), [f"{label(name, 24)} ({len(v):,})" for name, v in values.items()])
        axes.set_ylim(len(values) - 0.5, -0.5)
        axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
        axes.set_xlabel(x_label)
        told = "; ".join(
            f"{name} {int((v > border).sum())} of {len(v)} beyond {border:g}" for name, v in values.items()
        )
        return finish(drawing, caption="", alt=f"{x_label}: {told or 'nothing'}.")
