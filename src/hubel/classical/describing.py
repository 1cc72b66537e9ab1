"""Pictures as rows of numbers without a net: pixels, histograms of gradients, histograms of colours.

Letters: N pictures, C channels, H height, W width, F numbers a picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hubel.nn.hog import hog

CELL = 8
"""Pixels a side of a cell of gradients, as published."""
LARGEST = 32
"""Sides above which pixels are averaged before they are taken as they are."""
BINS = 4
"""Steps of each colour."""
_AT_ONCE = 1 << 24
"""Pixels that are worked on at once: it bounds the memory, not the answer."""


def shrunken(images_NCHW: np.ndarray, largest: int = LARGEST) -> np.ndarray:
    """N C h w float32 of 0..1, the sides at most `largest`: means over whole blocks, what is left over is cut off.

    >>> shrunken(np.full((1, 1, 128, 96), 255, np.uint8)).shape
    (1, 1, 32, 24)
    """
    _, channels, height, width = images_NCHW.shape
    step = -(-max(height, width) // largest)
    high, wide = max(1, height // step), max(1, width // step)
    cut = images_NCHW[:, :, : high * step, : wide * step] if step > 1 else images_NCHW
    if step == 1:
        return cut.astype(np.float32) / 255
    blocks = cut.reshape(len(cut), channels, high, min(step, height), wide, min(step, width))
    return np.asarray(blocks.mean(axis=(3, 5), dtype=np.float32) / 255)


def pixels(images_NCHW: np.ndarray) -> np.ndarray:
    """N F: the pixels themselves, 0..1, of a large picture the means over blocks.

    >>> pixels(np.zeros((2, 3, 8, 8), np.uint8)).shape
    (2, 192)
    """
    small = shrunken(images_NCHW)
    return small.reshape(len(small), -1)


def gradients(images_NCHW: np.ndarray) -> np.ndarray:
    """N F: histograms of oriented gradients in cells of `CELL` pixels, fewer in pictures under four cells a side.

    Pictures above 128 pixels a side are averaged first.

    >>> gradients(np.zeros((1, 3, 32, 32), np.uint8)).shape
    (1, 324)
    """
    if max(images_NCHW.shape[2:]) > 128:
        images_NCHW = shrunken(images_NCHW, 128) * 255
    return np.asarray(hog(images_NCHW, cell=CELL), np.float32)


def colours(images_NCHW: np.ndarray) -> np.ndarray:
    """N F: which colours there are, and how often (Swain and Ballard 1991): shares over 4 x 4 x 4 steps of red, green
    and blue (of a grey picture, 16 steps), for the whole picture and for each of its quarters. Square roots of the
    shares, so that distances are those of Hellinger and rare colours count.

    >>> colours(np.zeros((1, 3, 8, 8), np.uint8))[0].nonzero()[0].tolist()
    [0, 64, 128, 192, 256]
    """
    count, channels, height, width = images_NCHW.shape
    if channels == 1:
        step, bins = images_NCHW[:, 0].astype(np.int64) // 16, 16
    else:
        steps = images_NCHW.astype(np.int64) // (256 // BINS)
        step, bins = (steps[:, 0] * BINS + steps[:, 1]) * BINS + steps[:, 2], BINS**3
    y, x = max(1, height // 2), max(1, width // 2)
    parts = [step, step[:, :y, :x], step[:, :y, x:], step[:, y:, :x], step[:, y:, x:]]
    found = []
    for part in parts:
        flat = part.reshape(count, -1)
        index = np.arange(count)[:, None] * bins + flat
        counted = np.bincount(index.reshape(-1), minlength=count * bins).reshape(count, bins)
        found.append(np.sqrt(counted / max(1, flat.shape[1])))
    return np.concatenate(found, axis=1).astype(np.float32)


def values(points_NF: np.ndarray) -> np.ndarray:
    """N F: numbers as they are."""
    return np.asarray(points_NF, dtype=np.float32).reshape(len(points_NF), -1)


DESCRIPTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pixels": pixels, "hog": gradients, "colours": colours, "numbers": values,
}  # fmt: skip
"""Name -> function of pictures N C H W uint8 (numbers: of points N F, signals N C T and volumes N D H W)."""


def fitting(images: np.ndarray) -> tuple[str, ...]:
    """The descriptions that fit what is there: of points, signals, volumes their numbers; of grey pictures no colours.

    >>> fitting(np.zeros((1, 3, 8, 8), np.uint8)), fitting(np.zeros((1, 1, 8, 8), np.uint8)), fitting(np.zeros((1, 4)))
    (('hog', 'pixels', 'colours'), ('hog', 'pixels'), ('numbers',))
    """
    if images.ndim < 4 or images.dtype != np.uint8:
        return ("numbers",)
    large = min(images.shape[2:]) >= 4
    return (*(("hog",) if large else ()), "pixels", *(("colours",) if images.shape[1] == 3 else ()))


def describe(name: str, images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows of the pictures as numbers, len(rows) F float32, a part of them at a time."""
    some = max(1, _AT_ONCE // max(1, int(np.prod(images.shape[1:]))))
    function = DESCRIPTIONS[name]
    parts = [function(np.asarray(images[rows[start : start + some]])) for start in range(0, len(rows), some)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
