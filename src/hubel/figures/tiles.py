"""Tiles: kernels, feature maps or patches side by side, each in its own grey scale or in colour, with short labels."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hubel.errors import DataError
from hubel.figures.theme import MUTED, Figure, label

GAP, TEXT = 4, 12


def tiles(
    parts: Sequence[np.ndarray],
    *,
    labels: Sequence[str] = (),
    side: int = 64,
    columns: int = 8,
    signed: bool = False,
    alt: str,
    caption: str = "",
) -> Figure:
    """Arrays H W or C H W (C of 1 or 3), floats of any range or bytes, as one PNG on white.

    Floats are stretched one by one: from their minimum to their maximum, or, `signed`, with zero as middle grey.

    >>> tiles([np.random.default_rng(0).normal(size=(3, 5, 5))] * 10, alt="ten kernels").width
    540
    """
    if not len(parts):
        raise DataError(f"there is nothing to show in {alt!r}", hint="give one array or more, H W or C H W")
    columns = min(columns, len(parts))
    below = TEXT + GAP if len(labels) else 0
    rows = -(-len(parts) // columns)
    board = Image.new("RGB", (columns * (side + GAP) - GAP, rows * (side + below + GAP) - GAP), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(TEXT)
    for index, part in enumerate(parts):
        picture = Image.fromarray(as_bytes(part, signed=signed)).convert("RGB")
        scale = side / max(picture.size)
        small = max(picture.size) * 2 <= side
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR)
        x, y = index % columns * (side + GAP), index // columns * (side + below + GAP)
        board.paste(picture, (x + (side - size[0]) // 2, y + (side - size[1]) // 2))
        if len(labels):
            draw.text((x, y + side), label(labels[index], side // 7), fill=MUTED, font=font)
    out = io.BytesIO()
    board.save(out, "PNG")
    return Figure(out.getvalue(), "png", caption, alt, board.width, board.height)


def as_bytes(part: np.ndarray, *, signed: bool = False) -> np.ndarray:
    """H W or H W 3 bytes.

    >>> as_bytes(np.array([[-1.0, 0.0, 3.0]])), as_bytes(np.array([[-1.0, 0.0, 1.0]]), signed=True)
    (array([[  0,  64, 255]], dtype=uint8), array([[  0, 128, 255]], dtype=uint8))
    """
    part = np.asarray(part)
    if part.ndim == 3:
        part = part[0] if part.shape[0] == 1 else part.transpose(1, 2, 0)
    if part.dtype == np.uint8:
        return part
    part = np.nan_to_num(part.astype(np.float64))
    if signed:
        limit = float(np.abs(part).max()) or 1.0
        low, span = -limit, 2 * limit
    else:
        low, span = float(part.min()), float(np.ptp(part)) or 1.0
    return np.asarray((255 * (part - low) / span).round().astype(np.uint8))
