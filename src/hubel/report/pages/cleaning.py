"""The page of data care: suspected labels beside their nearest neighbours, twins, odd pictures, shortcuts."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from functools import cache

import numpy as np

from hubel.care.cleaning import Cleaning
from hubel.data.choose import used_levels
from hubel.data.images import BadPicture, decode, read_bytes
from hubel.data.places import resolved
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import SOURCES
from hubel.figures.images import picture
from hubel.figures.theme import Figure
from hubel.report.page import page

MOST = 200
"""Suspected labels, groups and odd pictures that are shown at most; all of them are in the JSON."""
SIDE = 128
"""Pixels of the longer side at which a picture is shown; a smaller one is not enlarged."""
GROUP = 12
"""Pictures of a group that are shown."""
SUSPECTS, TWINS, BURSTS, STRANGERS, ODD = 4_000_000, 1_500_000, 1_000_000, 750_000, 750_000
"""Bytes that the pictures of each section may take in the page, together 8 MB."""


def render_cleaning(found: Cleaning) -> str:
    """The page as text: self-contained, readable at the width of a phone."""
    manifest, check = found.manifest, found.labels

    @cache
    def drawn(row: int) -> Figure:
        return picture(thumbnail(found, row), alt=f"{found.name(row)}, {manifest.labelled_as(row)}")

    def shown(row: int) -> tuple[Figure, str, str]:
        return drawn(row), manifest.labelled_as(row), found.name(row)

    def fitting(wanted: Iterable[Iterable[int]], most: int) -> int:
        """How many of these, each with its pictures, fit into so many bytes; one at least."""
        taken = 0
        for number, rows in enumerate(wanted):
            taken += sum(len(drawn(row).data) * 4 // 3 for row in rows)
            if number and (taken > most or number == MOST):
                return number
        return MOST

    def together(rows: tuple[int, ...]) -> list[tuple[Figure, str, str]]:
        return [shown(row) for row in rows[:GROUP]]

    listed = check.suspects if check is not None else ()
    suspects = listed[: fitting(((one.row, *one.neighbours) for one in listed), SUSPECTS)]
    twins = found.twins[: fitting((group.rows[:GROUP] for group in found.twins), TWINS)]
    bursts = found.bursts[: fitting((burst.rows[:GROUP] for burst in found.bursts), BURSTS)]
    strangers = found.strangers[: fitting(([one.row] for one in found.strangers), STRANGERS)]
    oddities = found.oddities[: fitting(([one.row] for one in found.oddities), ODD)]
    words = [word for name in manifest.class_names for word in name.split()]
    return page(
        "clean.html.j2",
        editable=found.source not in SOURCES,
        title=os.path.basename(os.path.abspath(found.source)) or found.source,
        found=found,
        # A tile is as wide as the longest word of a class, so that no such word is broken; nobody calls a class longer.
        longest=min(24, max(map(len, words), default=1) + 1),
        suspects=[(drawn(one.row), one, [shown(row) for row in one.neighbours]) for one in suspects],
        pairs=check.pairs(manifest.class_names) if check is not None else [],
        groups=[(found.told(group), together(group.rows)) for group in twins],
        bursts=[(found.joined(burst), together(burst.rows)) for burst in bursts],
        strangers=[(drawn(one.row), one, manifest.labelled_as(one.row)) for one in strangers],
        oddities=[(drawn(one.row), one) for one in oddities],
        shortcuts=[(one, together(one.rows)) for one in found.warnings],
    )


def thumbnail(found: Cleaning, row: int) -> np.ndarray:
    """A picture as its file has it, H W 3 uint8, at most SIDE on its longer side and never enlarged.

    Where the file cannot be read any more it is the picture as it was compared, 32 x 32.
    """
    manifest = found.manifest
    if manifest.arrays is not None:
        height, width = manifest.arrays[row].shape[:2]
        return _fitted(height, width).array(manifest.arrays[row]).transpose(1, 2, 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = read_bytes(resolved(os.path.join(manifest.root, manifest.files[row])))[0]
            look, _ = decode(data)
            _, pixels = decode(data, _fitted(look.height, look.width, used_levels([look] if look.high else [])))
    except BadPicture:
        pixels = None
    return found.pictures[row].transpose(1, 2, 0) if pixels is None else pixels


def _fitted(height: int, width: int, levels: tuple[float, float] | None = None) -> Preprocessing:
    share = min(1.0, SIDE / max(height, width))
    return Preprocessing(
        height=max(1, round(share * height)), width=max(1, round(share * width)), channels=3, fit="squash",
        levels=levels,
    )  # fmt: skip
