from __future__ import annotations

import json

import numpy as np
import pytest

from hubel.errors import DataError
from hubel.evaluation import assess_regression
from hubel.types import Predictions

TARGETS = np.linspace(-3, 5, 200)


def answers(predicted: np.ndarray, targets: np.ndarray = TARGETS) -> Predictions:
    return Predictions(predicted[:, None].astype(np.float32), targets, np.arange(len(targets)))


def test_a_constant_error_is_all_bias() -> None:
    result = assess_regression(answers(TARGETS + 0.5))
    assert (result.bias, result.mae, result.rmse) == (pytest.approx(0.5), pytest.approx(0.5), pytest.approx(0.5))
    assert result.intervals["bias"] == (pytest.approx(0.5, abs=1e-6), pytest.approx(0.5, abs=1e-6))


def test_the_worst_come_first_and_the_intervals_hold_the_numbers() -> None:
    noise = np.random.default_rng(0).normal(size=200)
    result = assess_regression(answers(TARGETS + noise))
    assert result.worst[0] == np.abs(noise).argmax()
    for name, (low, high) in result.intervals.items():
        assert low <= getattr(result, name) <= high, name
    assert max(map(len, str(result).splitlines())) <= 80
    assert "R²" in result._repr_html_()


def test_unknown_targets_are_left_out_and_json_knows_no_nan() -> None:
    targets = np.where(np.arange(200) == 7, np.nan, 1.0)
    result = assess_regression(answers(np.ones(200), targets), paths=[str(i) for i in range(200)])
    assert (result.samples, result.mae) == (199, 0.0)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["r2"] is None
    assert "7" not in (result.paths or ())
    assert result.predictions_csv().splitlines()[1] == "0,0,1,1,0"


def test_what_cannot_be_judged_is_explained() -> None:
    with pytest.raises(DataError, match="predictions must be N 1"):
        assess_regression(Predictions(np.zeros((3, 2)), np.zeros(3), np.arange(3)))
    with pytest.raises(DataError, match="known target"):
        assess_regression(answers(np.zeros(2), np.full(2, np.nan)))
    with pytest.raises(DataError, match="1 of 2 are not"):
        assess_regression(answers(np.array([0.0, np.inf]), np.zeros(2)))


def test_prices_are_written_out() -> None:
    prices = np.array([231_000.0, 312_500.0, 189_900.0])
    found = assess_regression(Predictions((prices + 12_345)[:, None], prices, np.arange(3)))
    assert "it is off by 12,345 on average" in found.sentence
    assert not [cell for row in found.rows() for cell in row if "e+" in cell]
