"""A map of importance over its picture: colours that colour-blind readers can tell apart, and a legend under it.

Importance runs through matplotlib's "inferno" (bright is important; its lightness rises evenly), evidence for and
against through vermillion and blue, with nothing in between. The picture beneath is grey: colour always means the map.
"""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hubel.errors import DataError
from hubel.figures.images import to_hwc
from hubel.figures.theme import BLUE, INK, MUTED, VERMILLION, Figure, label

WIDTH = 336
"""Pixels of the drawing: fits a phone, and small pictures are enlarged to it."""
BAR, GAP, TEXT = 10, 6, 14


def overlay(image: np.ndarray, map_: np.ndarray, *, signed: bool, title: str = "", caption: str = "") -> Figure:
    """A map H W over an image of the same size (uint8, H W, C H W or H W C) with its legend, as a PNG on white.

    The colours are scaled to the 99th percentile of the map's absolute values, so that one pixel does not dim the rest.

    >>> figure = overlay(np.zeros((8, 8), np.uint8), np.eye(8), signed=False, title="grad-cam")
    >>> figure.kind, figure.width, figure.alt
    ('png', 336, 'grad-cam: brightest at row 0, column 0 of 8 x 8.')
    """
    pixels = to_hwc(image)
    if map_.shape != pixels.shape[:2] or not np.isfinite(map_).all():
        raise DataError(
            f"a finite map of {pixels.shape[:2]} is needed for this picture, got shape {map_.shape}",
            hint="the map is of another picture or size: make it of this one",
        )
    height, width = map_.shape
    high = max(1, round(WIDTH * height / width))
    heat = coloured(map_, signed=signed)
    grey = np.asarray(Image.fromarray(pixels).convert("L"), dtype=np.float64)[..., None] / 255
    strength = heat[..., 3:]
    blend = (0.25 + 0.75 * grey) * (1 - strength) + heat[..., :3] * strength * (0.75 + 0.25 * grey)
    picture = Image.fromarray((255 * np.clip(blend, 0, 1)).round().astype(np.uint8))
    scale = Image.Resampling.NEAREST if width * 3 <= WIDTH else Image.Resampling.BILINEAR
    top = TEXT + 2 * GAP if title else 0
    board = Image.new("RGB", (WIDTH, top + high + GAP + BAR + GAP + TEXT + GAP), "white")
    draw = ImageDraw.Draw(board)
    font = ImageFont.load_default(TEXT)
    if title:
        draw.text((0, GAP), label(title, 44), fill=INK, font=font)
    board.paste(picture.resize((WIDTH, high), scale), (0, top))
    _legend(board, top + high + GAP, signed)
    y, x = np.unravel_index(int(np.argmax(np.abs(map_) if signed else map_)), map_.shape)
    word = "strongest" if signed else "brightest"
    alt = f"{title or 'map'}: {word} at row {y}, column {x} of {height} x {width}."
    return Figure(_png(board), "png", caption, alt, board.width, board.height)


def coloured(map_: np.ndarray, *, signed: bool) -> np.ndarray:
    """H W 4 in [0, 1]: the colour of each value, and how strongly it covers the picture.

    >>> coloured(np.array([[-1.0, 0.0, 1.0]]), signed=True)[0, :, 3]
    array([0.9, 0. , 0.9])
    """
    limit = float(np.quantile(np.abs(map_), 0.99)) or float(np.abs(map_).max()) or 1.0
    value = np.clip(map_ / limit, -1, 1)
    if signed:
        ends = np.array([mpl.colors.to_rgb(BLUE), mpl.colors.to_rgb(VERMILLION)])
        colour = ends[(value > 0).astype(int)]
    else:
        value = np.maximum(value, 0)
        colour = mpl.colormaps["inferno"](0.3 + 0.7 * value)[..., :3]
    # Small importance stays clear of the picture; small evidence, which changes sign there, must still show.
    return np.concatenate([colour, 0.9 * np.abs(value)[..., None] ** (0.8 if signed else 1.2)], axis=-1)


def _legend(board: Image.Image, top: int, signed: bool) -> None:
    steps = np.linspace(-1 if signed else 0, 1, board.width)[None]
    heat = coloured(steps, signed=signed)
    strip = heat[..., :3] * heat[..., 3:] + (1 - heat[..., 3:])
    board.paste(Image.fromarray((255 * strip).round().astype(np.uint8)).resize((board.width, BAR)), (0, top))
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(TEXT - 2)
    words = ("against the class", "no say", "for the class") if signed else ("unimportant", "", "important")
    for word, x, anchor in zip(words, (0, board.width // 2, board.width), ("la", "ma", "ra"), strict=True):
        draw.text((x, top + BAR + GAP // 2), word, fill=MUTED, font=font, anchor=anchor)


def _png(board: Image.Image) -> bytes:
    out = io.BytesIO()
    board.save(out, "PNG")
    return out.getvalue()
