"""Windows as pictures: the input with its window, the kernel, the products and the output, as grids of numbers."""

from __future__ import annotations

from html import escape

import numpy as np

from hubel.figures.theme import BLUE, INK, MUTED, VERMILLION, Figure

_CELL = 34
Mark = tuple[tuple[int, int], tuple[int, int], str]


def window(
    input_HW: np.ndarray,
    corner: tuple[int, int],
    size: tuple[int, int],
    output_HW: np.ndarray,
    place: tuple[int, int],
    *,
    weights: np.ndarray | None = None,
    padding: int = 0,
    text: str = "",
    title: str = "",
) -> Figure:
    """One step of a sliding window: `corner` is the window's first cell in the padded input, `place` the output's cell.

    >>> drawn = window(np.eye(4), (0, 0), (3, 3), np.zeros((2, 2)), (0, 0), weights=np.ones((3, 3)), text="3")
    >>> drawn.kind, drawn.width > 300
    ('svg', True)
    """
    grids: list[tuple[str, np.ndarray, Mark | None, int]] = [("input", input_HW, (corner, size, VERMILLION), padding)]
    if weights is not None:
        grids.append(("kernel", weights, None, 0))
        values = input_HW[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
        grids.append(("products", values * weights, None, 0))
    grids.append(("output", output_HW, (place, (1, 1), BLUE), 0))
    x, parts = 16, []
    height = max(len(array) for _, array, _, _ in grids) * _CELL + 80
    for name, array, mark, border in grids:
        parts.append(f'<text x="{x}" y="20" fill="{MUTED}">{name} {array.shape[0]}x{array.shape[1]}</text>')
        parts.append(_grid(array, x, 28, mark, border))
        x += array.shape[1] * _CELL + 28
    width = max(x, 16 + 7 * len(text))
    parts.append(f'<text x="16" y="{height - 18}" fill="{INK}">{escape(text)}</text>')
    data = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="DejaVu Sans, sans-serif" font-size="12"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )
    return Figure(
        data.encode(), "svg", title or "One step of a sliding window.", f"{title} {text}".strip(), width, height
    )


def _grid(array: np.ndarray, x: int, y: int, mark: Mark | None, border: int) -> str:
    rows, columns = array.shape
    parts = []
    for i in range(rows):
        for j in range(columns):
            outside = border and not (border <= i < rows - border and border <= j < columns - border)
            left, top = x + j * _CELL, y + i * _CELL
            colour = MUTED if outside else INK
            dash = ' stroke-dasharray="2 2"' if outside else ""
            parts.append(
                f'<rect x="{left}" y="{top}" width="{_CELL}" height="{_CELL}" fill="none" stroke="{MUTED}" '
                f'stroke-width="0.6"{dash}/>'
                f'<text x="{left + _CELL / 2}" y="{top + _CELL / 2 + 4}" text-anchor="middle" font-size="11" '
                f'fill="{colour}">{_short(float(array[i, j]))}</text>'
            )
    if mark:
        (row, column), (high, wide), colour = mark
        parts.append(
            f'<rect x="{x + column * _CELL}" y="{y + row * _CELL}" width="{wide * _CELL}" height="{high * _CELL}" '
            f'fill="{colour}" fill-opacity="0.15" stroke="{colour}" stroke-width="2"/>'
        )
    return "".join(parts)


def _short(number: float) -> str:
    if not np.isfinite(number):
        return ""
    # Adding zero turns -0 into 0.
    return f"{number + 0.0:.0f}" if number == int(number) else f"{number:.3g}"
