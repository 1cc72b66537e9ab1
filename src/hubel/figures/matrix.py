"""The confusion matrix as a picture, for 2 to some hundreds of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb

from hubel.figures.theme import BLUE, INK, VERMILLION, Figure, canvas, finish, style


def confusion(matrix_KK: np.ndarray, class_names: Sequence[str], *, title: str = "Confusion matrix") -> Figure:
    """Rows are true classes, columns predictions. Blue: right, orange: wrong; the deeper, the larger its share.

    Up to 20 classes the counts are written in; up to 50 the names, above that the numbers of the classes.

    >>> figure = confusion(np.array([[9, 1], [0, 10]]), ["cat", "dog"])
    >>> figure.alt
    'Confusion matrix of 2 classes: 19 of 20 on the diagonal; most frequent mistake: cat called dog, 1.'
    """
    K = len(matrix_KK)
    named, counted = K <= 50, K <= 20
    cell = 34 if K <= 10 else 27 if counted else 15 if named else max(3, round(640 / K))
    names = [_short(name, 16) for name in class_names]
    margin = (12 + 7 * max(map(len, names), default=0)) if named else 46
    with style():
        drawing = canvas(margin + cell * K + 12, margin + cell * K + 34)
        axes = drawing.add_subplot()
        axes.imshow(_colours(matrix_KK), aspect="equal")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if named:
            axes.set_xticks(range(K), names, rotation=0 if max(map(len, names)) <= 3 and K <= 20 else 90, color=INK)
            axes.set_yticks(range(K), names, color=INK)
        if counted:
            share = _share(matrix_KK)
            size = 8 if matrix_KK.max() < 1000 else 7 if matrix_KK.max() < 10_000 else 6
            for row, column in zip(*np.nonzero(matrix_KK), strict=True):
                colour = "white" if share[row, column] > 0.5 else INK
                text = f"{matrix_KK[row, column]}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
        return finish(drawing, caption=title, alt=_spoken(matrix_KK, class_names))


def _share(matrix_KK: np.ndarray) -> np.ndarray:
    support = matrix_KK.sum(axis=1, keepdims=True)
    return np.divide(matrix_KK, support, out=np.zeros(matrix_KK.shape), where=support > 0)


def _colours(matrix_KK: np.ndarray) -> np.ndarray:
    """K K 4 colours: transparent where nothing is, so that the page shows through in light and dark."""
    K = len(matrix_KK)
    colours = np.empty((K, K, 4))
    colours[..., :3] = to_rgb(VERMILLION)
    colours[np.arange(K), np.arange(K), :3] = to_rgb(BLUE)
    # The square root lets a few mistakes in a hundred be seen at all.
    colours[..., 3] = np.sqrt(_share(matrix_KK))
    return colours


def _short(name: str, letters: int) -> str:
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def _spoken(matrix_KK: np.ndarray, class_names: Sequence[str]) -> str:
    wrong = matrix_KK * ~np.eye(len(matrix_KK), dtype=bool)
    text = f"Confusion matrix of {len(matrix_KK)} classes: {np.trace(matrix_KK)} of {matrix_KK.sum()} on the diagonal"
    if wrong.any():
        row, column = np.unravel_index(wrong.argmax(), wrong.shape)
        text += f"; most frequent mistake: {class_names[row]} called {class_names[column]}, {wrong.max()}"
    return f"{text}."
