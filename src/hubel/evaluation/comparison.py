"""Which run is better, and is that more than luck? Runs that were tested on the same samples are compared in pairs."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np

from hubel.errors import ArtefactError, UsageError
from hubel.evaluation.classification import NUMBERS, Evaluation
from hubel.evaluation.regression import RegressionEvaluation
from hubel.metrics.intervals import Interval, deciding_samples, mcnemar, paired_difference
from hubel.views import html_table
from hubel.words import in_columns, number, percent, plain, plural

ERRORS = ("rmse", "mae", "mse", "r2", "bias")


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
    deciding: int | None = None
    """Samples in all that would show such a difference in four cases of five; None where there is none to show."""

    @property
    def sentence(self) -> str:
        """The finding in words, at the 5 % level."""
        low, high = (f"{100 * end:+.2f}" for end in self.interval)
        facts = (
            f"{100 * self.difference:+.2f} points (95 % interval {low} to {high}), "
            f"{self.wins} against {self.losses} samples, {_p(self.p_value)}"
        )
        if self.p_value >= 0.05:
            alike = f"{self.first} and {self.second} cannot be told apart on {plural(self.samples, 'sample')}: "
            if not self.wins and not self.losses:
                return f"{alike}on each of them both are equally good."
            return f"{alike}{facts}. {self.outlook}"
        better, worse = (self.first, self.second) if self.difference > 0 else (self.second, self.first)
        return f"{better} is better than {worse}: {facts}."

    @property
    def outlook(self) -> str:
        """How many samples more would decide, in words."""
        if self.deciding is None:
            return "Neither is ahead, so that no number of further samples can be named that would decide."
        more = max(1, self.deciding - self.samples)
        step = 10 ** max(0, len(str(more)) - 2)
        return (
            f"If the true difference is as large, about {plural(-(-more // step) * step, 'more sample')} would show it "
            "(in four cases of five)."
        )


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
        return plain({**{name: getattr(self, name) for name in names}, "tests": tests, "findings": list(self.findings)})

    @property
    def apart(self) -> str:
        """Which runs were tested on other samples than the best, in words; "" for none."""
        if not self.unpaired:
            return ""
        were = "were" if len(self.unpaired) > 1 else "was"
        return (
            f"{', '.join(self.unpaired)} {were} tested on other samples than {self.best}: the split's luck is in that "
            "difference, and no test is made of it. The same data, --split-seed and --fold give the same samples."
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """All that is found, a sentence each."""
        return (*(test.sentence for test in self.tests), *([self.apart] if self.unpaired else []))

    def _repr_html_(self) -> str:
        shown = shown_columns(self)
        rows = (
            (f"{'* ' if name == self.best else ''}{name}", *(written_number(c, self.numbers[c][i]) for c in shown),
             f"{self.samples[i]:,}")
            for i, name in enumerate(self.names)
        )  # fmt: skip
        table = html_table(["run", *(TITLES[column] for column in shown), "samples"], rows)
        return table + "".join(f"<p>{escape(sentence)}</p>" for sentence in self.findings)

    def __str__(self) -> str:
        shown = shown_columns(self)[:4]
        lines = [f"  {'run':<25}" + "".join(f"{TITLES[name]:>11}" for name in shown) + f"{'samples':>9}"]
        for i, name in enumerate(self.names):
            values = (written_number(column, self.numbers[column][i]) for column in shown)
            mark = "*" if name == self.best else " "
            lines.append(
                f"{mark} {in_columns(name, 25)}" + "".join(f"{v:>11}" for v in values) + f"{self.samples[i]:>9,}"
            )
        lines += ["", *(textwrap.fill(test.sentence, 80) for test in self.tests)] if self.tests else []
        lines += ["", textwrap.fill(self.apart, 80)] if self.unpaired else []
        return "\n".join(lines)


TITLES = {
    "top1": "accuracy",
    "balanced_accuracy": "balanced",
    "macro_f1": "macro F1",
    "log_loss": "log-loss",
    "rmse": "rmse",
    "mae": "mae",
    "r2": "R²",
}


def shown_columns(comparison: Comparison) -> list[str]:
    """The metrics that belong in a table, those that at least one run knows."""
    return [name for name in TITLES if not all(map(math.isnan, comparison.numbers.get(name, (math.nan,))))]


def written_number(column: str, value: float) -> str:
    """A metric's value as it stands in a table.

    >>> written_number("top1", 0.98), written_number("log_loss", 0.25), written_number("rmse", 12.3456)
    ('98.00 %', '0.250', '12.35')
    """
    if column in ("rmse", "mae"):
        return f"{value:.4g}"
    return number(value) if column in ("log_loss", "r2") else percent(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Graded:
    """What a comparison needs to know of a run: its numbers, and sample by sample how good its answers are."""

    task: str
    numbers: dict[str, float]
    intervals: dict[str, Interval]
    ids: tuple[int, ...]
    """N; everything below is in the same order."""
    paths: tuple[str, ...]
    """Empty where the samples have none."""
    truth: tuple[str | float, ...]
    """True classes by name, so that another numbering of the classes is no matter; or true numbers."""
    goodness: np.ndarray
    """1 for right and 0 for wrong, or minus the distance to the target."""

    @classmethod
    def of(cls, run: Evaluation | RegressionEvaluation) -> Graded:
        """From the result itself."""
        truth: list[str | float]
        if isinstance(run, Evaluation):
            task, columns, truth = "classification", NUMBERS, [run.class_names[k] for k in run.labels]
            goodness = (run.labels == run.predicted).astype(np.float64)
        else:
            task, columns, truth = "regression", ERRORS, run.targets.tolist()
            goodness = -np.abs(run.predicted - run.targets)
        return cls(
            task=task,
            numbers={column: getattr(run, column) for column in columns},
            intervals=dict(run.intervals),
            ids=tuple(run.ids.tolist()),
            paths=run.paths or (),
            truth=tuple(truth),
            goodness=goodness,
        )

    @classmethod
    def read(cls, document: Mapping[str, Any], predictions_csv: str) -> Graded:
        """From what a run folder keeps: evaluation.json and the text of predictions.csv.

        Raises ArtefactError when they do not fit together.
        """
        task = document.get("task")
        if task not in ("classification", "regression") and isinstance(task, str):
            raise ArtefactError(
                f"runs are compared by their labels, and a run of the task {task} has none",
                hint="their numbers stand beside each other in hubel runs show and in their reports",
            )
        try:
            rows = list(csv.DictReader(io.StringIO(predictions_csv)))
            regression = document["task"] == "regression"
            truth = tuple(float(row["target"]) if regression else row["label"] for row in rows)
            good = [-abs(float(row["error"])) if regression else float(row["right"]) for row in rows]
            paths = tuple(row["path"] for row in rows)
            if len(rows) != document["samples"]:
                raise ValueError(f"{len(rows)} predictions for {document['samples']} samples")
            return cls(
                task=document["task"],
                numbers={column: _float(document[column]) for column in (ERRORS if regression else NUMBERS)},
                intervals={name: (_float(low), _float(high)) for name, (low, high) in document["intervals"].items()},
                ids=tuple(int(row["id"]) for row in rows),
                paths=paths if any(paths) else (),
                truth=truth,
                goodness=np.array(good),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, csv.Error) as error:
            raise ArtefactError(
                f"evaluation.json and predictions.csv must belong together and be whole: {error}",
                hint="measure the run again: hubel evaluate RUN --out FOLDER",
            ) from error

    @property
    def order(self) -> np.ndarray:
        """N positions that put the samples in the order of their ids."""
        return np.argsort(np.array(self.ids), kind="stable")


def compare(runs: Mapping[str, Evaluation] | Mapping[str, RegressionEvaluation] | Mapping[str, Graded]) -> Comparison:
    """Lay runs side by side; `runs` has a name for each result.

    Runs are paired where ids, true answers and (if both know them) paths agree. Raises UsageError for no run, or for
    classification and regression mixed.

    >>> from hubel.evaluation import assess
    >>> from hubel.types import Predictions
    >>> labels, ids = np.arange(20) % 2, np.arange(20)
    >>> good = assess(Predictions(np.eye(2)[labels], labels, ids), ["cat", "dog"])
    >>> bad = assess(Predictions(np.eye(2)[labels * 0], labels, ids), ["cat", "dog"])
    >>> print(compare({"old": bad, "new": good}).tests[0].sentence)
    new is better than old: +50.00 points (95 % interval +30.00 to +70.00), 10 against 0 samples, p = 0.002.
    """
    tested = {name: run if isinstance(run, Graded) else Graded.of(run) for name, run in runs.items()}
    tasks = {run.task for run in tested.values()}
    if len(tasks) != 1:
        came = "none" if not tasks else "classification and regression"
        raise UsageError(f"comparing needs runs of one kind, got {came}", hint="hubel runs lists what there is")
    (task,) = tasks
    columns = ERRORS if task == "regression" else NUMBERS
    best = min(tested, key=lambda name: _rank(tested[name]))
    others = [name for name in tested if name != best]
    paired = [name for name in others if same_samples(tested[best], tested[name])]
    nothing: Interval = (math.nan, math.nan)
    return Comparison(
        names=tuple(tested),
        task=task,
        numbers={column: tuple(run.numbers[column] for run in tested.values()) for column in columns},
        intervals={column: tuple(run.intervals.get(column, nothing) for run in tested.values()) for column in columns},
        samples=tuple(len(run.ids) for run in tested.values()),
        best=best,
        tests=_holm([_pair(best, name, tested[best], tested[name]) for name in paired]),
        unpaired=tuple(name for name in others if name not in paired),
    )


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _rank(run: Graded) -> tuple[float, float]:
    """Smaller is better; equal accuracies are ranked by the log-loss."""
    n = run.numbers
    return (n["rmse"], n["mae"]) if run.task == "regression" else (-n["top1"], n["log_loss"])


def same_samples(a: Graded, b: Graded) -> bool:
    """Were both tested on the same samples? Ids, true answers and, where both know them, paths agree."""
    if len(a.ids) != len(b.ids):
        return False
    pairs = list(zip(a.order.tolist(), b.order.tolist(), strict=True))
    known = a.paths and b.paths
    return all(a.ids[i] == b.ids[j] and a.truth[i] == b.truth[j] for i, j in pairs) and (
        not known or all(a.paths[i] == b.paths[j] for i, j in pairs)
    )


def _pair(first: str, second: str, a: Graded, b: Graded) -> Paired:
    x, y = a.goodness[a.order], b.goodness[b.order]
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


def _holm(tests: list[Paired]) -> tuple[Paired, ...]:
    """P-values corrected for looking at several pairs: the smallest times their number, the next times one less."""
    corrected, worst = dict[int, float](), 0.0
    for rank, i in enumerate(sorted(range(len(tests)), key=lambda i: tests[i].p_value)):
        worst = max(worst, min(1.0, tests[i].p_value * (len(tests) - rank)))
        corrected[i] = worst
    level = 0.05 / max(1, len(tests))
    return tuple(
        replace(
            test, p_value=corrected[i], deciding=deciding_samples(test.wins, test.losses, test.samples, level=level)
        )
        for i, test in enumerate(tests)
    )


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
