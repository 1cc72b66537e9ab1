"""The confusion matrix as a picture, for 2 to some hundreds of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb

from hubel.figures.theme import BLUE, INK, MUTED, VERMILLION, Figure, canvas, finish, label, style


def confusion(matrix_KK: np.ndarray, class_names: Sequence[str], *, title: str = "Confusion matrix") -> Figure:
    """Rows are true classes, columns predictions. Blue: right, orange: wrong; the deeper, the larger its share.

    Up to 20 classes the counts are written in; up to 50 the names, above that the numbers of the classes.

    >>> figure = confusion(np.array([[9, 1], [0, 10]]), ["cat", "dog"])
    >>> figure.alt
    'Confusion matrix of 2 classes: 19 of 20 on the diagonal; most frequent mistake: cat called dog, 1.'
    """
    return _drawn(matrix_KK, class_names, class_names, title, _spoken(matrix_KK, class_names))


def hardest(matrix_KK: np.ndarray, class_names: Sequence[str], *, classes: int = 15) -> Figure:
    """The part of a large confusion matrix with the most frequent mistakes; a last column counts the other answers.

    >>> hardest(np.array([[9, 1, 0], [3, 7, 0], [0, 0, 9]]), ["cat", "dog", "owl"], classes=2).caption
    'The 2 of 3 classes that are confused most.'
    """
    chosen = entangled(matrix_KK, classes)
    part = matrix_KK[np.ix_(chosen, chosen)]
    others = matrix_KK[chosen].sum(axis=1) - part.sum(axis=1)
    names = [class_names[k] for k in chosen]
    title = f"The {len(chosen)} of {len(matrix_KK)} classes that are confused most."
    alt = f"{title} {_spoken(part, names)}"
    return _drawn(np.column_stack([part, others]), names, [*names, "others"], title, alt)


def entangled(matrix_KK: np.ndarray, count: int) -> np.ndarray:
    """Sorted indices of `count` classes, collected from the most frequent mistakes downwards.

    >>> entangled(np.array([[9, 0, 0], [0, 9, 4], [0, 0, 9]]), 2).tolist()
    [1, 2]
    """
    wrong = matrix_KK * ~np.eye(len(matrix_KK), dtype=bool)
    # Pairs in the order of their mistakes; a stable sort takes equal ones in the order of the classes.
    pairs = np.stack(np.unravel_index(np.argsort(-wrong, axis=None, kind="stable"), wrong.shape), axis=1)
    in_order = dict.fromkeys(pairs.ravel().tolist())
    return np.array(sorted(list(in_order)[:count]), dtype=np.int64)


def _drawn(matrix: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str, alt: str) -> Figure:
    K, across = matrix.shape
    named, counted = K <= 50, K <= 20
    cell = 64 if K <= 4 else 36 if K <= 10 else 28 if counted else 15 if named else max(3, round(640 / K))
    down_names, across_names = ([label(name, 16) for name in names] for names in (rows, columns))
    longest = max(map(len, across_names), default=0)
    margin = (16 + 7 * longest) if named else 46
    with style():
        drawing = canvas(margin + cell * across + 12, margin + cell * K + 34)
        axes = drawing.add_subplot()
        axes.imshow(_colours(matrix), aspect="equal")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        if named:
            level = longest * 7 < cell
            axes.set_xticks(range(across), across_names, rotation=0 if level else 90, color=INK)
            axes.set_yticks(range(K), down_names, color=INK)
        if counted:
            shares = _share(matrix)
            size = 10 if K <= 4 else 8 if matrix.max() < 1000 else 7 if matrix.max() < 10_000 else 6
            for row, column in zip(*np.nonzero(matrix), strict=True):
                colour = "white" if shares[row, column] > 0.5 else INK
                text = f"{matrix[row, column]}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)
        return finish(drawing, caption=title, alt=alt)


def _share(matrix: np.ndarray) -> np.ndarray:
    support = matrix.sum(axis=1, keepdims=True)
    return np.divide(matrix, support, out=np.zeros(matrix.shape), where=support > 0)


def _colours(matrix: np.ndarray) -> np.ndarray:
    """Rows x columns x RGBA, transparent where nothing is, so that the page shows through in light and dark."""
    K = len(matrix)
    colours = np.empty((*matrix.shape, 4))
    colours[..., :3] = to_rgb(VERMILLION)
    colours[np.arange(K), np.arange(K), :3] = to_rgb(BLUE)
    colours[:, K:, :3] = to_rgb(MUTED)  # what is not shown one by one
    # The square root lets a few mistakes in a hundred be seen at all; in a large matrix without numbers, one in many.
    faintest = 0.0 if K <= 20 else 0.2
    shares = _share(matrix)
    colours[..., 3] = np.where(shares > 0, faintest + (1 - faintest) * np.sqrt(shares), 0)
    return colours


def _spoken(matrix_KK: np.ndarray, class_names: Sequence[str]) -> str:
    wrong = matrix_KK * ~np.eye(len(matrix_KK), dtype=bool)
    text = f"Confusion matrix of {len(matrix_KK)} classes: {np.trace(matrix_KK)} of {matrix_KK.sum()} on the diagonal"
    if wrong.any():
        row, column = np.unravel_index(wrong.argmax(), wrong.shape)
        text += f"; most frequent mistake: {class_names[int(row)]} called {class_names[int(column)]}, {wrong.max()}"
    return f"{text}."
