"""Pictures from arrays: one image, or a sheet of many. Images are uint8, H W, C H W or H W C with C = 1 or 3."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hubel.errors import DataError
from hubel.figures.theme import Figure


def to_hwc(image: np.ndarray) -> np.ndarray:
    """H W or H W 3, uint8, from any of the accepted layouts.

    >>> to_hwc(np.zeros((3, 4, 5), dtype=np.uint8)).shape, to_hwc(np.zeros((1, 4, 5), dtype=np.uint8)).shape
    ((4, 5, 3), (4, 5))
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] not in (1, 3):
        image = image.transpose(1, 2, 0)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise DataError(
            f"an image must be uint8 of shape H W, C H W or H W C, got {image.dtype} {image.shape}",
            hint="from floats in 0..1: (255 * image).astype(np.uint8)",
        )
    return image


def picture(image: np.ndarray, *, alt: str, caption: str = "") -> Figure:
    """One image as a file: PNG while it is small, where every pixel counts, else JPEG, which is ten times smaller.

    >>> picture(np.zeros((8, 8), dtype=np.uint8), alt="black").kind
    'png'
    """
    pixels = to_hwc(image)
    height, width = pixels.shape[:2]
    kind = "png" if max(height, width) <= 48 else "jpeg"
    return Figure(_encode(pixels, kind), kind, caption, alt, width, height)


def sheet(images: Sequence[np.ndarray], *, columns: int = 12, alt: str, caption: str = "", gap: int = 2) -> Figure:
    """Images of any sizes side by side on one transparent sheet, each in a cell of the largest size.

    >>> figure = sheet([np.zeros((8, 8), dtype=np.uint8)] * 5, columns=3, alt="five black squares")
    >>> figure.kind, figure.width, figure.height
    ('png', 28, 18)
    """
    cells = [to_hwc(image) for image in images]
    if not cells:
        raise DataError(
            f"the sheet {alt!r} needs at least one image, got none", hint="give one image or more, uint8 H W C"
        )
    high, wide = max(c.shape[0] for c in cells), max(c.shape[1] for c in cells)
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    board = np.zeros((rows * (high + gap) - gap, columns * (wide + gap) - gap, 4), dtype=np.uint8)
    for index, cell in enumerate(cells):
        height, width = cell.shape[:2]
        top = (index // columns) * (high + gap) + (high - height) // 2
        left = (index % columns) * (wide + gap) + (wide - width) // 2
        board[top : top + height, left : left + width, :3] = cell if cell.ndim == 3 else cell[..., None]
        board[top : top + height, left : left + width, 3] = 255
    return Figure(_encode(board, "png"), "png", caption, alt, board.shape[1], board.shape[0])


def _encode(pixels: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    options = {"quality": 88} if kind == "jpeg" else {"compress_level": 6}
    Image.fromarray(pixels).save(out, format=kind, **options)
    return out.getvalue()
