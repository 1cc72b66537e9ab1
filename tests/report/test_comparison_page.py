from __future__ import annotations

import numpy as np
import pytest

from hubel.evaluation import Comparison, Evaluation, assess, assess_regression, compare
from hubel.report.pages.comparison import figures, render_comparison
from hubel.types import Predictions
from report.test_training import EVIL, Page

LABELS = np.arange(90) % 3


def run(wrong: int) -> Evaluation:
    answers = np.where(np.arange(90) < wrong, (LABELS + 1) % 3, LABELS)
    return assess(Predictions(4.0 * np.eye(3)[answers], LABELS, np.arange(90)), ["a", "b", "c"])


@pytest.fixture(scope="module")
def three() -> Comparison:
    return compare({"old": run(30), "new": run(3), EVIL: run(4)})


def test_the_page_says_who_is_better_and_shows_numbers_curves_and_differences(three: Comparison) -> None:
    page = Page(
        render_comparison(
            three,
            histories={"old": {"val_accuracy": [0.5, 0.6]}, "new": {"val_accuracy": [0.7, 0.8, 0.9]}},
            settings=[("lr", ("0.1", "0.2", EVIL))],
        )
    )
    for words in ("new is better than old", "cannot be told apart", "96.67 %", "What was done differently", "0.2"):
        assert words in page.text, words
    assert [tag for tag, _ in page.elements].count("svg") == 2
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert EVIL in "".join(page.words)


def test_runs_of_other_lengths_share_the_axes(three: Comparison) -> None:
    found = figures(three, {"old": {"val_loss": [1.0, 0.5]}, "new": {"val_loss": [1.0, 0.6, 0.3, 0.2]}})
    assert list(found) == ["top1", "val_loss"]
    assert found["val_loss"].alt == "Validation loss: old from 1 to 0.5; new from 1 to 0.2."


def test_regressors_get_their_own_columns() -> None:
    targets = np.linspace(0, 1, 30)
    both = {n: assess_regression(Predictions(targets + s, targets, np.arange(30))) for n, s in (("a", 0.1), ("b", 0.3))}
    page = Page(render_comparison(compare(both)))
    assert "rmse" in page.text
    assert "accuracy" not in page.text
    assert page.text.startswith("a and b")


def test_many_runs_have_a_short_title() -> None:
    many = compare({f"run-{i}": run(i) for i in range(6)})
    assert "run-0, run-1 and 4 more" in Page(render_comparison(many)).text
