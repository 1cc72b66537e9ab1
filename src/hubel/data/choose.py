"""What the user did not say about preprocessing, chosen from the pictures themselves, the same way every time."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hubel.data.images import (
    BadPicture,
    Look,
    decode,
    mode_of,
    open_picture,
    orientation,
    pixel_limit,
    read_bytes,
)
from hubel.data.kinds import taken
from hubel.data.manifest import Manifest, Problem
from hubel.data.preprocessing import FITS, SOUNDS, Preprocessing
from hubel.data.scan import FINER, GREY, Scan
from hubel.data.sounds import BANDS
from hubel.errors import UsageError

SAMPLE = 256
"""Pictures looked at to choose by, evenly spread over the files."""
FINE = 64
"""Of those the pictures with more than 8 bits a sample that are decoded, to see which range they use."""
TINT = 8
"""Levels of 255 that the channels of a grey picture may be apart, as JPEG's rounding puts them."""
LARGEST = 128
"""The side chosen at most: what a small computer trains on in minutes."""
MAX_SIDE = 4096
"""The largest side that may be asked for."""
LONGEST = 256
"""Pixels in time that are chosen for sounds at most."""
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
    sides, rounded to a multiple of 32 and between 32 and 128. Channels: 1 where every picture seen is grey (by what is
    in it, whatever its file says), else 3. Fit: "crop" where nearly nothing is cut off, else "pad", which loses nothing
    and distorts nothing. Sounds keep their bands and get the median of their lengths, up to LONGEST; shorter and longer
    ones are stretched to it. Levels: where samples have more than 8 bits, the range that the set uses.

    >>> from hubel.data.sources import open_source
    >>> chosen = choose_preprocessing(open_source("digits"))
    >>> chosen.shape, chosen.fit, chosen.levels
    ((1, 8, 8), 'crop', None)
    """
    if fit not in (*FITS, "auto"):
        raise UsageError(
            f"fit must be one of auto, {', '.join(FITS)}, got {fit!r}", hint="auto pads where a crop would cut off much"
        )
    sides = () if img_size is None else (img_size, img_size) if isinstance(img_size, int) else img_size
    if not all(1 <= side <= MAX_SIDE for side in sides):
        raise UsageError(f"img_size must be between 1 and {MAX_SIDE:,} pixels, got {img_size}", hint="--img-size 128")
    if channels not in (None, 1, 3):
        raise UsageError(f"channels must be 1 (grey) or 3 (colour), got {channels}", hint="--channels 3")
    if manifest.kind == "points":
        raise UsageError(
            f"{manifest.source} holds points, not pictures: it needs no preprocessing",
            hint="leave out what is said about pictures: size, channels, fit",
        )
    seen = _arrays_seen(manifest) if manifest.arrays is not None else _files_seen(manifest, colours=channels is None)
    looks = seen.looks
    if img_size is None:
        height, width = _size(looks)
    else:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    if channels is None:
        channels = 1 if looks and seen.grey else 3
    if fit == "auto" and taken(looks) == SOUNDS:
        fit = "squash"
    if fit == "auto":
        wanted = width / height
        off = [max(look.width / look.height / wanted, wanted * look.height / look.width) for look in looks]
        fit = "crop" if not off or float(np.quantile(off, 0.9)) <= SQUARE else "pad"
    return Preprocessing(
        height=height, width=width, channels=channels, fit=fit, interpolation=interpolation,
        levels=used_levels([look for look in looks if look.low or look.high]), takes=taken(looks),
    )  # fmt: skip


@dataclass(frozen=True)
class _Seen:
    looks: list[Look]
    grey: bool
    """Whether no picture has colour in it."""


def _rows(manifest: Manifest) -> list[int]:
    rows = np.unique(np.linspace(0, len(manifest) - 1, min(SAMPLE, len(manifest))).astype(int)).tolist()
    # In four sweeps, so that the first ones taken are spread over the set as well.
    return [row for start in range(4) for row in rows[start::4]]


def _arrays_seen(manifest: Manifest) -> _Seen:
    assert manifest.arrays is not None
    height, width, channels = manifest.arrays.shape[1:]
    grey = channels == 1 or all(is_grey(manifest.arrays[row]) for row in _rows(manifest))
    return _Seen([Look(width, height, "L" if channels == 1 else "RGB", "in memory")], grey)


def _files_seen(manifest: Manifest, *, colours: bool) -> _Seen:
    assert manifest.paths is not None
    looks: list[Look] = []
    grey, fine, most = True, 0, pixel_limit()
    for row in _rows(manifest):
        try:
            data, _ = read_bytes(os.path.join(manifest.root, manifest.files[row]))
            look = _header(data, most)
            if look.mode in FINER and fine < FINE:
                look, _ = decode(data)
                fine += 1
            if colours and grey and look.mode not in GREY:
                height, width = min(look.height, LARGEST), min(look.width, LARGEST)
                levels = used_levels([look]) if look.high else None
                small = Preprocessing(height=height, width=width, fit="squash", levels=levels)
                _, pixels = decode(data, small)
                grey = pixels is None or is_grey(pixels)
        except BadPicture:  # the scan will name it
            continue
        looks.append(look)
    return _Seen(looks, grey)


def _header(data: bytes, most: int) -> Look:
    picture = open_picture(data, most)
    size = picture.size
    turn = orientation(picture)
    if turn is not None and turn.name in ("TRANSPOSE", "TRANSVERSE", "ROTATE_90", "ROTATE_270"):
        size = size[::-1]
    return Look(*size, mode_of(picture), picture.format or "")


def is_grey(pixels: np.ndarray) -> bool:
    """Whether H W C bytes show no colour: their channels are nowhere more than TINT apart.

    >>> is_grey(np.full((2, 2, 3), 90, np.uint8)), is_grey(np.full((2, 2, 3), (90, 90, 120), np.uint8))
    (True, False)
    """
    return int((pixels.max(axis=2).astype(np.int16) - pixels.min(axis=2)).max(initial=0)) <= TINT


def used_levels(looks: Sequence[Look]) -> tuple[float, float] | None:
    """The range of samples that pictures with more than 8 bits use; None where it is what their format says.

    Whole numbers use 0 to 2ⁿ − 1, the smallest n that holds all of them, so that a sample of a set finds what the set
    has; floating point within 0..255 uses that, any other the values it has.

    >>> used_levels([Look(8, 8, "I;16", "PNG", 3, 900), Look(8, 8, "I;16", "PNG", 0, 3210)])
    (0.0, 4095.0)
    >>> used_levels([Look(8, 8, "F", "TIFF", 0.1, 0.7)])
    """
    if not looks:
        return None
    low, high = min(look.low for look in looks), max(look.high for look in looks)
    if any(look.mode == "F" for look in looks):
        if low >= 0:
            return None if high <= 1 else (0.0, 255.0) if high <= 255 else (0.0, high)
        return (low, high) if high > low else None
    bottom = 0.0 if low >= 0 else -float(2 ** math.ceil(math.log2(-low)))
    top = float(2 ** max(1, math.ceil(math.log2(high + 1))) - 1) if high > 0 else 0.0
    return None if (bottom, top) == (0.0, 65535.0) or top <= bottom else (bottom, top)


def tell_levels(levels: tuple[float, float] | None, modes: Iterable[str]) -> str:
    """What becomes black and white in pictures of these modes, in words; "" where no sample has more than 8 bits.

    >>> tell_levels((0.0, 4095.0), ["I;16"])
    '12 of 16 bits used: 0 is black and 4095 white, in every picture'
    """
    fine = FINER & set(modes)
    if not fine:
        return ""
    low, high = levels or _of_format("F" if fine == {"F"} else "")
    bits = math.log2(high + 1) if low == 0 else 0.5
    said = f"{bits:g} of {32 if 'I' in fine else 16} bits used: " if "F" not in fine and bits.is_integer() else ""
    return f"{said}{low:g} is black and {high:g} white, in every picture"


def _of_format(mode: str) -> tuple[float, float]:
    return (0.0, 1.0) if mode == "F" else (0.0, 65535.0)


def check_levels(scan: Scan, levels: tuple[float, float] | None) -> Scan:
    """The scan with a remark for each usable picture that has samples beyond `levels` (None: what its format says)."""
    found = []
    for row, look in enumerate(scan.looks):
        if not (look.low or look.high):
            continue
        low, high = levels or _of_format(look.mode)
        if not low <= look.low <= look.high <= high:
            reason = f"samples from {look.low:g} to {look.high:g}: those beyond {low:g} to {high:g} are cut off"
            found.append(Problem(scan.manifest.name(row), "beyond levels", reason, left_out=False))
    return replace(scan, problems=(*scan.problems, *found)) if found else scan


def _size(looks: list[Look]) -> tuple[int, int]:
    if not looks:
        return LARGEST, LARGEST
    sizes = {(look.height, look.width) for look in looks}
    if len(sizes) == 1 and max(next(iter(sizes))) <= LARGEST:
        return next(iter(sizes))
    if taken(looks) == SOUNDS:
        return BANDS, int(min(LONGEST, max(8, np.median([look.width for look in looks]))))
    side = float(np.median([min(look.width, look.height) for look in looks]))
    side = int(min(LARGEST, max(32, 32 * round(side / 32))))
    return side, side
