"""What the user did not say about preprocessing, chosen from the pictures themselves, the same way every time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from hubel.data.images import BadPicture, Look, open_picture, orientation, read_bytes
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import FITS, Preprocessing
from hubel.data.scan import GREY
from hubel.errors import UsageError

SAMPLE = 256
"""Headers read to choose by, evenly spread over the files."""
LARGEST = 128
"""The side chosen at most: what a small computer trains on in minutes."""
SQUARE = 1.1
"""Proportions up to this, longer side to shorter, pass as square."""


def choose_preprocessing(
    manifest: Manifest,
    *,
    img_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    fit: str = "auto",
    interpolation: str = "bilinear",
) -> Preprocessing:
    """A Preprocessing without statistics; what is None or "auto" is chosen.

    Size: the pictures' own where all have the same of at most 128 pixels a side, else the median of their shorter
    sides, rounded to a multiple of 32 and between 32 and 128. Channels: 1 where every picture seen is grey, else 3.
    Fit: "crop" where nearly nothing is cut off, else "pad", which loses nothing and distorts nothing.

    >>> from hubel.data.sources import open_source
    >>> choose_preprocessing(open_source("digits"))
    Preprocessing(height=8, width=8, channels=1, fit='crop', mean=(), std=(), interpolation='bilinear')
    """
    if fit not in (*FITS, "auto"):
        raise UsageError(f"fit must be one of auto, {', '.join(FITS)}, got {fit!r}")
    if manifest.kind == "points":
        raise UsageError(f"{manifest.source} holds points, not pictures: it needs no preprocessing")
    looks = list(_sample(manifest))
    if img_size is None:
        height, width = _size(looks)
    else:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    if channels is None:
        channels = 1 if looks and all(look.mode in GREY for look in looks) else 3
    if fit == "auto":
        wanted = width / height
        off = [max(look.width / look.height / wanted, wanted * look.height / look.width) for look in looks]
        fit = "crop" if not off or float(np.quantile(off, 0.9)) <= SQUARE else "pad"
    return Preprocessing(height=height, width=width, channels=channels, fit=fit, interpolation=interpolation)


def _sample(manifest: Manifest) -> Iterator[Look]:
    if manifest.arrays is not None:
        height, width, channels = manifest.arrays.shape[1:]
        yield Look(width, height, "L" if channels == 1 else "RGB", "in memory")
        return
    assert manifest.paths is not None
    for row in np.unique(np.linspace(0, len(manifest) - 1, min(SAMPLE, len(manifest))).astype(int)):
        try:
            data, _ = read_bytes(os.path.join(manifest.root, manifest.paths[row]))
            picture = open_picture(data)
        except BadPicture:  # the scan will name it
            continue
        size = picture.size
        turn = orientation(picture)
        if turn is not None and turn.name in ("TRANSPOSE", "TRANSVERSE", "ROTATE_90", "ROTATE_270"):
            size = size[::-1]
        yield Look(*size, picture.mode, picture.format or "")


def _size(looks: list[Look]) -> tuple[int, int]:
    if not looks:
        return LARGEST, LARGEST
    sizes = {(look.height, look.width) for look in looks}
    if len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST:
        return next(iter(sizes))
    side = float(np.median([min(look.width, look.height) for look in looks]))
    side = int(min(LARGEST, max(32, 32 * round(side / 32))))
    return side, side
