"""Many small drawings of one kind in a grid: all activations, all schedules, the paths of all optimisers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from hubel.errors import DataError
from hubel.figures.theme import CYCLE, INK, MUTED, Figure, canvas, finish, style

Line = tuple[np.ndarray, np.ndarray]
"""x and y of equal length."""


def panels(
    drawings: Mapping[str, Sequence[Line]],
    *,
    title: str,
    names: Sequence[str] = (),
    columns: int = 6,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    log: bool = False,
    width: int = 130,
    height: int = 110,
) -> Figure:
    """Name of the panel -> its lines (x, y), drawn in the colours of `names`, which are explained once above.

    All panels have the same axes (`x_range`, `y_range`; found from the lines if not given), so that they compare;
    `log` makes that of y logarithmic.
    Raises DataError without a panel.

    >>> x = np.linspace(-1, 1, 5)
    >>> figure = panels({"line": [(x, x)], "square": [(x, x**2)]}, title="Two functions")
    >>> figure.kind, figure.alt
    ('svg', 'Two functions: 2 small drawings: line, square.')
    """
    if not drawings:
        raise DataError(f"{title!r} needs at least one drawing, got none", hint="name one or more")
    rows = -(-len(drawings) // columns)
    wide = min(columns, len(drawings))
    with style():
        figure = canvas(wide * width, rows * height + (28 if names else 8))
        grid = np.atleast_1d(figure.subplots(rows, wide, sharex=True, sharey=True)).ravel()
        for axes, (name, lines) in zip(grid, drawings.items(), strict=False):
            for index, (x, y) in enumerate(lines):
                label = names[index] if index < len(names) else None
                axes.plot(*_thinned(x, y), color=CYCLE[index], linewidth=1.3 if index == 0 else 0.9, label=label)
            axes.set_title(name, fontsize=7.5, fontweight="normal", color=INK, pad=3)
            axes.tick_params(labelsize=6.5, length=0)
            if log:
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
            else:
                axes.locator_params(nbins=4)
            for edge in ("left", "bottom"):
                axes.spines[edge].set_visible(False)
        for axes in grid[len(drawings) :]:
            axes.set_axis_off()
        if x_range:
            grid[0].set_xlim(*x_range)
        if y_range:
            grid[0].set_ylim(*y_range)
        if names:
            handles, labels = grid[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=len(names), fontsize=7.5, labelcolor=MUTED)
        drawn = finish(figure, caption=title, alt=f"{title}: {len(drawings)} small drawings: {', '.join(drawings)}.")
    # A hundredth of a pixel is enough for a path, and a third of its bytes are digits beyond it.
    data = re.sub(rb' d="[^"]*"', lambda path: re.sub(rb"(\.\d\d)\d+", rb"\1", path.group()), drawn.data)
    return dataclasses.replace(drawn, data=data)


def _thinned(x: np.ndarray, y: np.ndarray) -> Line:
    """Without the points in the middle of straight stretches: a ReLU needs three points, not two hundred."""
    if len(x) < 3:
        return x, y
    rise, run = np.diff(y), np.diff(x)
    bent = ~np.isclose(rise[1:] * run[:-1], rise[:-1] * run[1:], rtol=1e-6, atol=1e-9)
    keep = np.concatenate([[True], bent, [True]])
    return x[keep], y[keep]
