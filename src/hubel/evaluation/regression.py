"""Predictions of numbers in, everything worth knowing about a regressor out. N samples."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from hubel.errors import DataError
from hubel.evaluation.named import named, titled
from hubel.metrics import regression
from hubel.metrics.intervals import Interval, mean_interval
from hubel.types import Predictions
from hubel.words import csv_text, in_full, number, plain, plural


@dataclass(frozen=True, kw_only=True, slots=True)
class RegressionEvaluation:
    """How far off a regressor is on one split, in the unit of the target."""

    split: str
    samples: int
    mse: float
    rmse: float
    mae: float
    r2: float
    """NaN where all targets are equal."""
    bias: float
    """Mean of predicted - true: above 0 it says too much."""
    intervals: dict[str, Interval]
    """95 % intervals of mse, rmse, mae and bias."""
    ids: np.ndarray
    """N; the arrays below are in the same order."""
    targets: np.ndarray
    predicted: np.ndarray
    worst: np.ndarray
    """Positions in the arrays, the largest error first."""
    paths: tuple[str, ...] | None
    more: dict[str, float] = field(default_factory=dict)
    """What was asked for besides, by name (`hubel.metrics.METRICS`)."""

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        return (
            f"On {plural(self.samples, self.split + ' sample')} it is off by {in_full(self.mae)} on average "
            f"(root mean square {in_full(self.rmse)}){_judged(self.r2)}."
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers for tables: title, value, 95 % interval."""
        titles = {"rmse": "root mean square", "mae": "mean absolute", "mse": "mean squared", "r2": "R²", "bias": "bias"}
        found = []
        for name, title in titles.items():
            low, high = self.intervals.get(name, (math.nan, math.nan))
            interval = "" if math.isnan(low) else f"{in_full(low)} to {in_full(high)}"
            value = getattr(self, name)
            found.append((title, number(value) if name == "r2" else in_full(value), interval))
        return found + titled(self.more, {"R²", "mean squared error", "mean absolute error", "root mean squared error"})

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        names = ("split", "samples", "mse", "rmse", "mae", "r2", "bias", "intervals")
        numbers = {name: getattr(self, name) for name in names} | ({"metrics": self.more} if self.more else {})
        return plain({"task": "regression", **numbers})

    def predictions_csv(self) -> str:
        """One line a sample: id, path, true value, predicted value, error."""
        columns = zip(
            self.ids.tolist(),
            self.paths or [""] * self.samples,
            self.targets.tolist(),
            self.predicted.tolist(),
            (self.predicted - self.targets).tolist(),
            strict=True,
        )
        return csv_text(["id", "path", "target", "predicted", "error"], columns)

    def __str__(self) -> str:
        lines = [f"  {title:<20}{value:>12}   {interval}".rstrip() for title, value, interval in self.rows()]
        return "\n".join([*textwrap.wrap(self.sentence, 80), "", *lines])

    def __repr__(self) -> str:
        return f"RegressionEvaluation({self.split}: rmse={self.rmse:.4g}, r2={self.r2:.4f}, samples={self.samples})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{a}</th><td>{b}</td><td>{c}</td></tr>" for a, b, c in self.rows()
        )
        return f"<p>{escape(self.sentence)}</p><table>{rows}</table>"


def _judged(r2: float) -> str:
    """What a share of explained variance says; nothing where there is none.

    >>> _judged(0.5), _judged(-0.69)
    (' and explains 50.0 % of the variance', ', which is worse than always answering the mean (R² −0.69)')
    """
    if math.isnan(r2):
        return ""
    if r2 < 0:
        return f", which is worse than always answering the mean (R² −{abs(r2):.2f})"
    return f" and explains {100 * r2:.1f} % of the variance"


def assess_regression(
    predictions: Predictions,
    *,
    paths: Sequence[str] | None = None,
    split: str = "test",
    metrics: Sequence[str] = (),
) -> RegressionEvaluation:
    """Judge a regressor: predictions N 1 (in `logits`), targets N (in `labels`, NaN where not known).

    Raises DataError when there is no known target or when a prediction is not finite.

    >>> result = assess_regression(Predictions(np.array([[1.0], [3.0]]), np.array([1.0, 2.0]), np.arange(2)))
    >>> result.mae, result.r2
    (0.5, -1.0)
    """
    values, targets = np.asarray(predictions.logits), np.asarray(predictions.labels, dtype=np.float64)
    if values.shape not in ((len(targets),), (len(targets), 1)):
        raise DataError(
            f"predictions must be N 1 for {len(targets)} targets, got {values.shape}",
            hint="a regressor ends in one output: dense 1",
        )
    known = np.flatnonzero(~np.isnan(targets))
    if not len(known):
        raise DataError(
            f"evaluating needs samples with a known target, got none in the {split} split",
            hint="choose another split, or give data with targets",
        )
    predicted, targets = values.reshape(len(targets))[known].astype(np.float64), targets[known]
    if not np.isfinite(predicted).all():
        raise DataError(
            f"predictions must be finite, but {(~np.isfinite(predicted)).sum()} of {len(predicted)} are not",
            hint="the training has probably diverged: lower the learning rate or clip the gradient",
        )
    errors = predicted - targets
    squared = mean_interval(errors**2, within=(0, math.inf))
    names = tuple(paths[i] for i in known.tolist()) if paths is not None else None
    return RegressionEvaluation(
        split=split,
        samples=len(targets),
        mse=regression.mse(predicted, targets),
        rmse=regression.rmse(predicted, targets),
        mae=regression.mae(predicted, targets),
        r2=regression.r2(predicted, targets),
        bias=float(errors.mean()),
        intervals={
            "mse": squared,
            "rmse": (math.sqrt(squared[0]), math.sqrt(squared[1])),
            "mae": mean_interval(np.abs(errors), within=(0, math.inf)),
            "bias": mean_interval(errors),
        },
        ids=np.asarray(predictions.ids)[known],
        targets=targets,
        predicted=predicted,
        worst=np.argsort(-np.abs(errors), kind="stable"),
        paths=names,
        more=named(metrics, "regression", predicted, targets),
    )
