"""The embedded data set: no network, no file to look for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from hubel.data.manifest import Manifest


def open_digits(folders: list[Path]) -> Manifest:
    """1,797 handwritten digits of 8x8 pixels in 17 greys, part of scikit-learn (Alpaydin, Kaynak 1998, Optdigits)."""
    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, :, :, None]  # N 8 8 1
    return Manifest(
        source="digits",
        kind="arrays",
        arrays=pixels,
        labels=bunch.target.astype(np.int64),
        class_names=tuple(str(name) for name in bunch.target_names),
        given_split=np.full(len(pixels), "", dtype="<U5"),
    )
