"""How far off, when the target is a number. N samples; predictions and targets in the target's own unit."""

from __future__ import annotations

import numpy as np


def mse(predicted_N: np.ndarray, targets_N: np.ndarray) -> float:
    """Mean squared error.

    >>> mse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    2.0
    """
    return _mean((_residuals(predicted_N, targets_N)) ** 2)


def rmse(predicted_N: np.ndarray, targets_N: np.ndarray) -> float:
    """Root of the mean squared error, in the unit of the target."""
    return float(np.sqrt(mse(predicted_N, targets_N)))


def mae(predicted_N: np.ndarray, targets_N: np.ndarray) -> float:
    """Mean absolute error, in the unit of the target."""
    return _mean(np.abs(_residuals(predicted_N, targets_N)))


def r2(predicted_N: np.ndarray, targets_N: np.ndarray) -> float:
    """Share of the targets' variance that is explained: 1 perfect, 0 as good as their mean, NaN if they are all equal.

    >>> r2(np.array([2.0, 2.0]), np.array([1.0, 3.0]))
    0.0
    """
    if not len(targets_N):
        return float("nan")
    residuals = _residuals(predicted_N, targets_N)
    spread = targets_N.astype(np.float64) - targets_N.mean(dtype=np.float64)
    total = float((spread**2).sum())
    return 1 - float((residuals**2).sum()) / total if total else float("nan")


def _residuals(predicted_N: np.ndarray, targets_N: np.ndarray) -> np.ndarray:
    return predicted_N.astype(np.float64) - targets_N.astype(np.float64)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
