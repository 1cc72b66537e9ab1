"""The page of `hubel ensemble`: several nets as one, beside the best single net."""

from __future__ import annotations

from hubel.figures.bars import estimates
from hubel.figures.theme import Figure
from hubel.report.drawings.tasks import parts_of
from hubel.report.page import page
from hubel.searching.ensembles import SHARES, WRITTEN, Ensembled, Measured
from hubel.words import percent, short

CLASSES = 30
"""That the table of classes shows."""


def render_ensemble(found: Ensembled, last: object = None, *, served: bool = True) -> str:
    """The page as text, self-contained. `last`: the evaluation of the whole on its last split, of which a task that is
    no label has more to show; `served`: does `hubel serve` take it?
    """
    titles = list(found.together[0].told())
    folder = str(found.folder)
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
            (each.name, percent(each.weight, 0), each.architecture, f"{each.params:,}", short(each.macs),
             *(" ".join([*one.told().values()][:1]) + f" ({one.between})" for one in each.measured))
            for each in found.members
        ],
        class_columns=_class_columns(found),
        classes=_classes(found),
        parts=parts_of(last),
        commands=[f"hubel predict {folder} PICTURES", f"hubel evaluate {folder}"]
        + ([f"hubel serve {folder}"] if served else []),
        drawing=draw(found),
        params=sum(each.params for each in found.members),
        macs=short(sum(each.macs for each in found.members)),
    )  # fmt: skip


def _class_columns(found: Ensembled) -> list[str]:
    classes = found.together[-1].classes
    first, *others = [WRITTEN[name][0] for name in classes[0].numbers] if classes else [""]
    return [first, "95 % interval", *others]


def _classes(found: Ensembled) -> list[tuple[str, ...]]:
    """(class, who, its numbers), of the whole and of each member, class by class."""
    nets = [("together", found.together[-1]), *((each.name, each.measured[-1]) for each in found.members)]
    return [
        (together.name, name, *net.classes[place].told())
        for place, together in enumerate(found.together[-1].classes[:CLASSES])
        for name, net in nets
    ]


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
        [one.interval for _, one in pairs], title=title, share=write in SHARES,
    )  # fmt: skip
