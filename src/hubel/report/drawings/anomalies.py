"""A picture beside where it is strange."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
from PIL import Image

from hubel.figures.images import to_hwc
from hubel.figures.theme import Figure

SIDE = 160
"""Pixels of the shorter side of each half; small pictures are enlarged to it."""


def draw_sighting(image: np.ndarray, map_: np.ndarray | None, mask: np.ndarray | None, *, name: str) -> Figure:
    """The picture C H W, and again with its map H W over it: 0 is clear, 1 (the threshold) red, 2 and above bright.

    The scale is that of the threshold in every picture, so that colours of two pictures mean the same. `mask` H W: its
    outline is drawn in white, where it is known where the picture is strange.

    >>> draw_sighting(np.zeros((1, 8, 8), np.uint8), np.eye(8), None, name="a.png").width
    324
    """
    pixels = to_hwc(image)
    grey = Image.fromarray(pixels).convert("RGB")
    factor = SIDE / min(grey.size)
    size = (max(1, round(grey.width * factor)), max(1, round(grey.height * factor)))
    small = min(grey.size) * 3 <= SIDE
    scale = Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
    plain = grey.resize(size, scale)
    if map_ is None:
        return _encoded(plain, f"{name}", small)
    value = np.clip(np.nan_to_num(map_) / 2, 0, 1)
    heat = mpl.colormaps["inferno"](0.25 + 0.7 * value)[..., :3]
    strength = (0.85 * np.clip((map_ - 0.35) / 0.65, 0, 1))[..., None]
    base = np.asarray(Image.fromarray(pixels).convert("L"), np.float64)[..., None] / 255
    blend = np.clip((0.25 + 0.75 * base) * (1 - strength) + heat * strength, 0, 1)
    over = Image.fromarray((255 * blend).round().astype(np.uint8)).resize(size, scale)
    if mask is not None and mask.any():
        inside = (
            np.asarray(Image.fromarray((255 * (mask > 0)).astype(np.uint8)).resize(size, Image.Resampling.NEAREST)) > 0
        )
        rim = inside & ~(
            np.roll(inside, 1, 0) & np.roll(inside, -1, 0) & np.roll(inside, 1, 1) & np.roll(inside, -1, 1)
        )
        drawn = np.array(over)
        drawn[rim] = 255
        over = Image.fromarray(drawn)
    board = Image.new("RGB", (2 * size[0] + 4, size[1]), "white")
    board.paste(plain, (0, 0))
    board.paste(over, (size[0] + 4, 0))
    y, x = np.unravel_index(int(np.argmax(map_)), map_.shape)
    return _encoded(board, f"{name}: strangest at row {y}, column {x} of {map_.shape[0]} x {map_.shape[1]}", small)


def _encoded(board: Image.Image, alt: str, small: bool) -> Figure:
    out = io.BytesIO()
    if small:
        board.save(out, "PNG", optimize=True)
    else:
        board.save(out, "JPEG", quality=82)
    return Figure(out.getvalue(), "png" if small else "jpeg", "", alt, board.width, board.height)
