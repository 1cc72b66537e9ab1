"""Which run is better, and is that more than luck? Runs that were tested on the same samples are compared in pairs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from itertools import combinations

import numpy as np

from hubel.errors import UsageError
from hubel.evaluation.classification import Evaluation
from hubel.evaluation.graded import KINDS, Graded, Kind
from hubel.evaluation.pairs import (
    ClassDifference,
    Drawn,
    Paired,
    Test,
    class_cells,
    class_lines,
    corrected,
    correction,
    grid_lines,
    grid_of,
    pair_of,
)
from hubel.evaluation.regression import RegressionEvaluation
from hubel.evaluation.result import TaskResult
from hubel.metrics.intervals import NOTHING, Interval, mean_known, percentiles, redrawn
from hubel.views import html_table
from hubel.words import in_columns, number, percent, plain

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
    """The run with the highest accuracy, mAP or mean IoU, or the lowest root mean square error."""
    tests: tuple[Test, ...]
    """The best run against each run that was tested on the same samples."""
    pairs: tuple[Test, ...]
    """Each two runs that were tested on the same samples, the better one first; `tests` are those with the best."""
    counted: tuple[Paired, ...]
    """Of several labels the same as `tests` by the samples of which all labels are right."""
    unpaired: tuple[str, ...]
    """Runs that were tested on other samples than the best one; their numbers can be read, not compared in pairs."""

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        names = ("task", "names", "samples", "numbers", "intervals", "best", "unpaired", "tests", "pairs", "counted")
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
        told = (test.sentence for test in (*self.tests, *self.counted))
        return (*told, *several, *([self.apart] if self.unpaired else []))

    @property
    def kind(self) -> Kind:
        """How runs of this task are compared."""
        return KINDS[self.task]

    @property
    def by_class(self) -> tuple[Drawn, ...]:
        """The tests that are told class by class, too."""
        return tuple(test for test in self.tests if isinstance(test, Drawn) and test.classes)

    @property
    def ranked(self) -> tuple[str, ...]:
        """The runs that are in pairs, the best first."""
        found = sorted({name for pair in self.pairs for name in (pair.first, pair.second)}, key=self.names.index)
        column, sign = self.numbers[self.kind.main], 1 if self.kind.falls else -1
        return tuple(sorted(found, key=lambda n: (n != self.best, sign * column[self.names.index(n)])))

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
        for test in self.by_class:
            against += html_table([self.kind.each, test.first, test.second, "ahead", "95 %"], class_cells(test))
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
        """The lines of the table of each run against each other, or of one against the other class by class, after an
        empty one; none where there is neither.
        """
        if len(self.pairs) > 1:
            return ["", *grid_lines(self.ranked, self.grid, self.kind.points)]
        return ["", *class_lines(self.by_class[0], self.kind.each)] if self.by_class else []


TITLES = {
    "mean_ap": "mAP",
    "exact": "all right",
    "micro_f1": "micro F1",
    "mean_iou": "mean IoU",
    "pixel_accuracy": "pixels",
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


DRAWS, PER_PAIR = 1_000, 100
"""Draws of the bootstrap; as many a pair at least, so that the correction for many pairs leaves p-values below 0.05."""


def each_pair(tested: Mapping[str, Graded]) -> list[Test]:
    """Each two runs that were tested on the same samples, or nearly, the one that comes first in `tested` first."""
    alike = {(a, b): rows for a, b in combinations(tested, 2) if (rows := in_common(tested[a], tested[b]))}
    drawn = _Draws(tested, max(DRAWS, PER_PAIR * len(alike)))
    found: list[Test] = []
    for (a, b), (mine, theirs, left) in alike.items():
        one, other = tested[a].told, tested[b].told
        if one.by_class is not None:
            found.append(drawn.pair((a, mine), (b, theirs), left))
        elif one.goodness is not None and other.goodness is not None:
            found.append(pair_of(a, b, one.goodness[mine], other.goodness[theirs], left=left))
    return corrected(found)


def counted_pairs(tested: Mapping[str, Graded]) -> list[Paired]:
    """Of a task whose answers can be counted besides, the same by that count; the run that is ahead first."""
    found = []
    for a, b in combinations(tested, 2):
        counted, (one, other) = tested[a].kind.counted, (tested[a].told.goodness, tested[b].told.goodness)
        alike = in_common(tested[a], tested[b]) if counted else None
        if alike is not None and one is not None and other is not None:
            good, others = one[alike[0]], other[alike[1]]
            pair = ((a, good), (b, others)) if good.sum() >= others.sum() else ((b, others), (a, good))
            found.append(pair_of(pair[0][0], pair[1][0], pair[0][1], pair[1][1], left=alike[2], by=counted))
    return corrected(found)


class _Draws:
    """What numbers that are means over classes come to where samples are drawn again, the same draws for every run."""

    def __init__(self, tested: Mapping[str, Graded], draws: int) -> None:
        self.tested, self.draws = tested, draws
        self.known: dict[tuple[str, bytes], tuple[np.ndarray, np.ndarray]] = {}

    def of(self, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """1 K, as it is, and D K, of the samples `rows` of a run in that order."""
        key = (name, rows.tobytes())
        if key not in self.known:
            told = self.tested[name].told
            assert told.by_class is not None

            def each(weights: np.ndarray) -> np.ndarray:
                spread = np.zeros((len(weights), len(told.truth)), dtype=np.int64)
                spread[:, rows] = weights
                return told.by_class(spread)  # type: ignore[misc]

            parts = redrawn(len(rows), draws=self.draws)
            whole = each(np.ones((1, len(rows)), dtype=np.int64))
            self.known[key] = (whole, np.concatenate([each(part) for part in parts]))
        return self.known[key]

    def pair(self, one: tuple[str, np.ndarray], other: tuple[str, np.ndarray], left: int) -> Drawn:
        """The test of two runs, before any correction."""
        (first, rows), (second, _) = one, other
        kind, mine, theirs = self.tested[first].kind, self.of(*one), self.of(*other)
        means = [np.nan_to_num(mean_known(a)) - np.nan_to_num(mean_known(b)) for a, b in zip(mine, theirs, strict=True)]
        names = self.tested[first].told.classes
        places = {name: k for k, name in enumerate(self.tested[second].told.classes)}
        classes = []
        for k, name in enumerate(names):
            if name in places:
                j = places[name]
                ahead = mine[1][:, k] - theirs[1][:, j]
                a, b = float(mine[0][0, k]), float(theirs[0][0, j])
                interval = percentiles(ahead) if len(rows) > 1 else NOTHING
                classes.append(ClassDifference(name=name, first=a, second=b, difference=a - b, interval=interval))
        return Drawn.of(
            first, second, len(rows), float(means[0][0]), means[1], what=kind.points, unit=kind.drawn, left=left,
            classes=tuple(classes),
        )  # fmt: skip


def in_common(a: Graded, b: Graded) -> tuple[np.ndarray, np.ndarray, int] | None:
    """Positions of the same samples in both, in one order, and how many of the larger test are not among them.

    Where data were edited between two runs, a few pictures are gone from the test or have another label: what is left
    is compared, as long as it is at least COMMON of either test. None for tests on other samples.
    """
    if same_samples(a, b):
        return a.positions, b.positions, 0
    if not a.paths or not b.paths:
        return None
    places = {key: place for place, key in enumerate(zip(b.paths, b.told.truth, strict=True))}
    alike = [(i, places[key]) for i, key in enumerate(zip(a.paths, a.told.truth, strict=True)) if key in places]
    most = max(len(a.ids), len(b.ids))
    if len(alike) < COMMON * most:
        return None
    first, second = np.array(alike).T
    return first, second, most - len(alike)


Result = Evaluation | RegressionEvaluation | TaskResult | Graded


def compare(runs: Mapping[str, Result]) -> Comparison:
    """Lay runs side by side; `runs` has a name for each result.

    Runs are paired where ids, true answers and (if both know them) paths agree, or nearly all paths and answers do
    (`in_common`); p-values are corrected for all pairs that there are, since the best is only known after looking.
    Raises UsageError for no run, or for several tasks; ArtefactError for a task whose runs are not compared.

    >>> from hubel.evaluation import assess
    >>> from hubel.types import Predictions
    >>> labels, ids = np.arange(20) % 2, np.arange(20)
    >>> good = assess(Predictions(np.eye(2)[labels], labels, ids), ["cat", "dog"])
    >>> bad = assess(Predictions(np.eye(2)[labels * 0], labels, ids), ["cat", "dog"])
    >>> print(compare({"old": bad, "new": good}).tests[0].sentence)
    new is better than old: +50.00 points (95 % interval +30.00 to +70.00), 10 against 0 samples, p = 0.002.
    """
    tested = {name: run if isinstance(run, Graded) else Graded.of(run) for name, run in runs.items()}
    tasks = list(dict.fromkeys(run.task for run in tested.values()))
    if len(tasks) != 1:
        came = " and ".join([", ".join(tasks[:-1]), tasks[-1]]) if tasks else "none"
        raise UsageError(f"comparing needs runs of one kind, got {came}", hint="hubel runs lists what there is")
    columns = KINDS[tasks[0]].columns
    ranked = {name: tested[name] for name in sorted(tested, key=lambda name: tested[name].rank)}
    best = next(iter(ranked))
    pairs = tuple(each_pair(ranked))
    tests = tuple(pair for pair in pairs if pair.first == best)
    paired = {pair.second for pair in tests}
    return Comparison(
        names=tuple(tested),
        task=tasks[0],
        numbers={column: tuple(run.numbers[column] for run in tested.values()) for column in columns},
        intervals={column: tuple(run.intervals.get(column, NOTHING) for run in tested.values()) for column in columns},
        samples=tuple(len(run.ids) for run in tested.values()),
        best=best,
        tests=tests,
        pairs=pairs,
        counted=tuple(pair for pair in counted_pairs(ranked) if best in (pair.first, pair.second)),
        unpaired=tuple(name for name in tested if name != best and name not in paired),
    )


def same_samples(a: Graded, b: Graded) -> bool:
    """Were both tested on the same samples? Ids, true answers and, where both know them, paths agree."""
    return a.samples == b.samples and (not a.paths or not b.paths or a.ordered_paths == b.ordered_paths)
