"""The page of data care: suspected labels beside their nearest neighbours, twins, odd pictures, shortcuts."""

from __future__ import annotations

import os

from hubel.care.cleaning import Cleaning
from hubel.data.sources import SOURCES
from hubel.figures.images import picture
from hubel.figures.theme import Figure
from hubel.report.page import page

MOST = 200
"""Suspected labels, groups and odd pictures that are shown; all of them are in the JSON."""


def render_cleaning(found: Cleaning) -> str:
    """The page as text: self-contained, readable at the width of a phone."""
    manifest, check = found.manifest, found.labels

    def label(row: int) -> str:
        value = manifest.labels[row]
        return f"{value:g}" if manifest.regression else manifest.class_names[value]

    def drawn(row: int) -> Figure:
        return picture(found.pictures[row], alt=f"{found.name(row)}, {label(row)}")

    suspects = [
        (one.row, drawn(one.row), one, [(drawn(row), label(row)) for row in one.neighbours])
        for one in (check.suspects[:MOST] if check is not None else ())
    ]
    return page(
        "clean.html.j2",
        editable=found.source not in SOURCES,
        title=os.path.basename(os.path.abspath(found.source)) or found.source,
        found=found,
        suspects=suspects,
        pairs=check.pairs(manifest.class_names) if check is not None else [],
        groups=[(found.told(group), [drawn(row) for row in group.rows[:12]]) for group in found.twins[:MOST]],
        bursts=[(found.joined(burst), [drawn(row) for row in burst.rows[:12]]) for burst in found.bursts[:MOST]],
        strangers=[(drawn(one.row), one, label(one.row)) for one in found.strangers[:MOST]],
        oddities=[(drawn(one.row), one) for one in found.oddities[:MOST]],
        shortcuts=[(one, [(drawn(row), label(row)) for row in one.rows]) for one in found.warnings],
    )
