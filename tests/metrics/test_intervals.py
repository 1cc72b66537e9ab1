from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hubel.metrics.classification import balanced_accuracy, confusion_matrix
from hubel.metrics.intervals import (
    bootstrap,
    bootstrap_confusion,
    mcnemar,
    mean_interval,
    paired_difference,
    percentiles,
    resampled_interval,
    wilson,
)
from hubel.metrics.several import mean_precision_interval


@settings(max_examples=500, deadline=None)
@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(case: tuple[int, int]) -> None:
    successes, trials = case
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == (
        pytest.approx(expected.low, abs=1e-12),
        pytest.approx(expected.high, abs=1e-12),
    )


def test_no_mistake_in_a_hundred_is_not_certainty() -> None:
    low, high = wilson(100, 100)
    assert (round(low, 3), high) == (0.963, 1.0)
    assert math.isnan(wilson(0, 0)[0])


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_exact_binomial_test(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)


def test_mcnemar_works_for_thousands() -> None:
    assert mcnemar(40_000, 40_000) == pytest.approx(1.0)
    assert 0 <= mcnemar(10_000, 40_000) < 1e-100


def test_the_bootstrap_of_a_mean_is_its_normal_interval() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    drawn = bootstrap(lambda rows: float(values[rows].mean()), 400, draws=2000)
    assert drawn == pytest.approx(mean_interval(values), abs=0.03)


def test_the_bootstrap_is_the_same_for_the_same_seed_only() -> None:
    values = np.arange(50.0)

    def interval(seed: int) -> tuple[float, float]:
        return bootstrap(lambda rows: float(values[rows].mean()), 50, seed=seed)

    assert interval(1) == interval(1) != interval(2)


def test_drawing_cells_of_the_confusion_matrix_is_drawing_samples() -> None:
    random = np.random.default_rng(0)
    labels = random.choice(4, 300, p=[0.6, 0.2, 0.15, 0.05])
    predicted = np.where(random.uniform(size=300) < 0.8, labels, random.integers(0, 4, 300))

    def recalls(right: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        recall = np.divide(right, support, out=np.zeros_like(right), where=support > 0)
        return (recall.sum(axis=1) / (support > 0).sum(axis=1))[:, None]

    (by_cells,) = bootstrap_confusion(recalls, confusion_matrix(labels, predicted, 4), draws=4000)
    by_samples = bootstrap(
        lambda rows: balanced_accuracy(confusion_matrix(labels[rows], predicted[rows], 4)), 300, draws=4000
    )
    assert by_cells == pytest.approx(by_samples, abs=0.006)


def test_the_drawn_matrices_keep_their_sums() -> None:
    confusion = np.array([[5, 0, 1], [0, 0, 0], [6, 0, 5]])

    def look(right: np.ndarray, support: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        np.testing.assert_array_equal(support.sum(axis=1), 17)
        np.testing.assert_array_equal(predicted.sum(axis=1), 17)
        assert (right <= np.minimum(support, predicted)).all()
        np.testing.assert_allclose(support.mean(axis=0), [6, 0, 11], atol=0.3)
        np.testing.assert_allclose(predicted.mean(axis=0), [11, 0, 6], atol=0.3)
        return right.sum(axis=1, keepdims=True)

    assert len(bootstrap_confusion(look, confusion)) == 1
    assert bootstrap_confusion(look, np.zeros((2, 2), dtype=int)) == []


def test_the_interval_of_a_difference_holds_zero_unless_there_is_one() -> None:
    low, high = paired_difference(10, 10, 1000)
    assert low < 0 < high
    assert paired_difference(60, 10, 1000)[0] > 0
    assert paired_difference(0, 0, 1000) == (0.0, 0.0)
    assert math.isnan(paired_difference(0, 0, 0)[0])


def test_an_interval_needs_two_values() -> None:
    assert math.isnan(mean_interval(np.array([1.0]))[0])
    assert math.isnan(bootstrap(lambda rows: 1.0, 0)[0])
    assert math.isnan(resampled_interval(np.array([1.0]))[0])
    assert math.isnan(percentiles(np.full(3, math.nan))[0])
    assert math.isnan(mean_precision_interval(np.ones((1, 2)), np.ones((1, 2)))[0])
