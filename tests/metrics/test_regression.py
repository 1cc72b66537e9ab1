from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hubel.metrics.regression import mae, mse, r2, rmse

numbers = st.floats(-100, 100, width=32)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30))
def test_regression_metrics_equal_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    predicted, targets = (np.array(column, dtype=np.float32) for column in zip(*pairs, strict=True))
    wide = targets.astype(np.float64), predicted.astype(np.float64)
    assert mse(predicted, targets) == pytest.approx(oracle.mean_squared_error(*wide))
    assert rmse(predicted, targets) == pytest.approx(oracle.root_mean_squared_error(*wide))
    assert mae(predicted, targets) == pytest.approx(oracle.mean_absolute_error(*wide))
    if np.ptp(targets) > 1e-3:
        assert r2(predicted, targets) == pytest.approx(oracle.r2_score(*wide))


def test_equal_targets_leave_nothing_to_explain() -> None:
    assert np.isnan(r2(np.array([1.0, 2.0]), np.array([3.0, 3.0])))
    assert np.isnan([mse(np.zeros(0), np.zeros(0)), r2(np.zeros(0), np.zeros(0))]).all()
