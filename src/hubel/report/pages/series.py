"""The page of a series: the runs over folds or seeds, how far they spread, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hubel.evaluation import Evaluation, RegressionEvaluation
from hubel.evaluation.spread import Spread
from hubel.figures.bars import estimates
from hubel.metrics.intervals import wilson
from hubel.report.page import page
from hubel.words import duration, percent, span

MOST_CLASSES = 40
"""Classes that are listed, those with the lowest F1."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One run of a series, as the page shows it."""

    name: str
    told: str
    """Its fold or seed."""
    value: float
    """Accuracy, or rmse."""
    chosen: float | None
    """Validation accuracy."""
    epochs: int
    seconds: float
    samples: Mapping[str, int]
    """By split."""


def render_series(
    title: str, data: str, spread: Spread, together: Evaluation | RegressionEvaluation, members: Sequence[Member]
) -> str:
    """The page as text, self-contained; links lead to the members' own reports."""
    shares = spread.metric == "accuracy"

    def written(value: float) -> str:
        return percent(value) if shares else f"{value:.4g}"

    intervals = [
        wilson(round(each.value * each.samples["test"]), each.samples["test"]) if shares else (each.value, each.value)
        for each in members
    ]
    low, high = spread.interval
    tiles = [
        (f"mean {spread.metric}", written(spread.mean), f"of {len(members)} {spread.kind}"),
        ("standard deviation", f"{100 * spread.deviation:.2f}" if shares else f"{spread.deviation:.3g}", "of the runs"),
        ("95 % interval", span((max(0.0, low), min(1.0, high))) if shares else f"{low:.4g}–{high:.4g}", "of the mean"),
        ("all together", written(together.top1 if isinstance(together, Evaluation) else together.rmse),
         "each picture judged once" if spread.kind == "folds" else "the mean of their answers"),
        ("training", duration(sum(each.seconds for each in members)), "in all"),
    ]  # fmt: skip
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
        tiles=tiles,
        drawing=estimates(
            [f"{each.name}" for each in members] + ["mean"],
            [*spread.values, spread.mean],
            [*intervals, (max(0.0, low), min(1.0, high)) if shares else (low, high)],
            title=f"Test {spread.metric}, with 95 % intervals",
            share=shares,
        ),
        members=[(each, written(each.value)) for each in members],
        classes=[(name, [(value, percent(value, 1)) for value in numbers], count) for name, numbers, count in classes],
        confused=confused,
        together=together,
    )
