"""What a classifier answers in the plane of two features: an area for each class, paler where it is unsure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb

from hubel.figures.theme import CYCLE, Figure, canvas, finish, label, style


def plane(
    across: np.ndarray,
    up: np.ndarray,
    shares: np.ndarray,
    points: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    title: str,
    caption: str = "",
    axes_names: tuple[str, str] = ("first number", "second number"),
) -> Figure:
    """Probabilities G G K over `across` and `up`, with points N 2 in the colours of their labels N.

    >>> grid = np.linspace(0, 1, 4)
    >>> shares = np.stack([np.tile(grid, (4, 1)), 1 - np.tile(grid, (4, 1))], axis=2)
    >>> plane(grid, grid, shares, np.zeros((1, 2)), np.array([0]), ["in", "out"], title="Boundary").alt
    'Boundary: the plane divided among 2 classes: in, out; 1 point.'
    """
    colours = np.array([to_rgb(CYCLE[k % len(CYCLE)]) for k in range(len(class_names))])
    winner, sure = shares.argmax(axis=2), shares.max(axis=2, keepdims=True)
    # From white where all classes are as likely, to two fifths of the colour where one is sure: the points stand out.
    depth = 0.4 * (sure - 1 / shares.shape[2]) / max(1 - 1 / shares.shape[2], 1e-9)
    picture = 1 - depth * (1 - colours[winner])
    with style():
        drawing = canvas(620, 560)
        axes = drawing.add_subplot()
        edges = (across[0], across[-1], up[0], up[-1])
        axes.imshow(picture, origin="lower", extent=edges, aspect="auto", interpolation="bilinear")
        for k, name in enumerate(class_names):
            rows = labels == k
            if rows.any():
                axes.scatter(
                    points[rows, 0], points[rows, 1], s=22, color=CYCLE[k % len(CYCLE)], edgecolors="white",
                    linewidths=0.5, label=label(name, 20),
                )  # fmt: skip
        axes.set(xlabel=label(axes_names[0], 40), ylabel=label(axes_names[1], 40), title=title)
        axes.legend(loc="upper right")
        count = f"{len(points):,} point{'s' * (len(points) != 1)}"
        alt = f"{title}: the plane divided among {len(class_names)} classes: {', '.join(class_names)}; {count}."
        return finish(drawing, alt=alt, caption=caption)
