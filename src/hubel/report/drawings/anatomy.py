"""Nets by their numbers, drawn."""

from __future__ import annotations

from collections.abc import Sequence

from hubel.anatomy.summary import CONVENTIONS, Summary
from hubel.figures import nets
from hubel.figures.theme import Figure


def draw_summary(table: Summary) -> Figure:
    """Memory, parameters and arithmetic layer by layer."""
    rows = [row for row in table.rows if not row.minor]
    factor = 2 if table.convention == "flop" else 1
    return nets.profile(
        [row.name for row in rows],
        [row.bytes / 1024 for row in rows],
        [row.params for row in rows],
        [row.macs * factor for row in rows],
        cost=CONVENTIONS[table.convention],
    )


def draw_summaries(tables: Sequence[Summary]) -> Figure:
    """Several nets as bubbles: cost against parameters, area by activation memory."""
    return nets.compared(
        [table.model for table in tables],
        [table.cost / table.batch for table in tables],
        [table.params for table in tables],
        [table.activation_bytes / table.batch for table in tables],
        cost=CONVENTIONS[tables[0].convention],
    )
