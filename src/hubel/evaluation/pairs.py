"""Two runs on the same samples, and several at once: the test of each pair, corrected, and the table of all of them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TypeVar

import numpy as np

from hubel.metrics.intervals import (
    NOTHING,
    Interval,
    deciding_samples,
    drawn_values,
    mcnemar,
    paired_difference,
    percentiles,
    sign_chance,
)
from hubel.words import in_columns, percent, plural

LEVEL = 0.05
FEWEST_DRAWN = 6
"""Samples below which even a run that is ahead on each of them may be so by chance, more than once in twenty times."""
SHOWN = 6
"""Runs of the table of all pairs that fit on a terminal."""

SHOWN_CLASSES = 20
"""Classes that are told on a terminal."""


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
    left: int = 0
    """Samples of the larger test that are not compared: not in the other, or with another true answer there."""
    by: str = ""
    """What is counted, where that is not plain: "all labels right", "recall@1"."""

    @property
    def scale(self) -> float:
        """By what the difference is multiplied where it is written: shares are written in points."""
        return 100.0

    @property
    def sentence(self) -> str:
        """The finding in words, at the 5 % level."""
        return f"By {self.by}, {self._told}" if self.by else self._told

    @property
    def _told(self) -> str:
        if self.p_value < LEVEL and self.difference < 0:  # what is better stands first, and its lead is no loss
            return replace(
                self, first=self.second, second=self.first, wins=self.losses, losses=self.wins,
                difference=-self.difference, interval=turned(self.interval),
            )._told  # fmt: skip
        low, high = (f"{100 * end:+.2f}" for end in self.interval)
        facts = (
            f"{100 * self.difference:+.2f} points (95 % interval {low} to {high}), "
            f"{self.wins} against {self.losses} samples, {_p(self.p_value)}"
        )
        if self.left:
            facts += f", on the {plural(self.samples, 'sample')} that both were tested on"
        if self.p_value >= LEVEL:
            alike = f"{self.first} and {self.second} cannot be told apart on {plural(self.samples, 'sample')}: "
            if not self.wins and not self.losses:
                return f"{alike}on each of them both are equally good."
            return f"{alike}{facts}. {self.outlook}"
        return f"{self.first} is better than {self.second}: {facts}."

    @property
    def outlook(self) -> str:
        """How many samples more would decide, in words."""
        return _outlook(self.deciding, self.samples, "sample")

    def corrected(self, p_value: float, level: float) -> Paired:
        """With this p-value; what would decide is told for a test at `level`."""
        deciding = deciding_samples(self.wins, self.losses, self.samples, level=level)
        return replace(self, p_value=p_value, deciding=deciding)


@dataclass(frozen=True, slots=True)
class ClassDifference:
    """How far one of two runs is ahead in a class; an interval of that class alone."""

    name: str
    first: float
    second: float
    difference: float
    interval: Interval
    """95 %, the same draws as of all classes together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """`first` against `second` by a number that is more than a mean over samples: these are drawn again, in pairs."""

    first: str
    second: str
    samples: int
    difference: float
    interval: Interval
    """95 % bootstrap interval of the difference."""
    p_value: float
    """Bootstrap: twice the share of the draws on the rarer side of 0; corrected for the number of pairs (Holm 1979)."""
    spread: float
    """Standard deviation of the difference over the draws."""
    what: str
    """Of what the difference is: "points of mean IoU"."""
    scale: float = 100.0
    """By what the difference is multiplied where it is written."""
    unit: str = "sample"
    """What one of the samples is called."""
    deciding: int | None = None
    """As of `Paired`, by the spread of the draws."""
    left: int = 0
    """As of `Paired`."""
    classes: tuple[ClassDifference, ...] = ()
    """Class by class, where the number is a mean over classes."""

    @property
    def sentence(self) -> str:
        """The finding in words, at the 5 % level."""
        if self.p_value < LEVEL and self.difference < 0:  # as of `Paired`
            return replace(
                self, first=self.second, second=self.first, difference=-self.difference,
                interval=turned(self.interval), classes=(),
            ).sentence  # fmt: skip
        many, what = plural(self.samples, self.unit), f" {self.what}" if self.what else ""
        if self.samples < FEWEST_DRAWN:
            return (
                f"{self.first} and {self.second} cannot be told apart on {many}, of which there must be {FEWEST_DRAWN} "
                f"at least: the difference is {self.written(self.difference)}{what}."
            )
        low, high = map(self.written, self.interval)
        sure = f"95 % interval {low} to {high}, {many} drawn again, {_p(self.p_value)}"
        facts = f"{self.written(self.difference)}{what} ({sure})"
        if self.left:
            facts += f", on the {many} that both were tested on"
        if self.p_value >= LEVEL:
            alike = f"{self.first} and {self.second} cannot be told apart on {many}: "
            if not self.difference and not self.spread:
                return f"{alike}both are equally good."
            return f"{alike}{facts}. {_outlook(self.deciding, self.samples, self.unit)}"
        return f"{self.first} is better than {self.second}: {facts}."

    def written(self, value: float) -> str:
        """A difference as it is told."""
        return f"{self.scale * value:+.2f}"

    def corrected(self, p_value: float, level: float) -> Drawn:
        """With this p-value; what would decide is told for a test at `level`."""
        return replace(self, p_value=p_value, deciding=self._decides(level))

    def _decides(self, level: float) -> int | None:
        if not self.difference or not self.spread:
            return None
        normal = NormalDist()
        reach = (normal.inv_cdf(1 - level / 2) + normal.inv_cdf(0.8)) * self.spread / abs(self.difference)
        return math.ceil(self.samples * reach**2)

    @classmethod
    def of(
        cls, first: str, second: str, samples: int, difference: float, drawn_D: np.ndarray, *, what: str,
        unit: str = "sample", scale: float = 100.0, left: int = 0, classes: tuple[ClassDifference, ...] = (),
    ) -> Drawn:  # fmt: skip
        """From how far the first is ahead, and how far it was in each of D draws; before any correction.

        >>> found = Drawn.of("a", "b", 50, 0.02, np.linspace(0.01, 0.03, 999), what="points of mAP")
        >>> found.sentence
        'a is better than b: +2.00 points of mAP (95 % interval +1.05 to +2.95, 50 samples drawn again, p = 0.002).'
        """
        enough = samples >= FEWEST_DRAWN
        return cls(
            first=first, second=second, samples=samples, difference=difference,
            interval=percentiles(drawn_D) if samples > 1 else NOTHING, p_value=sign_chance(drawn_D) if enough else 1.0,
            spread=float(np.nanstd(drawn_D)) if len(drawn_D) else 0.0, what=what, unit=unit, scale=scale, left=left,
            classes=classes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """`first` against `second` on all that there is: the difference is what it is, and there is nothing to test."""

    first: str
    second: str
    samples: int
    difference: float
    nearer: float
    """Share of the samples on which the first is nearer; of those on which one is."""
    what: str
    """As of `Drawn`."""
    scale: float = 1.0
    unit: str = "pixel"
    left: int = 0
    p_value: float = math.nan
    """None is known."""

    @property
    def sentence(self) -> str:
        """The finding in words."""
        many = plural(self.samples, self.unit)
        if not self.difference:
            return f"{self.first} and {self.second} are equally near, over all {many}."
        better, worse = (self.first, self.second) if self.difference > 0 else (self.second, self.first)
        share = self.nearer if self.difference > 0 else 1 - self.nearer
        return (
            f"{better} is nearer than {worse}: {self.scale * abs(self.difference):+.2f} {self.what}, and nearer on "
            f"{percent(share, 1)} of the {many}."
        )


def turned(interval: Interval) -> Interval:
    """Of a difference the other way round."""
    return -interval[1], -interval[0]


Test = Paired | Drawn | Whole
"""Of two runs."""
T = TypeVar("T", Paired, Drawn, Paired | Drawn)


def _outlook(deciding: int | None, samples: int, unit: str) -> str:
    if deciding is None:
        return f"Neither is ahead, so that no number of further {plural(2, unit)[2:]} can be named that would decide."
    more = max(1, deciding - samples)
    step = 10 ** max(0, len(str(more)) - 2)
    return (
        f"If the true difference is as large, about {plural(-(-more // step) * step, f'more {unit}')} would show it "
        "(in four cases of five)."
    )


def pair_of(
    first: str, second: str, good_N: np.ndarray, other_N: np.ndarray, *, left: int = 0, by: str = ""
) -> Paired:  # fmt: skip
    """Two runs by how good they are on each of N samples, before any correction; `left` more are in one test only.

    >>> pair_of("a", "b", np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])).difference
    0.5
    """
    wins, losses = int((good_N > other_N).sum()), int((good_N < other_N).sum())
    return Paired(
        first=first,
        second=second,
        samples=len(good_N),
        wins=wins,
        losses=losses,
        difference=(wins - losses) / len(good_N),
        interval=paired_difference(wins, losses, len(good_N)),
        p_value=mcnemar(wins, losses),
        left=left,
        by=by,
    )


def drawn_difference(
    first: str, second: str, samples: int, difference: Callable[[np.ndarray], float], *, what: str,
    unit: str = "sample", scale: float = 100.0,
) -> str:  # fmt: skip
    """Two runs by a number that is more than a count of right answers, in a sentence, at the 5 % level.

    `difference` is how far the first is ahead on some of the N samples (row numbers, with repeats); the samples are
    drawn again to tell how sure that is. `what` is its unit, `unit` what a sample is called.

    >>> ahead = np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 0.2])
    >>> drawn_difference("a", "b", 7, lambda rows: float(ahead[rows].mean()), what="dB", scale=1)
    'a is better than b: +0.17 dB (95 % interval +0.13 to +0.21, 7 samples drawn again, p = 0.002).'
    """
    drawn = drawn_values(difference, samples)
    test = Drawn.of(
        first, second, samples, difference(np.arange(samples)), drawn, what=what, unit=unit, scale=scale
    )  # fmt: skip
    return corrected([test])[0].sentence


def corrected(tests: Sequence[T]) -> list[T]:
    """P-values corrected for looking at several pairs: the smallest times their number, the next times one less.

    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979. What would decide is
    told for the strictest of these tests.
    """
    found, worst = dict[int, float](), 0.0
    for rank, i in enumerate(sorted(range(len(tests)), key=lambda i: tests[i].p_value)):
        worst = max(worst, min(1.0, tests[i].p_value * (len(tests) - rank)))
        found[i] = worst
    level = LEVEL / max(1, len(tests))
    return [test.corrected(found[i], level) for i, test in enumerate(tests)]


def correction(pairs: int) -> str:
    """What was done about looking at several pairs, in words."""
    return (
        f"Each p is corrected for the {pairs} pairs that can be looked at here (Holm), since the best is only known "
        "after looking; an interval is of its pair alone."
    )


def grid_of(names: Sequence[str], pairs: Sequence[Test]) -> list[list[str]]:
    """A row and a column for each name: points that the row is ahead of the column, with * where p < 0.05.

    >>> pair = pair_of("a", "b", np.ones(20), np.zeros(20))
    >>> grid_of(["a", "b"], [pair])
    [['–', '+100.00*'], ['-100.00*', '–']]
    """
    known = {(pair.first, pair.second): (pair.scale * pair.difference, pair.p_value) for pair in pairs}
    known |= {(second, first): (-ahead, p) for (first, second), (ahead, p) in known.items()}
    written = {key: f"{ahead or 0:+.2f}{'*' if p < LEVEL else ' '}".rstrip() for key, (ahead, p) in known.items()}
    return [
        ["–" if row == column else written.get((row, column), "other samples") for column in names] for row in names
    ]


def grid_lines(
    names: Sequence[str], grid: Sequence[Sequence[str]], what: str = "points", *, tested: bool = True
) -> list[str]:
    """The same as text of 80 columns: of the best runs where not all have room, and then it says so."""
    shown = min(len(names), SHOWN)
    star = "; * p < 0.05 after the correction" if tested else ""
    lines = textwrap.wrap(f"{what} that the row is ahead of the column{star}", 80)
    lines.append(" " * 24 + "".join(f"{number:>9}" for number in range(1, shown + 1)))
    for number, name in enumerate(names[:shown], 1):
        row = ("apart" if cell == "other samples" else cell for cell in grid[number - 1][:shown])
        cells = (cell if cell.endswith("*") else f"{cell} " for cell in row)
        lines.append(f"{number:>2} {in_columns(name, 21)}" + "".join(f"{cell:>9}" for cell in cells))
    if shown < len(names):
        lines.append(f"these are the best {shown} of {plural(len(names), 'run')}; --out compare.html has all")
    return lines


def class_cells(test: Drawn) -> list[tuple[str, str, str, str, str]]:
    """Of each class its name, what both runs reach, how far the first is ahead, and between what that lies."""
    found = []
    for each in test.classes:
        low, high = map(test.written, each.interval)
        known = not math.isnan(each.difference)
        between = f"{low} to {high}" if not math.isnan(each.interval[0]) else "–"
        ahead = test.written(each.difference) if known else "–"
        found.append((each.name, _reached(each.first, test), _reached(each.second, test), ahead, between))
    return found


def class_lines(test: Drawn, each: str) -> list[str]:
    """The same as text of 80 columns: of the classes that differ most where there are many, and then it says so."""
    cells = class_cells(test)
    most = sorted(range(len(cells)), key=lambda k: -abs(np.nan_to_num(test.classes[k].difference)))[:SHOWN_CLASSES]
    lines = textwrap.wrap(
        f"{each} class by class, 1 {test.first}, 2 {test.second}; an interval is of its class alone: of twenty "
        "in which both are equally good, about one has an interval without 0",
        80,
    )
    lines.append(f"  {'':<28}{'1':>10}{'2':>10}{'ahead':>9}   95 % interval")
    for k in sorted(most):
        name, first, second, ahead, between = cells[k]
        lines.append(f"  {in_columns(name, 28)}{first:>10}{second:>10}{ahead:>9}   {between}")
    if len(most) < len(cells):
        lines.append(f"these {len(most)} of {plural(len(cells), 'class')} differ most; --out compare.html has all")
    return lines


def _reached(value: float, test: Drawn) -> str:
    return "–" if math.isnan(value) else percent(value) if test.scale == 100 else f"{value:.2f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
