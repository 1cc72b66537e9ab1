"""The page of simple methods: what each gets, the best on the test part, and the net beside it."""

from __future__ import annotations

import os

from hubel.classical.beside import Beside
from hubel.classical.results import Baseline
from hubel.evaluation import Evaluation
from hubel.figures.matrix import confusion
from hubel.figures.scatter import predicted_against_true
from hubel.report.page import page
from hubel.words import duration


def render_baseline(found: Baseline | Beside) -> str:
    """The page as text: self-contained, readable at the width of a phone."""
    together = found if isinstance(found, Beside) else None
    simple = found.simple if isinstance(found, Beside) else found
    test = simple.test
    drawing = (
        confusion(test.confusion, test.class_names)
        if isinstance(test, Evaluation)
        else predicted_against_true(test.predicted, test.targets)
    )
    rows = [
        (one, simple.written(one.score), simple.spanned(one), duration(one.seconds), one.score) for one in simple.tried
    ]
    numbers = [row for row in test.rows() if not isinstance(test, Evaluation) or row[0] in SHOWN]
    return page(
        "baseline.html.j2",
        title=os.path.basename(os.path.abspath(simple.source)) or simple.source,
        together=together,
        simple=simple,
        rows=rows,
        numbers=numbers,
        drawing=drawing,
        share=not simple.regression,
    )


SHOWN = ("accuracy", "top-5 accuracy", "balanced accuracy", "macro F1", "weighted F1", "AUC (one vs rest)")
"""What does not need probabilities, which not every simple method has."""
