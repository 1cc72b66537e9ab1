"""Histograms of oriented gradients, the one hand-made description of pictures that is still hard to beat without a net.

Letters: N pictures, C channels, H height, W width, F numbers a picture.
"""

from __future__ import annotations

import numpy as np


def hog(images: np.ndarray, *, cell: int = 4, bins: int = 9) -> np.ndarray:
    """Histograms of oriented gradients: which way edges run, cell by cell. N F.

    N. Dalal, B. Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005: unsigned angles in `bins` bins
    with linear sharing between neighbours, votes by strength, blocks of 2x2 cells scaled to length 1 (clipped at 0.2
    and scaled again). Of several channels the one with the strongest gradient counts. Pictures with less than four
    cells a side get smaller cells.

    >>> edge = np.zeros((1, 1, 8, 8)); edge[..., 4:] = 1.0  # dark left, bright right: a gradient to the right
    >>> hog(edge).shape, hog(edge).reshape(-1, 9).sum(axis=0).argmax()
    ((1, 324), np.int64(0))
    """
    values = images.astype(np.float32)
    count, _, height, width = values.shape
    cell = max(1, min(cell, height // 4, width // 4))
    dy = np.zeros_like(values)
    dx = np.zeros_like(values)
    dy[:, :, 1:-1] = values[:, :, 2:] - values[:, :, :-2]
    dx[:, :, :, 1:-1] = values[:, :, :, 2:] - values[:, :, :, :-2]
    strongest = np.hypot(dy, dx).argmax(axis=1)[:, None]  # N 1 H W
    dy, dx = (np.take_along_axis(d, strongest, axis=1)[:, 0] for d in (dy, dx))
    rows, columns = height // cell, width // cell
    strength = np.hypot(dy, dx)
    turn = (np.arctan2(dy, dx) % np.pi) * (bins / np.pi)  # 0 … bins: an edge has no direction, only an angle
    lower = np.floor(turn)
    share = turn - lower
    histogram = np.zeros((count, rows, columns, bins), dtype=np.float32)
    for number in range(bins):
        here = np.where(lower % bins == number, 1 - share, 0) + np.where((lower + 1) % bins == number, share, 0)
        votes = (here * strength)[:, : rows * cell, : columns * cell]
        histogram[..., number] = votes.reshape(count, rows, cell, columns, cell).sum(axis=(2, 4))
    blocks = np.concatenate(
        [histogram[:, y : rows - 1 + y, x : columns - 1 + x] for y in (0, 1) for x in (0, 1)], axis=-1
    )
    blocks = np.minimum(blocks / (np.linalg.norm(blocks, axis=-1, keepdims=True) + 1e-6), 0.2)
    blocks /= np.linalg.norm(blocks, axis=-1, keepdims=True) + 1e-6
    return blocks.reshape(count, -1)
