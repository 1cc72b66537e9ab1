"""The page of `hubel ensemble`: several nets as one, beside the best single net."""

from __future__ import annotations

from pathlib import Path

from hubel.figures.bars import estimates
from hubel.figures.theme import Figure
from hubel.report.page import page
from hubel.searching.ensembles import Ensembled
from hubel.words import percent, short, span


def render_ensemble(found: Ensembled) -> str:
    """The page as text, self-contained."""
    return page(
        "ensemble.html.j2",
        title="Several nets as one",
        found=found,
        rows=[
            (one.split, name, f"{one.samples:,}", percent(one.accuracy), span(one.interval), f"{one.log_loss:.4f}",
             percent(one.ece))
            for pair in zip(found.together, found.single, strict=True)
            for name, one in zip(("together", "the best alone"), pair, strict=True)
        ],
        members=[
            (Path(each.run).name, percent(each.weight, 0), each.architecture, f"{each.params:,}", short(each.macs),
             percent(each.accuracy))
            for each in found.members
        ],
        drawing=draw(found),
        params=sum(each.params for each in found.members),
        macs=short(sum(each.macs for each in found.members)),
    )  # fmt: skip


def draw(found: Ensembled) -> Figure:
    """Accuracy of both with intervals, split by split."""
    pairs = [
        (f"{name}, {one.split}", one)
        for pair in zip(found.together, found.single, strict=True)
        for name, one in zip(("together", "alone"), pair, strict=True)
    ]
    return estimates(
        [name for name, _ in pairs], [one.accuracy for _, one in pairs], [one.interval for _, one in pairs],
        title="Accuracy", share=True,
    )  # fmt: skip
