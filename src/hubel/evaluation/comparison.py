"""Which run is better, and is that more than luck? Runs that were tested on the same samples are compared in pairs."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import combinations
from typing import Any

import numpy as np

from hubel.errors import ArtefactError, UsageError
from hubel.evaluation.classification import NUMBERS, Evaluation
from hubel.evaluation.pairs import Paired, corrected, correction, grid_lines, grid_of, pair_of
from hubel.evaluation.regression import RegressionEvaluation
from hubel.metrics.intervals import Interval
from hubel.views import html_table
from hubel.words import in_columns, number, percent, plain

ERRORS = ("rmse", "mae", "mse", "r2", "bias")
COMMON = 0.8
"""The share of two tests that must be the same samples with the same answers, so that they are compared on those."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Several runs side by side: the best of them against each other one, and each pair of them."""

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
    pairs: tuple[Paired, ...]
    """Each two runs that were tested on the same samples, the better one first; `tests` are those with the best."""
    unpaired: tuple[str, ...]
    """Runs that were tested on other samples than the best one; their numbers can be read, not compared in pairs."""

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        names = ("task", "names", "samples", "numbers", "intervals", "best", "unpaired", "tests", "pairs")
        return plain({name: getattr(self, name) for name in names} | {"findings": list(self.findings)})

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
        several = [correction(len(self.pairs))] if len(self.pairs) > 1 else []
        return (*(test.sentence for test in self.tests), *several, *([self.apart] if self.unpaired else []))

    @property
    def ranked(self) -> tuple[str, ...]:
        """The runs that are in pairs, the best first."""
        found = sorted({name for pair in self.pairs for name in (pair.first, pair.second)}, key=self.names.index)
        column = "rmse" if self.task == "regression" else "top1"
        sign = 1 if self.task == "regression" else -1
        return tuple(sorted(found, key=lambda n: (n != self.best, sign * self.numbers[column][self.names.index(n)])))

    @property
    def grid(self) -> list[list[str]]:
        """Each run of `ranked` against each other, as written: points that the row is ahead of the column."""
        return grid_of(self.ranked, self.pairs)

    def _repr_html_(self) -> str:
        shown = shown_columns(self)
        rows = (
            (f"{'* ' if name == self.best else ''}{name}", *(written_number(c, self.numbers[c][i]) for c in shown),
             f"{self.samples[i]:,}")
            for i, name in enumerate(self.names)
        )  # fmt: skip
        table = html_table(["run", *(TITLES[column] for column in shown), "samples"], rows)
        against = ""
        if len(self.pairs) > 1:
            against = html_table(["", *self.ranked], ([n, *row] for n, row in zip(self.ranked, self.grid, strict=True)))
        return table + against + "".join(f"<p>{escape(sentence)}</p>" for sentence in self.findings)

    def __str__(self) -> str:
        shown = shown_columns(self)[:4]
        lines = [f"  {'run':<25}" + "".join(f"{TITLES[name]:>11}" for name in shown) + f"{'samples':>9}"]
        for i, name in enumerate(self.names):
            values = (written_number(column, self.numbers[column][i]) for column in shown)
            mark = "*" if name == self.best else " "
            lines.append(
                f"{mark} {in_columns(name, 25)}" + "".join(f"{v:>11}" for v in values) + f"{self.samples[i]:>9,}"
            )
        lines += ["", *(textwrap.fill(sentence, 80) for sentence in self.findings)] if self.findings else []
        return "\n".join([*lines, *self.against])

    @property
    def against(self) -> list[str]:
        """The lines of the table of each run against each other, after an empty one; none of fewer than two pairs."""
        return ["", *grid_lines(self.ranked, self.grid)] if len(self.pairs) > 1 else []


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


@dataclass(frozen=True, kw_only=True)
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
                hint="series are tested, of every task but field: hubel train --seeds 5 of each, then hubel compare "
                "SERIES SERIES",
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

    @cached_property
    def order(self) -> np.ndarray:
        """N positions that put the samples in the order of their ids."""
        return np.argsort(np.array(self.ids), kind="stable")

    @cached_property
    def samples(self) -> tuple[tuple[int, ...], tuple[str | float, ...]]:
        """Ids and true answers in the order of the ids."""
        return tuple(self.ids[i] for i in self.order), tuple(self.truth[i] for i in self.order)

    @cached_property
    def ordered_paths(self) -> tuple[str, ...]:
        """Paths in the order of the ids."""
        return tuple(self.paths[i] for i in self.order) if self.paths else ()


def each_pair(tested: Mapping[str, Graded]) -> list[Paired]:
    """Each two runs that were tested on the same samples, or nearly, the one that comes first in `tested` first."""
    found = []
    for a, b in combinations(tested, 2):
        alike = in_common(tested[a], tested[b])
        if alike is not None:
            found.append(pair_of(a, b, tested[a].goodness[alike[0]], tested[b].goodness[alike[1]], left=alike[2]))
    return corrected(found)


def in_common(a: Graded, b: Graded) -> tuple[np.ndarray, np.ndarray, int] | None:
    """Positions of the same samples in both, in one order, and how many of the larger test are not among them.

    Where data were edited between two runs, a few pictures are gone from the test or have another label: what is left
    is compared, as long as it is at least COMMON of either test. None for tests on other samples.
    """
    if same_samples(a, b):
        return a.order, b.order, 0
    if not a.paths or not b.paths:
        return None
    places = {key: place for place, key in enumerate(zip(b.paths, b.truth, strict=True))}
    alike = [(i, places[key]) for i, key in enumerate(zip(a.paths, a.truth, strict=True)) if key in places]
    most = max(len(a.ids), len(b.ids))
    if len(alike) < COMMON * most:
        return None
    first, second = np.array(alike).T
    return first, second, most - len(alike)


def compare(runs: Mapping[str, Evaluation] | Mapping[str, RegressionEvaluation] | Mapping[str, Graded]) -> Comparison:
    """Lay runs side by side; `runs` has a name for each result.

    Runs are paired where ids, true answers and (if both know them) paths agree, or nearly all paths and answers do
    (`in_common`); p-values are corrected for all pairs that there are, since the best is only known after looking.
    Raises UsageError for no run, or for classification and regression mixed.

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
    pairs = tuple(each_pair({name: tested[name] for name in sorted(tested, key=lambda name: _rank(tested[name]))}))
    tests = tuple(pair for pair in pairs if pair.first == best)
    paired = {pair.second for pair in tests}
    nothing: Interval = (math.nan, math.nan)
    return Comparison(
        names=tuple(tested),
        task=task,
        numbers={column: tuple(run.numbers[column] for run in tested.values()) for column in columns},
        intervals={column: tuple(run.intervals.get(column, nothing) for run in tested.values()) for column in columns},
        samples=tuple(len(run.ids) for run in tested.values()),
        best=best,
        tests=tests,
        pairs=pairs,
        unpaired=tuple(name for name in tested if name != best and name not in paired),
    )


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _rank(run: Graded) -> tuple[float, float]:
    """Smaller is better; equal accuracies are ranked by the log-loss."""
    n = run.numbers
    return (n["rmse"], n["mae"]) if run.task == "regression" else (-n["top1"], n["log_loss"])


def same_samples(a: Graded, b: Graded) -> bool:
    """Were both tested on the same samples? Ids, true answers and, where both know them, paths agree."""
    return a.samples == b.samples and (not a.paths or not b.paths or a.ordered_paths == b.ordered_paths)
