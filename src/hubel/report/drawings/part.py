"""A part of a report's page: a heading, a text, drawings and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hubel.figures.theme import Figure


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the page."""

    title: str
    text: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """By name, as they are saved beside the page."""
    head: Sequence[str] = ()
    """Of the table, the first column to the left."""
    rows: Sequence[Sequence[str]] = ()
