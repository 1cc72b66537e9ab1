"""Named pictures in a grid, each with its name underneath."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hubel.errors import DataError
from hubel.figures.images import to_hwc
from hubel.figures.theme import INK, Figure

GAP = 8
TEXT = 13


def gallery(pictures: Mapping[str, np.ndarray], *, title: str, columns: int = 4) -> Figure:
    """Name -> picture (C H W or H W C uint8, all of one size), as one PNG on white.

    >>> gallery({"a": np.zeros((8, 8, 3), np.uint8), "b": np.zeros((8, 8, 3), np.uint8)}, title="Two").alt
    'Two: a, b.'
    """
    if not pictures:
        raise DataError(
            f"the gallery {title!r} needs at least one picture, got none", hint="give one picture or more, uint8 H W C"
        )
    tiles = {name: Image.fromarray(to_hwc(picture)).convert("RGB") for name, picture in pictures.items()}
    width, height = next(iter(tiles.values())).size
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    step_x, step_y = width + GAP, height + TEXT + 2 * GAP
    board = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(TEXT)
    for place, (name, tile) in enumerate(tiles.items()):
        x, y = GAP + place % columns * step_x, GAP + place // columns * step_y
        board.paste(tile, (x, y))
        draw.text((x, y + height + 3), name, fill=INK, font=font)
    out = io.BytesIO()
    board.save(out, "PNG", optimize=True)
    return Figure(out.getvalue(), "png", title, f"{title}: {', '.join(pictures)}.", board.width, board.height)
