"""A map of samples in the plane: points in the colours of their classes, some with their pictures, mistakes marked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from hubel.figures.images import to_hwc
from hubel.figures.theme import CYCLE, INK, MUTED, VERMILLION, Figure, canvas, finish, label, style
from hubel.words import plural

MARKS = "os^DvP*X"


def embedding(
    points: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    wrong: np.ndarray | None = None,
    pictures: Sequence[np.ndarray] = (),
    title: str,
    caption: str = "",
) -> Figure:
    """Points N 2 with labels N; `wrong` N: mistakes get a ring; `pictures` N (uint8) are drawn where there is room.

    >>> points = np.random.default_rng(0).normal(size=(20, 2))
    >>> embedding(points, np.arange(20) % 2, ["cat", "dog"], title="Features").alt
    'Features: 20 samples of 2 classes: cat, dog.'
    """
    wrong = np.zeros(len(points), dtype=bool) if wrong is None else wrong
    with style():
        drawing = canvas(720, 560)
        axes = drawing.add_subplot()
        for k, name in enumerate(class_names):
            rows = labels == k
            if rows.any():
                # Colour and shape together tell 48 classes apart.
                axes.scatter(
                    points[rows, 0], points[rows, 1], s=16, color=CYCLE[k % len(CYCLE)],
                    marker=MARKS[k // len(CYCLE) % len(MARKS)],
                    label=label(name, 20), linewidths=0, alpha=0.8,
                )  # fmt: skip
        if wrong.any():
            axes.scatter(
                points[wrong, 0],
                points[wrong, 1],
                s=60,
                facecolors="none",
                edgecolors=INK,
                linewidths=1.1,
                label="mistaken",
            )
        for row in _apart(points, count=48) if len(pictures) else []:
            image = OffsetImage(to_hwc(pictures[row]), zoom=26 / max(to_hwc(pictures[row]).shape[:2]), cmap="gray")
            edge = VERMILLION if wrong[row] else MUTED
            axes.add_artist(
                AnnotationBbox(image, points[row], pad=0.08, bboxprops={"edgecolor": edge, "linewidth": 0.8})
            )
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
        if len(class_names) <= 24:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=1.2)
        names = ", ".join(class_names[:12]) + (", …" if len(class_names) > 12 else "")
        alt = f"{title}: {plural(len(points), 'sample')} of {plural(len(class_names), 'class')}: {names}."
        return finish(drawing, caption=caption, alt=alt)


def _apart(points: np.ndarray, *, count: int) -> list[int]:
    """Points that lie far from each other: each next one is the farthest from those before."""
    span = np.ptp(points, axis=0)
    flat = points / np.where(span > 0, span, 1)
    chosen = [int(np.argmin(flat.sum(axis=1)))]
    distance = np.linalg.norm(flat - flat[chosen[0]], axis=1)
    while len(chosen) < min(count, len(flat)) and distance.max() > 0.05:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(flat - flat[chosen[-1]], axis=1))
    return chosen
