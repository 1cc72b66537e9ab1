"""The page of `hubel curve`: accuracy against the number of pictures, and which class to collect first."""

from __future__ import annotations

import math
import os

import numpy as np

from hubel.evaluation.growing import Curve
from hubel.report.drawings.growth import draw_growth
from hubel.report.page import page
from hubel.words import percent, span

MOST = 60
"""Classes that are listed; all of them are in curve.json."""


def render_curve(found: Curve) -> str:
    """The page as text, self-contained; one that can tell nothing says why."""
    shown = bool(found.accuracies)
    sizes = [
        (size, float(np.mean(values)), [percent(value) for value in values])
        for size, values in zip(found.sizes, found.accuracies, strict=False)
    ]
    return page(
        "curve.html.j2",
        title=os.path.basename(os.path.abspath(found.data)) or found.data,
        found=found,
        drawing=draw_growth(found) if shown and not math.isnan(found.fitted[0]) else None,
        sizes=[(size, mean, percent(mean), cells) for size, mean, cells in sizes],
        ranked=[percent(float(np.mean(values))) for values in found.mean_aps],
        seeds=len(found.accuracies[0]) if shown else 0,
        interval=span(found.interval),
        twice=percent(found.twice),
        classes=[
            (each, [(value, percent(value, 1)) for value in each.accuracy], f"{100 * each.gain:.2f}",
             f"{100 * each.interval[0]:.2f} to {100 * each.interval[1]:.2f}", percent(each.first, 0))
            for each in found.classes[:MOST]
        ],
        left=max(0, len(found.classes) - MOST),
    )  # fmt: skip
