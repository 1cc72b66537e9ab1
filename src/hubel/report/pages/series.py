"""The page of a series: the runs over folds or seeds, how far they spread, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hubel.evaluation import Evaluation, RegressionEvaluation
from hubel.evaluation.spread import Spread
from hubel.figures.bars import estimates
from hubel.metrics.intervals import wilson
from hubel.report.page import page
from hubel.words import MEASURES, duration, in_full, percent

MOST_CLASSES = 40
"""Classes that are listed, those with the lowest F1."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One run of a series, as the page shows it."""

    name: str
    told: str
    """Its fold or seed."""
    value: float
    """Accuracy, or what counts for the task."""
    chosen: float | None
    """The score on validation; None where there is none but the loss."""
    epochs: int
    seconds: float
    samples: Mapping[str, int]
    """By split."""


def render_series(
    title: str, data: str, spread: Spread, together: Evaluation | RegressionEvaluation | None, members: Sequence[Member]
) -> str:
    """The page as text, self-contained; links lead to the members' own reports."""
    measure, right = MEASURES[spread.metric], spread.metric == "accuracy"
    shares, written = measure.share, measure.written
    intervals = [
        wilson(round(each.value * each.samples["test"]), each.samples["test"]) if right else (each.value, each.value)
        for each in members
    ]
    low, high = (min(max(end, measure.ends[0]), measure.ends[1]) for end in spread.interval)
    tiles = [
        (measure.title, written(spread.mean), f"mean of {len(members)} {spread.kind}"),
        ("standard deviation", f"{100 * spread.deviation:.2f}" if shares else in_full(spread.deviation), "of the runs"),
        ("95 % interval", spread.between, "of the mean"),
        ("training", duration(sum(each.seconds for each in members)), "in all"),
    ]
    if together is not None:
        whole = together.top1 if isinstance(together, Evaluation) else together.rmse
        how = "each picture judged once" if spread.kind == "folds" else "the mean of their answers"
        tiles.insert(3, ("all together", written(whole), how))
    classes, confused = [], []
    if isinstance(together, Evaluation):
        table = together.per_class
        classes = [
            (together.class_names[k], [table.precision[k], table.recall[k], table.f1[k]], int(table.support[k]))
            for k in together.hardest(MOST_CLASSES)
        ]
        names = together.class_names
        confused = [(names[c.label], names[c.predicted], c.count) for c in together.most_confused[:10]]
    return page(
        "series.html.j2",
        title=title,
        data=data,
        spread=spread,
        measure=measure,
        right=right,
        tiles=tiles,
        drawing=estimates(
            [f"{each.name}" for each in members] + ["mean"],
            [*spread.values, spread.mean],
            [*intervals, (low, high)],
            title=f"Test {measure.title}{', with 95 % intervals' if right else ' of each run'}",
            share=shares,
        ),
        members=[(each, written(each.value)) for each in members],
        classes=[(name, [(value, percent(value, 1)) for value in numbers], count) for name, numbers, count in classes],
        confused=confused,
        together=together,
    )
