"""What a net over two numbers answers, drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubel.deploy.points import Plane
from hubel.figures.plane import plane
from hubel.figures.theme import Figure


def draw_plane(
    found: Plane,
    points: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    name: str,
    axes: tuple[str, str] = ("first number", "second number"),
) -> Figure:
    """The areas of the classes, with points N 2 in the colours of their labels N; `name` is what the run is called,
    `axes` what its two numbers are.
    """
    caption = "Paler where the net is less sure; the points are the samples it was measured on."
    return plane(
        found.across, found.up, found.shares, points, labels, class_names, title=f"What {name} answers",
        caption=caption, axes_names=axes,
    )  # fmt: skip
