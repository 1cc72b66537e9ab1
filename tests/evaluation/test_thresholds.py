"""Thresholds for two classes, against brute force over all of them."""

from __future__ import annotations

import numpy as np
import pytest

from hubel.errors import DataError, UsageError
from hubel.evaluation.thresholds import Wish, count_at, fit_threshold, read_costs


def scores(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping probabilities, some of them equal, as calibrated nets give them."""
    random = np.random.default_rng(seed)
    positive = random.random(count) < 0.2
    shares = 1 / (1 + np.exp(-(1.5 * random.standard_normal(count) + np.where(positive, 1.0, -2.0))))
    return shares.round(2), positive


def every(shares: np.ndarray) -> np.ndarray:
    """One threshold in every gap."""
    known = np.unique(shares)
    return np.concatenate([[known[0] / 2], (known[1:] + known[:-1]) / 2, [(known[-1] + 1) / 2]])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_a_recall_gets_the_highest_threshold_that_has_it(seed: int, share: float) -> None:
    shares, positive = scores(seed)
    found = fit_threshold(shares, positive, Wish(recall=share))
    able = [value for value in every(shares) if (shares >= value)[positive].mean() >= share]
    assert count_at(shares, positive, found) == count_at(shares, positive, max(able))


@pytest.mark.parametrize("seed", range(4))
def test_a_precision_gets_the_lowest_threshold_that_has_it(seed: int) -> None:
    shares, positive = scores(seed)
    found = fit_threshold(shares, positive, Wish(precision=0.6))
    able = [v for v in every(shares) if (shares >= v).any() and positive[shares >= v].mean() >= 0.6]
    assert count_at(shares, positive, found) == count_at(shares, positive, min(able))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("costs", [[[0, 10], [1, 0]], [[0, 1], [5, 0]], [[-2, 3], [1, 0.5]]])
def test_costs_get_the_cheapest_threshold(seed: int, costs: list[list[float]]) -> None:
    shares, positive = scores(seed)
    table = np.array(costs, float)
    found = fit_threshold(shares, positive, Wish(cost=table))
    cheapest = min(count_at(shares, positive, value, table).cost for value in every(shares))
    assert count_at(shares, positive, found, table).cost == pytest.approx(cheapest)


def test_where_missing_costs_nearly_nothing_nothing_is_said_to_be_positive() -> None:
    shares, positive = scores(1)
    found = fit_threshold(shares, ~positive & (shares < 0.5), Wish(cost=np.array([[0, 0.001], [100, 0]])))
    assert not (shares >= found).any()


def test_a_precision_that_no_threshold_has_is_refused_with_the_best_there_is() -> None:
    shares = np.array([0.9] * 20 + [0.1] * 30)
    positive = np.array([True, False] * 25)
    with pytest.raises(DataError) as error:
        fit_threshold(shares, positive, Wish(precision=0.99))
    assert "the best is 50.0 %" in error.value.what
    assert "--precision 0.5" in error.value.hint


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish(), "got nothing"),
        (Wish(recall=0.9, precision=0.9), "--recall and --precision"),
        (Wish(recall=0.0), "above 0"),
        (Wish(precision=1.5), "at most 1"),
        (Wish(value=1.0), "above 0"),
        (Wish(cost=np.array([[0, 0], [1, 0]])), "must cost more"),
        (Wish(cost=np.array([[0, np.nan], [1, 0]])), "must cost more"),
    ],
)
def test_wishes_that_are_none_are_refused(wish: Wish, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        fit_threshold(*scores(0), wish)


def test_too_few_samples_of_a_class_fit_no_threshold() -> None:
    with pytest.raises(DataError, match="at least 10 validation samples of each class, got 3 and 27"):
        fit_threshold(np.linspace(0, 1, 30), np.arange(30) < 3, Wish(recall=0.9))


def test_costs_are_read_in_any_order_and_refused_for_other_classes() -> None:
    table = "true,dog,cat\ndog,0,5\ncat,1,0\n"
    assert read_costs(table, ("cat", "dog")).tolist() == [[0, 1], [5, 0]]
    for wrong, words in (("", "got rows none"), ("true,cat,fox\ncat,0,1\nfox,1,0", "fox"),
                         ("true,cat,dog\ncat,0,much\ndog,1,0", "a number in each place"),
                         ("true,cat,dog\ncat,0\ndog,1,0", "a number in each place")):  # fmt: skip
        with pytest.raises(DataError, match=words):
            read_costs(wrong, ("cat", "dog"))
