"""How values of several kinds are spread, one over the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import PercentFormatter

from hubel.figures.theme import CYCLE, MUTED, Figure, canvas, finish, label, style


def histograms(
    values: Mapping[str, np.ndarray], *, title: str, x_label: str, mark: float | None = None, bins: int = 30,
    width: int = 460, height: int = 240,
) -> Figure:  # fmt: skip
    """The share of each kind's values (by name, N each) in each of `bins` steps; the first kind is filled.

    The steps span all values but the outermost half per cent of each kind, which fall into the last ones. `mark` is a
    place to point out.

    >>> histograms({"own": np.arange(10), "strange": np.arange(5, 15)}, title="two kinds", x_label="score").alt
    'two kinds: own around 4.5; strange around 9.5.'
    """
    known = {name: np.asarray(part, dtype=np.float64) for name, part in values.items() if len(part)}
    ends = [np.quantile(part, [0.005, 0.995]) for part in known.values()] or [np.array([0.0, 1.0])]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    with style():
        drawing = canvas(width, height)
        axes = drawing.add_subplot()
        for index, (name, part) in enumerate(known.items()):
            counts, _ = np.histogram(np.clip(part, edges[0], edges[-1]), edges)
            shares = counts / len(part)
            colour = CYCLE[index % len(CYCLE)]
            axes.stairs(shares, edges, label=label(name, 30), color=colour, linewidth=1.4)
            if not index:
                axes.stairs(shares, edges, color=colour, fill=True, alpha=0.25)
        if mark is not None:
            axes.axvline(mark, color=MUTED, linewidth=0.8, dashes=(3, 3))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.set_title(label(title))
        axes.set_xlabel(label(x_label))
        axes.grid(visible=False, axis="x")
        if len(known) > 1:
            axes.legend()
        spoken = "; ".join(f"{name} around {np.median(part):.3g}" for name, part in known.items())
        return finish(drawing, caption=title, alt=f"{title}: {spoken or 'no values'}.")
