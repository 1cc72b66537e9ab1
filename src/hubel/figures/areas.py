"""Areas of classes over a picture: one colour a class, the first class (the ground) clear, and a legend."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from hubel.errors import DataError
from hubel.figures.images import to_hwc
from hubel.figures.theme import CYCLE, INK, MUTED, Figure, label

GAP, TEXT, COVER = 4, 12, 0.55
"""Pixels between pictures and of a letter; how much of a picture a colour covers."""
HEAVY = 150_000
"""Bytes from which on a drawing of photographs is a JPEG, a fifth of them."""
NOTHING = 255
"""What belongs to no class: grey."""


def colours(classes: int) -> np.ndarray:
    """K 3 bytes: the first is black and never shown, then those that every eye tells apart, then others.

    >>> colours(3).tolist()
    [[0, 0, 0], [0, 114, 178], [213, 94, 0]]
    """
    known = [(0.0, 0.0, 0.0), *map(to_rgb, CYCLE)]
    more = [colorsys.hsv_to_rgb((0.1 + 0.618 * k) % 1, 0.75, 0.85) for k in range(max(0, classes - len(known)))]
    return np.asarray(np.round(255 * np.array([*known, *more][:classes])), dtype=np.uint8)


def tinted(picture: np.ndarray, areas: np.ndarray, classes: int) -> np.ndarray:
    """H W 3 uint8: the picture (uint8, any layout) in grey, so that colour always means a class, with the areas H W.

    >>> tinted(np.zeros((1, 2), np.uint8), np.array([[0, 1]]), 2).tolist()
    [[[0, 0, 0], [0, 63, 98]]]
    """
    pixels = to_hwc(picture)
    if areas.shape != pixels.shape[:2]:
        raise DataError(
            f"areas must be {pixels.shape[:2]} as their picture, got {areas.shape}", hint="those of this picture"
        )
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float64)
    base = np.repeat(grey[..., None], 3, axis=2)
    wheel = np.vstack([colours(classes), np.full((256 - classes, 3), 128, np.uint8)])
    cover = np.where(areas == 0, 0.0, COVER)[..., None]
    return np.asarray((base * (1 - cover) + wheel[areas] * cover).round(), dtype=np.uint8)


def areas(
    rows: Sequence[tuple[str, Sequence[np.ndarray]]], class_names: Sequence[str], *, labels: Sequence[str] = (),
    side: int = 96, alt: str, caption: str = "",
) -> Figure:  # fmt: skip
    """Rows of pictures (a word for each row, H W 3 or H W uint8), a label a column, the legend of colours below.

    >>> areas([("seen", [np.zeros((8, 8), np.uint8)] * 3)], ["ground", "thing"], alt="three").kind
    'png'
    """
    if not rows or not rows[0][1]:
        raise DataError(f"there is nothing to show in {alt!r}", hint="give one picture or more")
    font = ImageFont.load_default(TEXT)
    margin = GAP + max(int(font.getlength(word)) for word, _ in rows) + 2 * GAP
    columns = max(len(pictures) for _, pictures in rows)
    below = TEXT + 2 * GAP if labels else 0
    legend = _legend(class_names, margin + columns * (side + GAP), font)
    board = Image.new(
        "RGB", (margin + columns * (side + GAP), len(rows) * (side + GAP) + below + legend.height + GAP), "white"
    )
    draw = ImageDraw.Draw(board)
    for line, (word, pictures) in enumerate(rows):
        top = line * (side + GAP)
        draw.text((GAP, top + side // 2), word, fill=MUTED, font=font, anchor="lm")
        for column, picture in enumerate(pictures):
            image = Image.fromarray(to_hwc(picture)).convert("RGB")
            scale = side / max(image.size)
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            small = max(image.size) * 2 <= side
            image = image.resize(size, Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR)
            left = margin + column * (side + GAP)
            board.paste(image, (left + (side - size[0]) // 2, top + (side - size[1]) // 2))
    for column, text in enumerate(labels):
        place = (margin + column * (side + GAP), len(rows) * (side + GAP))
        draw.text(place, label(text, side // 7), fill=MUTED, font=font)
    board.paste(legend, (0, board.height - legend.height))
    out = io.BytesIO()
    board.save(out, "PNG", optimize=True)
    if out.tell() <= HEAVY:
        return Figure(out.getvalue(), "png", caption, alt, board.width, board.height)
    out = io.BytesIO()
    board.save(out, "JPEG", quality=85)
    return Figure(out.getvalue(), "jpeg", caption, alt, board.width, board.height)


def _legend(names: Sequence[str], wide: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Image.Image:
    """The classes but the first, each after a patch of its colour, in as many lines as they need."""
    wheel, places, left, line = colours(len(names)), [], GAP, 0
    for number, name in enumerate(names):
        if number == 0:
            continue
        text = label(name, 24)
        need = TEXT + 2 * GAP + int(font.getlength(text)) + 2 * GAP
        if left + need > wide and left > GAP:
            left, line = GAP, line + 1
        places.append((left, line, text, tuple(wheel[number].tolist())))
        left += need
    step = TEXT + 2 * GAP
    board = Image.new("RGB", (wide, step * (line + 1) if places else 1), "white")
    draw = ImageDraw.Draw(board)
    for x, row, text, colour in places:
        draw.rectangle((x, row * step + GAP, x + TEXT, row * step + GAP + TEXT), fill=colour)
        draw.text((x + TEXT + 2 * GAP, row * step + GAP), text, fill=INK, font=font)
    return board
