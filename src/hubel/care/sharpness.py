"""How sharp pictures are, without another to hold them against: their finest detail beside coarser detail of their own.

Pictures have about as much energy in each octave of detail (D. J. Field, J. Opt. Soc. Am. A 4, 1987), whatever they
show and however contrasty they are; a blur takes the finest octaves first, and with them nearly all of what they hold.
Few sharp edges on plain ground (bands, chequers) have less in fine octaves, since an edge fills fewer places there: so
energies are means of fourth powers, in which the strongest places count, and a step loses half an octave each time.

Letters: N pictures, H and W in pixels.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.ndimage import correlate1d

from hubel.data import sounds
from hubel.data.images import BadPicture, decode, read_bytes
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan
from hubel.data.workers import default_workers

LARGEST = 512
"""Pixels of the longer side at which pictures are looked at; larger ones are shrunk, none is enlarged."""
SHARP_SIDE = 32
"""Pixels of the shorter side from which blur can be told."""
BLUR = -2.8
"""Octaves of energy that the finest detail of a blurred picture is below coarser detail, where the set is sharp."""
SOFTER, SPREAD = 1.2, 2.0
"""How far below the median of a set of soft pictures a blurred one is at least: in octaves, and in deviations."""
_ROUNDING = 0.05
"""Energy that rounding to whole levels makes; below it nothing is detail."""
_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16
_FEWEST = 6
"""Pixels of a side below which there is no coarser octave."""
_BLOCK = 1024


def sharpness(grey: np.ndarray) -> np.ndarray:
    """How much finest detail pictures … H W (levels to 255) have, in octaves of energy; 0 is usual, less is soft.

    The finest octave of a Laplacian pyramid (P. Burt and E. Adelson, IEEE Trans. Commun. 31, 1983) against the stronger
    of the octaves two and three times coarser; NaN for pictures too small to have both.

    >>> from scipy.ndimage import gaussian_filter
    >>> noise = np.random.default_rng(0).normal(128, 1, (256, 256)).cumsum(0).cumsum(1) % 255
    >>> bool(sharpness(noise) > -2.8 > sharpness(gaussian_filter(noise, 2)))
    True
    """
    energy: list[np.ndarray] = []
    levels = np.asarray(grey, np.float32)
    while len(energy) < 4 and min(levels.shape[-2:]) >= _FEWEST:
        low = levels
        for axis in (-2, -1):
            low = correlate1d(low, _BINOMIAL, axis=axis, mode="mirror")
        energy.append(np.sqrt(np.square(np.square(levels - low)).mean(axis=(-2, -1))) + _ROUNDING)
        levels = low[..., ::2, ::2]
    if len(energy) < 3:
        return np.full(grey.shape[:-2], np.nan)
    return np.log2(energy[0] / np.max(energy[2:], axis=0))


def read_sharpness(scan: Scan, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """N: `sharpness` of each picture of a scan at its own size; NaN where it cannot be told: small ones, and sounds."""
    manifest, found = scan.manifest, np.full(len(scan.manifest), np.nan)
    if manifest.kind == "arrays":
        assert manifest.arrays is not None
        if min(manifest.arrays.shape[1:3]) >= SHARP_SIDE:
            for start in range(0, len(found), _BLOCK):
                found[start : start + _BLOCK] = sharpness(manifest.arrays[start : start + _BLOCK].mean(axis=3))
        return found
    rows = [
        row for row, look in enumerate(scan.looks)
        if min(look.width, look.height) >= SHARP_SIDE and look.format != sounds.FORMAT
    ]  # fmt: skip
    with ThreadPoolExecutor(default_workers(), thread_name_prefix="hubel-sharp") as threads:
        told = threads.map(lambda row: _of_file(manifest, row, scan.sides[row]), rows)
        for done, (row, value) in enumerate(zip(rows, told, strict=True), 1):
            found[row] = value
            if progress is not None:
                progress(done, len(rows))
    return found


def _of_file(manifest: Manifest, row: int, sides: np.ndarray) -> float:
    height, width = (int(side) for side in np.ceil(sides * min(1.0, LARGEST / sides.max())))
    try:
        data, _ = read_bytes(os.path.join(manifest.root, manifest.files[row]))
        pixels = decode(data, Preprocessing(height=height, width=width, channels=1, fit="squash"))[1]
    except BadPicture:  # changed since the scan, or of levels that no rule gives a range
        return float("nan")
    assert pixels is not None
    return float(sharpness(pixels[..., 0]))


def bound_of(sharp: np.ndarray) -> float:
    """The sharpness of a set N below which a picture of it counts as blurred; NaN where nothing is known of any.

    >>> round(bound_of(np.array([0.0, -0.5, 0.5])), 2), round(bound_of(np.array([-5.0, -5.2, -4.8])), 2)
    (-2.8, -6.2)
    """
    known = sharp[np.isfinite(sharp)]
    if not len(known):
        return float("nan")
    usual = float(np.median(known))
    if usual - SOFTER > BLUR:
        return BLUR
    return usual - max(SOFTER, SPREAD * 1.4826 * float(np.median(np.abs(known - usual))))
