"""Which run is better, and is that more than luck? Runs that were tested on the same samples are compared in pairs."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    Whole,
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
from hubel.metrics.intervals import NOTHING, Interval, percentiles, redrawn
from hubel.views import html_table
from hubel.words import MEASURES, in_columns, in_full, number, percent, plain

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
    """The run that is best by the number that decides (`Kind.order`)."""
    tests: tuple[Test, ...]
    """The best run against each run that was tested on the same samples."""
    pairs: tuple[Test, ...]
    """Each two runs that were tested on the same samples, the better one first; `tests` are those with the best."""
    counted: tuple[Paired, ...]
    """Of several labels the same as `tests` by the samples of which all labels are right."""
    unpaired: tuple[str, ...]
    """Runs that were tested on other samples than the best one, or asked something else of them; their numbers can be
    read, not compared in pairs."""
    form: str = ""
    """What the best one is asked of each sample, where that may differ."""
    otherwise: dict[str, str] = field(default_factory=dict)
    """The same of those of `unpaired` that are asked something else."""

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        names = ("task", "names", "samples", "numbers", "intervals", "best", "unpaired", "tests", "pairs", "counted")
        return plain({name: getattr(self, name) for name in names} | {"findings": list(self.findings)})

    @property
    def apart(self) -> str:
        """Which runs were tested on other samples than the best, in words; "" for none."""
        names = [name for name in self.unpaired if name not in self.otherwise]
        if not names:
            return ""
        if self.kind.apart:
            return f"{', '.join(names)} {self.kind.apart.format(best=self.best)}"
        were = "were" if len(names) > 1 else "was"
        return (
            f"{', '.join(names)} {were} tested on other samples than {self.best}: the split's luck is in that "
            "difference, and no test is made of it. The same data, --split-seed and --fold give the same samples."
        )

    @property
    def unlike(self) -> tuple[str, ...]:
        """Which runs were asked something else of each sample than the best, in words."""
        return tuple(
            f"{name} {form}, and {self.best} {self.form}: these are other questions, and no test is made of them."
            for name, form in self.otherwise.items()
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """All that is found, a sentence each."""
        several = [correction(len(self.pairs))] if len(self.pairs) > 1 and not self.kind.complete else []
        told = (test.sentence for test in (*self.tests, *self.counted))
        complete = [self.kind.complete] if self.kind.complete and self.tests else []
        return (*told, *several, *complete, *([self.apart] if self.apart else []), *self.unlike)

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
    def gridded(self) -> bool:
        """Are there pairs that `tests` do not tell of?"""
        return len(self.pairs) > min(1, len(self.tests))

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
        if self.gridded:
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
        if self.gridded:
            tested = not self.kind.complete
            return ["", *grid_lines(self.ranked, self.grid, self.kind.points, tested=tested)]
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
    "psnr": "PSNR, dB",
    "explained": "given back",
    "slopes": "slopes",
    "bends": "bends",
    "recall@1": "recall@1",
    "map_at_r": "mAP@R",
    "nearest_class": "nearest",
    "equal_error": "equal err.",
    "accuracy": "accuracy",
    "skill": "error less",
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
        return in_full(value)
    if column == "skill":
        return MEASURES[column].written(value)
    if column in ("psnr", "slopes", "bends"):
        return "–" if math.isnan(value) else f"{value:.2f}"
    return number(value) if column in ("log_loss", "r2") else percent(value)


DRAWS, PER_PAIR = 1_000, 100
"""Draws of the bootstrap; as many a pair at least, so that the correction for many pairs leaves p-values below 0.05."""


def each_pair(tested: Mapping[str, Graded]) -> list[Test]:
    """Each two runs that were tested on the same samples, or nearly, the one that comes first in `tested` first."""
    alike = {(a, b): rows for a, b in combinations(tested, 2) if (rows := in_common(tested[a], tested[b]))}
    drawn = _Draws(tested, max(DRAWS, PER_PAIR * len(alike)))
    found: list[Paired | Drawn] = []
    whole: list[Whole] = []
    for (a, b), (mine, theirs, left) in alike.items():
        one, other = tested[a].told, tested[b].told
        if one.drawn is not None:
            found.append(drawn.pair((a, mine), (b, theirs), left))
        elif one.goodness is not None and other.goodness is not None:
            good, others = one.goodness[mine], other.goodness[theirs]
            asked = np.isfinite(good) & np.isfinite(others)
            kind = tested[a].kind
            if kind.complete:
                whole.append(_whole((a, tested[a]), (b, tested[b]), good - others))
            elif asked.any():
                found.append(pair_of(a, b, good[asked], others[asked], left=left, by=kind.by))
    return [*corrected(found), *whole]


def _whole(one: tuple[str, Graded], other: tuple[str, Graded], ahead_N: np.ndarray) -> Whole:
    (first, mine), (second, theirs), kind = one, other, one[1].kind
    wins, losses = int((ahead_N > 0).sum()), int((ahead_N < 0).sum())
    return Whole(
        first=first, second=second, samples=len(ahead_N), nearer=wins / max(1, wins + losses), what=kind.points,
        difference=mine.numbers[kind.main] - theirs.numbers[kind.main], scale=kind.scale,
    )  # fmt: skip


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
    """What numbers that are no counts come to where samples are drawn again, the same draws for every run."""

    def __init__(self, tested: Mapping[str, Graded], draws: int) -> None:
        self.tested, self.draws = tested, draws
        self.known: dict[tuple[str, bytes], tuple[np.ndarray, np.ndarray]] = {}

    def of(self, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the samples `rows` of a run in that order, as they are and in each draw: 1 + D, the number, and 1 + D K,
        that of each class.
        """
        key = (name, rows.tobytes())
        if key not in self.known:
            told = self.tested[name].told
            assert told.drawn is not None
            found: list[tuple[np.ndarray, np.ndarray]] = []
            for part in (np.ones((1, len(rows)), dtype=np.int64), *redrawn(len(rows), draws=self.draws)):
                weights = np.zeros((len(part), len(told.truth)), dtype=np.int64)
                weights[:, rows] = part
                found.append(told.drawn(weights))
            totals, each = zip(*found, strict=True)
            self.known[key] = (np.concatenate(totals), np.concatenate(each))
        return self.known[key]

    def pair(self, one: tuple[str, np.ndarray], other: tuple[str, np.ndarray], left: int) -> Drawn:
        """The test of two runs, before any correction."""
        (first, rows), (second, _) = one, other
        kind, (mine, each), (theirs, others) = self.tested[first].kind, self.of(*one), self.of(*other)
        names = self.tested[first].told.classes
        places = {name: k for k, name in enumerate(self.tested[second].told.classes)}
        classes = []
        for k, name in enumerate(names):
            if name in places:
                a, b = each[:, k], others[:, places[name]]
                interval = percentiles(a[1:] - b[1:]) if len(rows) > 1 else NOTHING
                reached = float(a[0]), float(b[0])
                classes.append(ClassDifference(name, *reached, difference=reached[0] - reached[1], interval=interval))
        ahead = mine - theirs
        return Drawn.of(
            first, second, len(rows), float(ahead[0]), ahead[1:], what=kind.points, unit=kind.drawn, left=left,
            classes=tuple(classes), scale=kind.scale,
        )  # fmt: skip


def in_common(a: Graded, b: Graded) -> tuple[np.ndarray, np.ndarray, int] | None:
    """Positions of the same samples in both, in one order, and how many of the larger test are not among them.

    Where data were edited between two runs, a few pictures are gone from the test or have another label: what is left
    is compared, as long as it is at least COMMON of either test. None for tests on other samples, and for runs that
    were asked something else of them.
    """
    if a.told.form != b.told.form:
        return None
    if same_samples(a, b):
        return a.positions, b.positions, 0
    if a.kind.together or not a.paths or not b.paths:
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
    unpaired, form = tuple(name for name in tested if name != best and name not in paired), tested[best].told.form
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
        unpaired=unpaired,
        form=form,
        otherwise={name: tested[name].told.form for name in unpaired if tested[name].told.form != form},
    )


def same_samples(a: Graded, b: Graded) -> bool:
    """Were both tested on the same samples? Ids, true answers and, where both know them, paths agree."""
    return a.samples == b.samples and (not a.paths or not b.paths or a.ordered_paths == b.ordered_paths)
