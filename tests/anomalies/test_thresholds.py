"""The threshold comes from normal pictures alone, and keeps what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from hubel.anomalies.thresholds import held_out, threshold
from hubel.errors import UsageError


def test_so_many_new_normal_pictures_pass_as_is_said() -> None:
    """Over many drawn sets the mean rate is the stated one, and 95 of 100 true rates lie in the interval."""
    rng = np.random.default_rng(0)
    rates, inside = [], []
    for _ in range(2_000):
        found = threshold(rng.uniform(size=80), 0.05)
        true = 1 - found.score  # of uniform scores the rate is known
        rates.append(true)
        inside.append(found.interval[0] <= true <= found.interval[1])
    assert np.mean(rates) == pytest.approx(found.rate, abs=0.002)
    assert found.rate <= 0.05
    assert np.mean(inside) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("shape", [np.exp, lambda x: x**3, lambda x: -1 / x])
def test_the_scale_of_the_scores_does_not_matter(shape: object) -> None:
    scores = np.random.default_rng(1).uniform(1, 2, 150)
    plain, other = threshold(scores, 0.02), threshold(shape(scores), 0.02)  # type: ignore[operator]
    assert other.score == pytest.approx(shape(plain.score))  # type: ignore[operator]
    assert other.rate == plain.rate


def test_too_few_pictures_promise_no_low_rate_and_say_how_many_would() -> None:
    found = threshold(np.arange(20.0), 0.01)
    assert (found.score, found.promised, found.needed) == (19.0, False, 99)
    assert "at least 99 must be" in found.sentence
    assert threshold(np.arange(99.0), 0.01).promised


def test_equal_scores_divide_by_nothing() -> None:
    found = threshold(np.ones(50), 0.05)
    assert np.isfinite(found.normalised(np.array([1.0, 2.0]))).all()
    assert found.normalised(np.array([1.0]))[0] <= 1 < found.normalised(np.array([1.0001]))[0]


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match="lies between 0 and 1"):
        threshold(np.arange(9.0), rate)


@pytest.mark.parametrize("count", [8, 30, 200, 5000])
def test_something_is_left_to_learn_from(count: int) -> None:
    assert 1 <= held_out(count, 0.001) <= 0.4 * count
    assert held_out(count, 0.1) >= count // 5
