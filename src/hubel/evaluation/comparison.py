"""Which run is better, and is that more than luck? Runs that were tested on the same samples are compared in pairs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hubel.errors import UsageError
from hubel.evaluation.classification import NUMBERS, Evaluation
from hubel.evaluation.regression import RegressionEvaluation
from hubel.evaluation.text import fit, number, percent, plain
from hubel.metrics.intervals import Interval, mcnemar, paired_difference

Result = Evaluation | RegressionEvaluation


@dataclass(frozen=True, slots=True)
class Paired:
    """`first` against `second` on the same samples. Better is: right where the other is wrong, or nearer the target."""

    first: str
    second: str
    samples: int
    wins: int
    """Samples on which only `first` is right (or is nearer)."""
    losses: int
    """Samples on which only `second` is."""
    difference: float
    """(wins - losses) / samples; for classification the difference of the accuracies."""
    interval: Interval
    """95 % bootstrap interval of the difference."""
    p_value: float
    """Exact McNemar (sign) test that neither is better, corrected for the number of pairs (Holm 1979)."""

    @property
    def sentence(self) -> str:
        """The finding in words, at the 5 % level."""
        low, high = (f"{100 * end:+.2f}" for end in self.interval)
        facts = (
            f"{100 * self.difference:+.2f} points (95 % interval {low} to {high}), "
            f"{self.wins} against {self.losses} samples, {_p(self.p_value)}"
        )
        if self.p_value >= 0.05:
            return f"{self.first} and {self.second} cannot be told apart on {self.samples:,} samples: {facts}."
        better, worse = (self.first, self.second) if self.difference > 0 else (self.second, self.first)
        return f"{better} is better than {worse}: {facts}."


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Several runs side by side, and the best of them against each other one."""

    names: tuple[str, ...]
    task: str
    numbers: dict[str, tuple[float, ...]]
    """Metric -> one value a run."""
    intervals: dict[str, tuple[Interval, ...]]
    samples: tuple[int, ...]
    best: str
    """The run with the highest accuracy, or the lowest root mean square error."""
    tests: tuple[Paired, ...]
    """The best run against each run that was tested on the same samples."""
    unpaired: tuple[str, ...]
    """Runs that were tested on other samples than the best one; their numbers can be read, not compared in pairs."""

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        tests = [{name: getattr(test, name) for name in Paired.__slots__} for test in self.tests]
        names = ("task", "names", "samples", "numbers", "intervals", "best", "unpaired")
        return plain({**{name: getattr(self, name) for name in names}, "tests": tests})  # type: ignore[return-value]

    def __str__(self) -> str:
        shown = [name for name in self.numbers if name in _COLUMNS and not all(map(math.isnan, self.numbers[name]))]
        lines = [f"  {'run':<25}" + "".join(f"{_COLUMNS[name]:>11}" for name in shown[:4]) + f"{'samples':>9}"]
        for i, name in enumerate(self.names):
            values = (_written(column, self.numbers[column][i]) for column in shown[:4])
            mark = "*" if name == self.best else " "
            lines.append(f"{mark} {fit(name, 25)}" + "".join(f"{v:>11}" for v in values) + f"{self.samples[i]:>9,}")
        lines += ["", *(textwrap.fill(test.sentence, 80) for test in self.tests)] if self.tests else []
        lines += ["", f"tested on other samples: {', '.join(self.unpaired)}"] if self.unpaired else []
        return "\n".join(lines)


_COLUMNS = {
    "top1": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "log_loss": "log-loss",
    "rmse": "rmse",
    "mae": "mae",
    "r2": "R²",
}


def compare(evaluations: Mapping[str, Evaluation] | Mapping[str, RegressionEvaluation]) -> Comparison:
    """Lay runs side by side; `evaluations` has a name for each.

    Runs are paired where ids, true answers and (if both know them) paths agree. Raises UsageError for no run, or for
    classification and regression mixed.
    """
    runs: dict[str, Result] = dict(evaluations)
    kinds = {type(run) for run in runs.values()}
    if len(kinds) != 1:
        came = "none" if not kinds else "classification and regression"
        raise UsageError(f"comparing needs runs of one kind, got {came}", hint="hubel runs lists what there is")
    regression = kinds == {RegressionEvaluation}
    columns = ("rmse", "mae", "mse", "r2", "bias") if regression else NUMBERS
    best = min(runs, key=lambda name: _rank(runs[name]))
    others = [name for name in runs if name != best]
    paired = [name for name in others if _same_samples(runs[best], runs[name])]
    nothing: Interval = (math.nan, math.nan)
    return Comparison(
        names=tuple(runs),
        task="regression" if regression else "classification",
        numbers={column: tuple(getattr(run, column) for run in runs.values()) for column in columns},
        intervals={column: tuple(run.intervals.get(column, nothing) for run in runs.values()) for column in columns},
        samples=tuple(run.samples for run in runs.values()),
        best=best,
        tests=_holm([_pair(best, name, runs[best], runs[name]) for name in paired]),
        unpaired=tuple(name for name in others if name not in paired),
    )


def _rank(run: Result) -> tuple[float, float]:
    """Smaller is better; equal accuracies are ranked by the log-loss."""
    return (-run.top1, run.log_loss) if isinstance(run, Evaluation) else (run.rmse, run.mae)


def _truth(run: Result) -> list[object]:
    """The true answers in the order of the ids, as names, so that a different numbering of classes is no matter."""
    order = np.argsort(run.ids, kind="stable")
    if isinstance(run, Evaluation):
        return [run.class_names[k] for k in run.labels[order]]
    return list(run.targets[order].tolist())


def _same_samples(a: Result, b: Result) -> bool:
    if not np.array_equal(np.sort(a.ids), np.sort(b.ids)):
        return False
    if a.paths is not None and b.paths is not None and sorted(a.paths) != sorted(b.paths):
        return False
    return _truth(a) == _truth(b)


def _pair(first: str, second: str, a: Result, b: Result) -> Paired:
    x, y = _goodness(a), _goodness(b)
    wins, losses = int((x > y).sum()), int((x < y).sum())
    return Paired(
        first=first,
        second=second,
        samples=len(x),
        wins=wins,
        losses=losses,
        difference=(wins - losses) / len(x),
        interval=paired_difference(wins, losses, len(x)),
        p_value=mcnemar(wins, losses),
    )


def _goodness(run: Result) -> np.ndarray:
    """N in the order of the ids: right or wrong, or minus the distance to the target."""
    order = np.argsort(run.ids, kind="stable")
    if isinstance(run, Evaluation):
        return np.asarray((run.labels == run.predicted)[order])
    return np.asarray(-np.abs(run.predicted - run.targets)[order])


def _holm(tests: list[Paired]) -> tuple[Paired, ...]:
    """P-values corrected for looking at several pairs: the smallest times their number, the next times one less."""
    corrected, worst = dict[int, float](), 0.0
    for rank, i in enumerate(sorted(range(len(tests)), key=lambda i: tests[i].p_value)):
        worst = max(worst, min(1.0, tests[i].p_value * (len(tests) - rank)))
        corrected[i] = worst
    return tuple(replace(test, p_value=corrected[i]) for i, test in enumerate(tests))


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _written(column: str, value: float) -> str:
    if column in ("rmse", "mae"):
        return f"{value:.4g}"
    return number(value) if column in ("log_loss", "r2") else percent(value)
