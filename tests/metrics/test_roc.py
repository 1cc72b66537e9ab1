"""How well scores tell strange from normal, held against pairs counted one by one and samples drawn again."""

from __future__ import annotations

import numpy as np
import pytest

from hubel.metrics.roc import auroc, difference


def test_the_area_is_that_of_counting_pairs() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 12, 60).astype(float), rng.integers(0, 2, 60)
    pairs = [
        1.0 if a > b else 0.5 if a == b else 0.0 for a in scores[truth == 1] for b in scores[truth == 0]
    ]  # fmt: skip
    value, (low, high) = auroc(scores, truth)
    assert value == pytest.approx(np.mean(pairs))
    assert 0 <= low < value < high <= 1


def test_a_difference_has_the_spread_that_drawing_again_has() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(300) % 2
    first = truth + rng.normal(0, 1.0, 300)
    second = first + rng.normal(0, 0.7, 300)
    found = difference(first, second, truth)
    assert found is not None
    drawn = []
    for _ in range(300):
        rows = rng.integers(0, 300, 300)
        drawn.append(auroc(first[rows], truth[rows])[0] - auroc(second[rows], truth[rows])[0])
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert found.interval == pytest.approx((low, high), abs=0.015)
    assert found.p_value < 0.05


def test_nothing_is_compared_where_one_kind_is_missing() -> None:
    assert difference(np.arange(3.0), np.arange(3.0), np.zeros(3)) is None
    assert np.isnan(auroc(np.arange(3.0), np.array([-1, -1, 1]))[0])


def test_one_strange_picture_has_an_area_and_no_spread_of_its_own() -> None:
    value, (low, high) = auroc(np.array([0.1, 0.2, 0.3, 0.25]), np.array([0, 0, 0, 1]))
    assert value == pytest.approx(2 / 3)
    assert 0 <= low < value < high <= 1, "the normal ones still differ"


def test_scores_that_order_all_pictures_alike_do_not_differ() -> None:
    scores, truth = np.arange(8.0), np.arange(8) % 2
    found = difference(scores, 10 * scores, truth)
    assert found is not None
    assert (found.value, found.interval, found.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_a_difference_without_spread_is_certain() -> None:
    """One method puts every strange picture above, the other below all normal ones: no drawing could change that."""
    truth = np.array([0, 0, 1, 1])
    found = difference(np.array([0.0, 0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 0.0]), truth)
    assert found is not None
    assert (found.value, found.p_value) == (1.0, 0.0)
