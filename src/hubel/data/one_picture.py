"""One picture as a set of points: a sample is a pixel, where it lies and what colour it has.

Coordinates are those of the pixels' centres, (y, x), the longer side from -1 to 1: a step is equally long in both
directions. Rows come line by line, as the eye reads.

Letters: H W height and width, C channels, N = H·W.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from hubel.data.choose import LARGEST, is_grey, used_levels
from hubel.data.images import READ, decode, read_bytes
from hubel.data.manifest import BadPicture, Manifest, printable
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DataError, UsageError

SIDE = 2 * LARGEST
"""The longer side that is chosen at most: 256 pixels, which a small net learns by heart in minutes."""
SMALLEST = 8
"""Pixels of a side below which there is nothing to learn."""


def open_picture(
    path: str | os.PathLike[str],
    *,
    img_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    fit: str | None = None,
    interpolation: str | None = None,
) -> Manifest:
    """The pixels of a picture file: `arrays` N 2 coordinates, `targets` N C bytes, all of them for training.

    As many pixels as `img_size` says (H W, or the longer side), else at most `SIDE` on the longer side.
    Raises UsageError for what is no such file, DataError for a file that is no whole picture.

    >>> open_picture("photos")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: the task field learns one picture, and there is no file 'photos'
      give a picture: hubel train photo.jpg --task field
    """
    name = os.fspath(path)
    try:
        there, folder = Path(name).expanduser().is_file(), Path(name).expanduser().is_dir()
    except (OSError, ValueError):
        there = folder = False
    if not there:
        what = f"{printable(name)!r} is a folder" if folder else f"there is no file {printable(name)!r}"
        raise UsageError(
            f"the task field learns one picture, and {what}",
            hint="give one of its pictures, or take --task reconstruct for all of them"
            if folder
            else "give a picture: hubel train photo.jpg --task field",
        )
    try:
        data, _ = read_bytes(str(Path(name).expanduser()))
        pixels = _pixels(data, img_size, channels, fit, interpolation)
    except BadPicture as bad:
        raise DataError(f"{printable(name)} cannot be read: {bad.reason}", hint=f"{READ} files are read") from None
    height, width, depth = pixels.shape
    if min(height, width) < SMALLEST:
        raise DataError(
            f"a picture must have at least {SMALLEST} pixels a side, got {height}x{width} of {printable(name)}",
            hint="--img-size 64, or another picture",
        )
    return Manifest(
        source=name,
        kind="points",
        arrays=grid(height, width),
        labels=np.zeros(height * width, np.float32),
        class_names=(),
        given_split=np.full(height * width, "train", dtype="<U5"),
        targets=np.ascontiguousarray(pixels.reshape(-1, depth)),
    )


def grid(height: int, width: int) -> np.ndarray:
    """N 2 float32: the centres of H W pixels, line by line.

    >>> grid(3, 5)[[0, 7, 14]].tolist()
    [[-0.5, -1.0], [0.0, 0.0], [0.5, 1.0]]
    """
    reach = max(height, width, 2) - 1
    y = (2 * np.arange(height) - (height - 1)) / reach
    x = (2 * np.arange(width) - (width - 1)) / reach
    return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)


def shape_of(points: np.ndarray) -> tuple[int, int]:
    """H and W of a picture whose `grid` that is.

    >>> shape_of(grid(3, 5))
    (3, 5)
    """
    width = int((points[:, 0] == points[0, 0]).sum())
    return len(points) // width, width


def _pixels(
    data: bytes, size: int | tuple[int, int] | None, channels: int | None, fit: str | None, interpolation: str | None
) -> np.ndarray:
    """H W C bytes."""
    look, _ = decode(data)
    height, width = size if isinstance(size, tuple) else _within(size, look.height, look.width)
    seen = Preprocessing(
        height=height, width=width, channels=channels or 3, fit=fit or "squash",
        interpolation=interpolation or "bilinear", levels=used_levels([look] if look.high else []),
    )  # fmt: skip
    _, pixels = decode(data, seen)
    assert pixels is not None
    if channels is None and is_grey(pixels):
        _, pixels = decode(data, replace(seen, channels=1))
        assert pixels is not None
    return pixels


def _within(side: int | None, height: int, width: int) -> tuple[int, int]:
    """H and W of a picture whose longer side has so many pixels; SIDE at most where nothing is said."""
    scale = min(1.0, SIDE / max(height, width)) if side is None else side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def size_from(text: str) -> tuple[int, int] | None:
    """H and W of words such as 640x480 (width first, as pictures are spoken of); None for other words.

    >>> size_from("640x480"), size_from("0.5,-1")
    ((480, 640), None)
    """
    wide, cross, high = text.strip().casefold().partition("x")
    if not (cross and wide.isdecimal() and high.isdecimal()):
        return None
    if not (1 <= int(wide) <= 4096 and 1 <= int(high) <= 4096):
        raise UsageError(f"a size must be from 1x1 to 4096x4096 pixels, got {text}", hint="for example 1024x1024")
    return int(high), int(wide)
