"""The page of `hubel ensemble`: several nets as one, beside the best single net."""

from __future__ import annotations

from pathlib import Path

from hubel.figures.bars import estimates
from hubel.figures.theme import Figure
from hubel.report.page import page
from hubel.searching.ensembles import WRITTEN, Ensembled, Measured
from hubel.words import percent, short


def render_ensemble(found: Ensembled) -> str:
    """The page as text, self-contained."""
    titles = list(found.together[0].told())
    return page(
        "ensemble.html.j2",
        title="Several nets as one",
        found=found,
        columns=[*titles[:1], "95 % interval", *titles[1:]],
        rows=[
            (one.split, name, f"{one.samples:,}", *_with_interval(one))
            for pair in zip(found.together, found.single, strict=True)
            for name, one in zip(("together", "the best alone"), pair, strict=True)
        ],
        members=[
            (Path(each.run).name, percent(each.weight, 0), each.architecture, f"{each.params:,}", short(each.macs),
             WRITTEN[found.measure][1](each.alone))
            for each in found.members
        ],
        drawing=draw(found),
        params=sum(each.params for each in found.members),
        macs=short(sum(each.macs for each in found.members)),
    )  # fmt: skip


def _with_interval(one: Measured) -> list[str]:
    first, *others = one.told().values()
    return [first, one.between, *others]


def draw(found: Ensembled) -> Figure:
    """The number that counts of both with intervals, split by split."""
    pairs = [
        (f"{name}, {one.split}", one)
        for pair in zip(found.together, found.single, strict=True)
        for name, one in zip(("together", "alone"), pair, strict=True)
    ]
    title, write = WRITTEN[found.measure]
    title = title.capitalize() if title.islower() else title
    return estimates(
        [name for name, _ in pairs], [one.numbers[found.measure] for _, one in pairs],
        [one.interval for _, one in pairs], title=title, share=write is percent,
    )  # fmt: skip
