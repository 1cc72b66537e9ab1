"""A contact sheet: a row of pictures per class, as the net sees them, with the class's name beside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hubel.errors import DataError
from hubel.figures.images import to_hwc
from hubel.figures.theme import INK, MUTED, Figure
from hubel.words import plural

CELL = 64
"""Pixels a picture is enlarged to, at least: by a whole factor, so that every pixel stays a square."""
GAP = 4
TEXT = 14


def contact_sheet(rows: Mapping[str, Sequence[np.ndarray]], *, title: str) -> Figure:
    """Class name -> its pictures (C H W or H W C uint8, all of one size) as one PNG on white.

    >>> figure = contact_sheet({"dark": [np.zeros((1, 8, 8), np.uint8)] * 3, "none": []}, title="Squares")
    >>> figure.kind, figure.alt
    ('png', 'Squares: 3 pictures in 2 rows, one per class: dark, none.')
    """
    pictures = [to_hwc(picture) for row in rows.values() for picture in row]
    if not pictures:
        raise DataError(
            f"the contact sheet {title!r} needs at least one picture, got none",
            hint="give one picture or more, uint8 H W C",
        )
    height, width = pictures[0].shape[:2]
    factor = max(1, CELL // max(height, width))
    font = ImageFont.load_default(TEXT)
    names = {name: _shortened(name, 22) for name in rows}
    margin = 3 * GAP + max(int(font.getlength(text)) for text in names.values())
    longest = max(len(row) for row in rows.values())
    step_x, step_y = width * factor + GAP, max(height * factor, TEXT + 4) + GAP
    head = TEXT + 4 * GAP
    board = Image.new("RGB", (margin + longest * step_x + GAP, head + len(rows) * step_y), "white")
    draw = ImageDraw.Draw(board)
    draw.text((GAP * 2, GAP * 2), _shortened(title, board.width // 7), fill=INK, font=font)
    for line, (name, row) in enumerate(rows.items()):
        top = head + line * step_y
        draw.text((GAP * 2, top + (step_y - GAP) // 2), names[name], fill=INK if row else MUTED, font=font, anchor="lm")
        for column, picture in enumerate(row):
            large = (
                Image.fromarray(to_hwc(picture))
                .convert("RGB")
                .resize((width * factor, height * factor), Image.Resampling.NEAREST)
            )
            board.paste(large, (margin + column * step_x, top))
    out = io.BytesIO()
    board.save(out, "PNG", optimize=True)
    alt = (
        f"{title}: {plural(len(pictures), 'picture')} in {plural(len(rows), 'row')}, one per class: {', '.join(rows)}."
    )
    return Figure(out.getvalue(), "png", title, alt, board.width, board.height)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
