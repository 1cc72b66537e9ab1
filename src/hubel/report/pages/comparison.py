"""Several runs on one page: who is better and whether that is more than luck, numbers, curves, settings that differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hubel.evaluation import Comparison
from hubel.evaluation.comparison import TITLES, shown_columns, written_number
from hubel.evaluation.pairs import class_cells
from hubel.figures.bars import estimates
from hubel.figures.curves import curves
from hubel.figures.theme import Figure
from hubel.report.page import page

CURVES = {
    "val_accuracy": "Validation accuracy",
    "val_map": "Validation mAP",
    "val_iou": "Validation mean IoU",
    "val_recall": "Validation recall@1",
    "val_loss": "Validation loss",
    "train_loss": "Training loss",
}
SHARES = ("val_accuracy", "val_map", "val_iou", "val_recall")


def figures(comparison: Comparison, histories: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Figure]:
    """Test results with their intervals, and the curves of all runs on common axes.

    `histories`: run -> column (those of CURVES) -> one value an epoch.
    """
    main = comparison.kind.main
    found = {
        main: estimates(
            comparison.names,
            comparison.numbers[main],
            comparison.intervals[main],
            title=f"{TITLES[main]} of all pixels"
            if comparison.kind.complete
            else (f"Test {TITLES[main]}, with 95 % intervals"),
            share=comparison.kind.share,
        )
    }
    for column, title in CURVES.items():
        series = {run: list(history[column]) for run, history in histories.items() if column in history}
        series = {run: values for run, values in series.items() if any(map(math.isfinite, values))}
        if series:
            longest = max(map(len, series.values()))
            padded = {run: [*values, *[math.nan] * (longest - len(values))] for run, values in series.items()}
            found[column] = curves(padded, title=title, share=column in SHARES, width=460)
    return found


def render_comparison(
    comparison: Comparison,
    *,
    histories: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    settings: Sequence[tuple[str, Sequence[str]]] = (),
    findings: Sequence[str] = (),
    title: str = "",
) -> str:
    """The page as text, as safe and self-contained as a run's own report.

    `settings`: (name, one value a run) of those in which the runs differ. `findings` are sentences that stand first.
    """
    columns = shown_columns(comparison)
    return page(
        "comparison.html.j2",
        title=title or _listed(comparison.names),
        comparison=comparison,
        columns=[TITLES[column] for column in columns],
        rows=[
            (
                name,
                [(comparison.numbers[c][i], written_number(c, comparison.numbers[c][i])) for c in columns],
                comparison.samples[i],
            )
            for i, name in enumerate(comparison.names)
        ],
        classes=[
            (test, [(each, cells) for each, cells in zip(test.classes, class_cells(test), strict=True)])
            for test in comparison.by_class
        ],
        drawings=figures(comparison, histories or {}),
        settings=settings,
        findings=[*findings, *comparison.findings],
    )


def _listed(names: Sequence[str]) -> str:
    """Up to three names as a person lists them."""
    if len(names) > 3:
        return f"{names[0]}, {names[1]} and {len(names) - 2} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
