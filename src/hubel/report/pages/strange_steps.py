"""The page of strange steps: the strangest series first, each with its scores along its steps; methods side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hubel.anomalies.step_results import StepAnomalies
from hubel.anomalies.steps import STEP_METHODS
from hubel.figures.curves import curves
from hubel.figures.theme import Figure
from hubel.report.page import page
from hubel.words import duration, number, percent

MOST = 12
"""Series that are drawn; all of them are in scores.csv."""
LONGEST = 2_000
"""Steps of a series that are drawn: those around the strangest one."""


def render_steps(found: StepAnomalies) -> str:
    """The page as text: self-contained, readable at the width of a phone."""
    order = sorted(range(len(found.judged)), key=lambda k: -found.judged[k].worst)
    return page(
        "strange_steps.html.j2",
        title=found.name,
        found=found,
        methods=[
            {
                "title": STEP_METHODS[one.method].title, "formula": STEP_METHODS[one.method].formula,
                "auroc": number(one.auroc),
                "caught": percent(one.caught, 1), "false": percent(one.false, 1), "learnt": duration(one.seconds),
            }
            for one in found.methods
        ],
        worst=[
            {"series": found.judged[k], "drawing": draw_scores(found.judged[k].scores, found.judged[k].name)}
            for k in order[:MOST]
        ],
        left=max(0, len(order) - MOST),
    )  # fmt: skip


def draw_scores(scores: Mapping[str, np.ndarray], name: str) -> Figure:
    """Scores of the first two methods along the steps of a series, cut at three thresholds, beside the threshold."""
    first = np.nan_to_num(next(iter(scores.values())))
    start = max(0, min(int(first.argmax()) - LONGEST // 2, len(first) - LONGEST))
    part = slice(start, start + LONGEST)
    lines = {STEP_METHODS[method].title: np.minimum(np.nan_to_num(each[part]), 3.0).tolist() for method, each in
             list(scores.items())[:2]}  # fmt: skip
    lines["threshold"] = [1.0] * len(first[part])
    return curves(
        lines, title=f"How strange each step of {name} is", x_label=f"step from {start + 1:,}", steep=False, width=640
    )
