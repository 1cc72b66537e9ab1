"""Two runs on the same samples, and several at once: the test of each pair, corrected, and the table of all of them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hubel.metrics.intervals import NOTHING, Interval, bootstrap, deciding_samples, mcnemar, paired_difference
from hubel.words import in_columns, plural

LEVEL = 0.05
FEWEST_DRAWN = 6
"""Samples below which even a run that is ahead on each of them may be so by chance, more than once in twenty times."""
SHOWN = 6
"""Runs of the table of all pairs that fit on a terminal."""


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

    @property
    def sentence(self) -> str:
        """The finding in words, at the 5 % level."""
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


def pair_of(first: str, second: str, good_N: np.ndarray, other_N: np.ndarray, *, left: int = 0) -> Paired:
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
    )


def drawn_difference(
    first: str, second: str, samples: int, difference: Callable[[np.ndarray], float], written: Callable[[float], str],
    *, what: str = "", unit: str = "samples",
) -> str:  # fmt: skip
    """Two runs by a number that is more than a count of right answers, in a sentence, at the 5 % level.

    `difference` is how far the first is ahead on some of the N samples (row numbers, with repeats); the samples are
    drawn again to tell how sure that is. `written` writes it, `what` is its unit, `unit` what samples are called.

    >>> ahead = np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 0.2])
    >>> drawn_difference("a", "b", 7, lambda rows: float(ahead[rows].mean()), "{:+.1f}".format)
    'a is better than b: +0.2 (95 % interval +0.1 to +0.2, 7 samples drawn again).'
    """
    ahead = difference(np.arange(samples))
    low, high = bootstrap(difference, samples) if samples > 1 else NOTHING
    what = f" {what}" if what else ""
    facts = f"{written(ahead)}{what} (95 % interval {written(low)} to {written(high)}, {samples:,} {unit} drawn again)"
    if samples < FEWEST_DRAWN:
        return (
            f"{first} and {second} cannot be told apart on {samples:,} {unit}, of which there must be {FEWEST_DRAWN} "
            f"at least: the difference is {written(ahead)}{what}."
        )
    if low <= 0 <= high:
        return f"{first} and {second} cannot be told apart on {samples:,} {unit}: {facts}."
    better, worse = (first, second) if ahead > 0 else (second, first)
    return f"{better} is better than {worse}: {facts}."


def corrected(tests: Sequence[Paired]) -> list[Paired]:
    """P-values corrected for looking at several pairs: the smallest times their number, the next times one less.

    S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 1979. What would decide is
    told for the strictest of these tests.
    """
    found, worst = dict[int, float](), 0.0
    for rank, i in enumerate(sorted(range(len(tests)), key=lambda i: tests[i].p_value)):
        worst = max(worst, min(1.0, tests[i].p_value * (len(tests) - rank)))
        found[i] = worst
    level = LEVEL / max(1, len(tests))
    return [
        replace(test, p_value=found[i], deciding=deciding_samples(test.wins, test.losses, test.samples, level=level))
        for i, test in enumerate(tests)
    ]


def correction(pairs: int) -> str:
    """What was done about looking at several pairs, in words."""
    return (
        f"Each p is corrected for the {pairs} pairs that can be looked at here (Holm), since the best is only known "
        "after looking; an interval is of its pair alone."
    )


def grid_of(names: Sequence[str], pairs: Sequence[Paired]) -> list[list[str]]:
    """A row and a column for each name: points that the row is ahead of the column, with * where p < 0.05.

    >>> pair = pair_of("a", "b", np.ones(20), np.zeros(20))
    >>> grid_of(["a", "b"], [pair])
    [['–', '+100.00*'], ['-100.00*', '–']]
    """
    known = {(pair.first, pair.second): (100 * pair.difference, pair.p_value) for pair in pairs}
    known |= {(second, first): (-ahead, p) for (first, second), (ahead, p) in known.items()}
    written = {key: f"{ahead or 0:+.2f}{'*' if p < LEVEL else ' '}".rstrip() for key, (ahead, p) in known.items()}
    return [
        ["–" if row == column else written.get((row, column), "other samples") for column in names] for row in names
    ]


def grid_lines(names: Sequence[str], grid: Sequence[Sequence[str]]) -> list[str]:
    """The same as text of 80 columns: of the best runs where not all have room, and then it says so."""
    shown = min(len(names), SHOWN)
    lines = textwrap.wrap("points that the row is ahead of the column; * p < 0.05 after the correction", 80)
    lines.append(" " * 24 + "".join(f"{number:>9}" for number in range(1, shown + 1)))
    for number, name in enumerate(names[:shown], 1):
        row = ("apart" if cell == "other samples" else cell for cell in grid[number - 1][:shown])
        cells = (cell if cell.endswith("*") else f"{cell} " for cell in row)
        lines.append(f"{number:>2} {in_columns(name, 21)}" + "".join(f"{cell:>9}" for cell in cells))
    if shown < len(names):
        lines.append(f"these are the best {shown} of {plural(len(names), 'run')}; --out compare.html has all")
    return lines


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
