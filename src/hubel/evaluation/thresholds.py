"""Two classes, and from which probability on one of them is said: by a wished recall, a precision, or what errors cost.

The threshold is fitted on one set of samples (validation) and measured on another. N samples; probabilities are those
of the class that is looked for, the positive one.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from hubel.errors import DataError, UsageError
from hubel.metrics.intervals import Interval, wilson
from hubel.views import Viewed
from hubel.words import percent, plain, plural, span

COSTS_LIMIT = 1 << 16
"""Bytes of a table of costs."""
FEWEST = 10
"""Samples of each class from which a threshold can be fitted at all."""


@dataclass(frozen=True, kw_only=True)
class At:
    """What a threshold comes to on some samples."""

    samples: int
    positives: int
    found: int
    """Positives that are said."""
    said: int
    """Samples of which the positive class is said."""
    right: int
    """Samples that are named right."""
    cost: float
    """Mean cost of a sample; NaN where no costs are known."""

    @property
    def recall(self) -> float:
        """Share of the positives that is found; NaN without any."""
        return self.found / self.positives if self.positives else math.nan

    @property
    def precision(self) -> float:
        """Share of what is said to be positive that is; NaN where nothing is."""
        return self.found / self.said if self.said else math.nan

    @property
    def accuracy(self) -> float:
        """Share named right."""
        return self.right / self.samples if self.samples else math.nan

    @property
    def intervals(self) -> tuple[Interval, Interval]:
        """95 % of recall and precision (Wilson)."""
        return wilson(self.found, self.positives), wilson(self.found, self.said)


@dataclass(frozen=True, kw_only=True)
class Threshold(Viewed):
    """From which probability on the positive class is said, and what that comes to."""

    positive: str
    negative: str
    value: float
    wish: str
    """In words: "recall of at least 95 %"."""
    fitted: At
    """On the samples that it was fitted to."""
    measured: At
    """On others."""
    usual: At
    """The same others, where the likelier class is said."""
    split: str
    """Which others."""

    @property
    def sentence(self) -> str:
        """The result in words."""
        recall, precision = self.measured.intervals
        return (
            f"{self.positive} is said from a probability of {self.value:.3g} on, for a {self.wish} on validation: of "
            f"{plural(self.measured.positives, f'{self.split} sample')} of it {percent(self.measured.recall, 1)} are "
            f"found (95 % interval {span(recall)}), and {percent(self.measured.precision, 1)} of what is called so is "
            f"({span(precision)}). From 0.5 on: {percent(self.usual.recall, 1)} and {percent(self.usual.precision, 1)}."
        )

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        found = {
            "threshold": self.sentence,
            "accuracy": f"{percent(self.measured.accuracy)}, {percent(self.usual.accuracy)} from 0.5 on",
        }
        if not math.isnan(self.measured.cost):
            found["cost"] = f"{self.measured.cost:.4g} a sample, {self.usual.cost:.4g} from 0.5 on"
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        parts = {
            name: {**plain(at), "recall": plain(at.recall), "precision": plain(at.precision)}
            for name, at in (("fitted", self.fitted), ("measured", self.measured), ("usual", self.usual))
        }
        return dict(plain(self)) | parts | {"sentence": self.sentence}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a threshold is fitted for: exactly one of the three, or a value that is given."""

    recall: float | None = None
    precision: float | None = None
    cost: np.ndarray | None = None
    """2 x 2, true class down (the positive one first), class that is said across."""
    value: float | None = None

    def __str__(self) -> str:
        if self.recall is not None:
            return f"recall of at least {percent(self.recall, 1)}"
        if self.precision is not None:
            return f"precision of at least {percent(self.precision, 1)}"
        return "lowest cost" if self.cost is not None else "given value"

    def check(self) -> None:
        """Raise UsageError for a wish that is none, or more than one."""
        said = [name for name in ("recall", "precision", "cost", "value") if getattr(self, name) is not None]
        if len(said) != 1:
            flags = " and ".join(f"--{name.replace('value', 'threshold')}" for name in said) or "nothing"
            raise UsageError(f"one wish decides a threshold, got {flags}", hint="leave all but one of them out")
        share = next((x for x in (self.recall, self.precision, self.value) if x is not None), 0.5)
        if not 0 < share <= 1 or (self.value is not None and share == 1):
            raise UsageError(f"a {said[0]} must be above 0 and at most 1, got {share:g}", hint="0.95 is usual")
        if self.cost is not None:
            (hit, missed), (alarm, rest) = self.cost.tolist()
            if not np.isfinite(self.cost).all() or not (missed > hit and alarm > rest):
                raise UsageError(
                    "each mistake must cost more than naming the same class right, "
                    f"got {missed:g} against {hit:g}, and {alarm:g} against {rest:g}",
                    hint="rows are true classes, columns what is said; 0 where they agree is usual",
                )


