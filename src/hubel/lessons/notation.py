"""Numbers, tables and kernels as they are typed."""

from __future__ import annotations

import re
from math import isfinite

import numpy as np

from hubel.errors import UsageError, unknown
from hubel.nn.kernels import KERNELS

NICKNAMES = {"edge": "edge-vertical", "blur": "box-blur", "gaussian": "gaussian-blur", "sobel": "sobel-x"}
"""Short names of kernels."""


def matrix(text: str, seed: int = 0) -> np.ndarray:
    """A table of numbers: "1 2 / 3 4" row by row, or "6x6" for digits drawn from a seed.

    >>> matrix("1 2 / 3 4").tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    >>> matrix("2x3", seed=1).shape
    (2, 3)
    """
    size = re.fullmatch(r"\s*(\d{1,3})\s*[x×]\s*(\d{1,3})\s*", text)
    if size:
        rows, columns = int(size[1]), int(size[2])
        if not 1 <= rows * columns <= 4096:
            raise UsageError(
                f"a small image must have 1 to 4,096 pixels, got {text}",
                hint="6x6 is usual; or write the rows: '1 2 3 / 4 5 6'",
            )
        return np.random.default_rng(seed).integers(0, 10, (rows, columns)).astype(np.float64)
    rows_of = [vector(row) for row in re.split(r"[/;]", text)]
    if len({len(row) for row in rows_of}) != 1:
        raise UsageError(f"all rows must be equally long, got {text!r}", hint="write rows like '1 2 3 / 4 5 6'")
    return np.array(rows_of)


def vector(text: str) -> list[float]:
    """Numbers with blanks or commas between them.

    >>> vector("5, 2 1")
    [5.0, 2.0, 1.0]
    """
    try:
        found = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        found = []
    if not found or not all(map(isfinite, found)):
        raise UsageError(f"these must be numbers: {text!r}", hint="for example '5 2 1'")
    return found


def kernel(text: str) -> np.ndarray:
    """A kernel by name (edge, sharpen, gaussian, …) or as rows of numbers.

    >>> kernel("sharpen").tolist()
    [[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]
    """
    name = NICKNAMES.get(text, text)
    if name in KERNELS:
        return KERNELS[name].weights
    if any(c.isalpha() for c in text):
        raise unknown("kernel", text, [*KERNELS, *NICKNAMES], listing="hubel components kernels")
    return matrix(text)