def fit_threshold(shares_N: np.ndarray, positive_N: np.ndarray, wish: Wish) -> float:
    """The threshold for a wish, half way between two samples where it matters.

    For a recall the highest that has it, for a precision the lowest that has it, for costs the cheapest. Raises
    DataError where too few samples of a class are there, or where no threshold has the wished precision.

    >>> shares = np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.9] * 5)
    >>> fit_threshold(shares, shares > 0.35, Wish(recall=1.0))
    0.35
    """
    wish.check()
    if wish.value is not None:
        return wish.value
    counts = int(positive_N.sum()), int((~positive_N).sum())
    if min(counts) < FEWEST:
        raise DataError(
            f"a threshold needs at least {FEWEST} validation samples of each class, got {counts[0]} and {counts[1]}",
            hint="more pictures, or a larger --val-fraction",
        )
    order = np.argsort(-shares_N, kind="stable")
    shares, hits = shares_N[order], np.cumsum(positive_N[order])
    ends = np.flatnonzero(np.append(np.diff(shares) < 0, True))  # a cut only between different probabilities
    said, found = ends + 1, hits[ends]
    recall, precision = found / counts[0], found / said
    if wish.recall is not None:
        place = int(np.flatnonzero(recall >= wish.recall - 1e-12)[0])
    elif wish.precision is not None:
        enough = np.flatnonzero(precision >= wish.precision - 1e-12)
        if not len(enough):
            best = int(precision.argmax())
            raise DataError(
                f"no threshold has a precision of {percent(wish.precision, 1)} on validation: the best is "
                f"{percent(float(precision[best]), 1)}, at a recall of {percent(float(recall[best]), 1)}",
                hint=f"--precision {math.floor(100 * precision[best]) / 100:g}, or a better net",
            )
        place = int(enough[-1])
    else:
        assert wish.cost is not None
        (hit, missed), (alarm, rest) = wish.cost.tolist()
        costs = found * hit + (counts[0] - found) * missed + (said - found) * alarm + (counts[1] - said + found) * rest
        nothing = counts[0] * missed + counts[1] * rest  # nothing is called positive
        place = int(costs.argmin())
        if nothing <= costs[place]:
            return float(min(1.0, (1 + shares[0]) / 2))
    below = shares[ends[place] + 1] if ends[place] + 1 < len(shares) else 0.0
    return float(round((shares[ends[place]] + below) / 2, 9))


def count_at(shares_N: np.ndarray, positive_N: np.ndarray, value: float, cost: np.ndarray | None = None) -> At:
    """What a threshold comes to on some samples."""
    said = shares_N >= value
    table = np.array([[(positive_N & said).sum(), (positive_N & ~said).sum()],
                      [(~positive_N & said).sum(), (~positive_N & ~said).sum()]])  # fmt: skip
    return At(
        samples=len(shares_N),
        positives=int(table[0].sum()),
        found=int(table[0, 0]),
        said=int(table[:, 0].sum()),
        right=int(np.trace(table)),
        cost=math.nan if cost is None or not len(shares_N) else float((table * cost).sum() / len(shares_N)),
    )


def read_costs(text: str, class_names: tuple[str, ...]) -> np.ndarray:
    """A table of costs, as confusion.csv is written: true classes down, what is said across; K K in our order.

    Raises DataError for a table of other classes, or one that holds no numbers.

    >>> read_costs("true,cat,dog\\ncat,0,1\\ndog,5,0\\n", ("cat", "dog")).tolist()
    [[0.0, 1.0], [5.0, 0.0]]
    """
    rows = [row for row in csv.reader(text.lstrip("\ufeff").splitlines()) if any(cell.strip() for cell in row)]
    head = [cell.strip() for cell in rows[0][1:]] if rows else []
    names = [row[0].strip() for row in rows[1:]]
    wanted = ", ".join(class_names)
    if sorted(head) != sorted(class_names) or sorted(names) != sorted(class_names):
        raise DataError(
            f"a table of costs needs a row and a column for each of {wanted}, got rows "
            f"{', '.join(names) or 'none'} and columns {', '.join(head) or 'none'}",
            hint=f"true,{','.join(class_names)} is its first line; rows are true classes, columns what is said",
        )
    try:
        found = {(name, said): float(value) for name, row in zip(names, rows[1:], strict=True)
                 for said, value in zip(head, row[1:], strict=True)}  # fmt: skip
    except ValueError as error:
        raise DataError(f"a table of costs must hold a number in each place: {error}", hint="0 for no cost") from None
    return np.array([[found[name, said] for said in class_names] for name in class_names])


def read_table(path: str | PathLike[str]) -> str:
    """The text of a small file; DataError for one that is not there, too large, or no text."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(COSTS_LIMIT + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise DataError(
            f"the costs in {str(path)!r} cannot be read: {why}",
            hint="a CSV file of numbers, true classes down and named ones across, as confusion.csv of a run",
        ) from None
    if len(text) > COSTS_LIMIT:
        raise DataError(f"{str(path)!r} is too long for a table of costs", hint="one row and one column a class")
    return text
