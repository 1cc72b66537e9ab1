"""A net that says classes or several labels on the groups that samples fall into: cameras, hospitals, skin tones,
whatever a table says.

It tells that groups differ, not why: they may hold other classes, other light, other years.
Letters: N samples, K classes or labels, G groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.errors import DataError, UsageError
from hubel.evaluation.classification import Evaluation
from hubel.evaluation.several_labels import SeveralLabels
from hubel.metrics.intervals import NOTHING, Interval, wilson
from hubel.metrics.probability import calibration
from hubel.metrics.several import mean_precision
from hubel.views import Viewed, html_table
from hubel.words import in_columns, percent, plain, plural, span

COMPARED = 30
"""Samples from which on a group takes part in the largest gap."""
DRAWS = 10_000
SHOWN = 30
"""Groups that are printed."""
UNNAMED = "(not said)"
LOOKS = ("brightness", "contrast")
"""What every picture has, table or not: the mean of its pixels, and their standard deviation."""
FIFTHS = ("lowest", "low", "middle", "high", "highest")


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group."""

    name: str
    samples: int
    right: int
    """Named right; where several labels may hold, with every one of them right."""
    interval: Interval
    """95 % interval of the accuracy (Wilson)."""
    false_positive_rate: float
    """With two classes: share of the first that is taken for the second; else NaN. Of several labels: share of those
    that are not there which are said."""
    false_negative_rate: float
    """With two classes: share of the second that is taken for the first; else NaN. Of several labels: share of those
    that are there which are not said."""

    @property
    def accuracy(self) -> float:
        """Share that is right."""
        return self.right / self.samples


@dataclass(frozen=True, kw_only=True)
class ClassGroup(Group):
    """One group of a net that names a class."""

    balanced_accuracy: float
    """Mean over the classes that occur in it: groups with other shares of the classes become comparable."""
    ece: float
    """Calibration error in 15 bins; it grows by chance where samples are few."""
    mean_confidence: float


@dataclass(frozen=True, kw_only=True)
class LabelGroup(Group):
    """One group of a net that says several labels."""

    mean_ap: float
    """Mean average precision over the labels that occur in it; it is higher by itself where labels are frequent."""


@dataclass(frozen=True, kw_only=True)
class Groups(Viewed):
    """All groups, the smallest first; fifths of a look from the lowest."""

    by: str
    split: str
    samples: int
    groups: tuple[Group, ...]
    worst: str
    """Of the groups of at least `COMPARED` samples the one with the lowest accuracy; "" where fewer than two are."""
    best: str
    gap: float
    """Between their accuracies; NaN where there are no two."""
    gap_interval: Interval
    """95 % interval of that difference (Newcombe 1998)."""
    p_value: float
    """How often the accuracies of all groups would differ as much if groups did not matter (permutation test)."""

    @property
    def sentence(self) -> str:
        """The finding in words."""
        if not self.worst:
            return (
                f"Fewer than two groups of {self.by} have {COMPARED} samples or more: too few to say whether they "
                "differ."
            )
        low, high = self.gap_interval
        chance = "fewer than 1 in 1,000" if self.p_value < 0.001 else f"{1000 * self.p_value:.0f} in 1,000"
        what = " in how often all labels are right" if self.several else ""
        told = (
            f"The largest gap{what} is {100 * self.gap:.1f} points "
            f"(95 % interval {100 * low:.1f} to {100 * high:.1f}), between {self.best} and {self.worst}. "
        )
        if self.p_value >= 0.05:
            return (
                f"{told}Groups that do not differ would look as different by chance in {chance} draws: from these "
                "samples nothing follows."
            )
        return (
            f"{told}By chance groups would look as different in {chance} draws: they differ. Why they do is not in "
            "these numbers; groups may hold other classes, other pictures, other labels."
        )

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        return {f"by {self.by}": self.sentence}

    @property
    def several(self) -> bool:
        """Are they of a net that says several labels?"""
        return any(isinstance(group, LabelGroup) for group in self.groups)

    @property
    def columns(self) -> tuple[str, ...]:
        """Titles of the table."""
        if self.several:
            return ("samples", "all right", "95 % interval", "false +", "false −", "mAP")
        rates = ("false +", "false −") if self._two_classes else ()
        return ("samples", "accuracy", "95 % interval", "balanced", "calibr. err.", *rates)

    @property
    def _two_classes(self) -> bool:
        rates = (group.false_positive_rate + group.false_negative_rate for group in self.groups)
        return not self.several and any(not math.isnan(both) for both in rates)

    def rows(self) -> list[tuple[str, ...]]:
        """A row of texts a group."""
        return [
            (group.name, f"{group.samples:,}", percent(group.accuracy, 1), span(group.interval), *self._cells(group))
            for group in self.groups
        ]

    def _cells(self, group: Group) -> tuple[str, ...]:
        """What is told beside the accuracy."""
        rates = percent(group.false_positive_rate, 1), percent(group.false_negative_rate, 1)
        if isinstance(group, LabelGroup):
            return (*rates, percent(group.mean_ap, 1))
        assert isinstance(group, ClassGroup)
        own = percent(group.balanced_accuracy, 1), percent(group.ece, 1)
        return (*own, *(rates if self._two_classes else ()))

    def __str__(self) -> str:
        # Of two classes the rates are worth more than the calibration error, and names need their room.
        wide: tuple[int, ...] = (8, 10, 15, 10, 0, 9, 9) if self._two_classes else (8, 10, 15, 10, 13)
        wide = (8, 11, 15, 9, 9, 8) if self.several else wide
        name = 80 - sum(wide) if self._two_classes or self.several else 24
        lines = []
        for first, *cells in ((f"by {self.by}", *self.columns), *self.rows()[:SHOWN]):
            told = (f"{cell:>{width}}" for cell, width in zip(cells, wide, strict=True) if width)
            lines.append(in_columns(first, name) + "".join(told))
        if len(self.groups) > SHOWN:
            more = self.groups[SHOWN:]
            larger = "larger group" if more[0].samples > self.groups[SHOWN - 1].samples else "other group"
            lines.append(f"… and {plural(len(more), larger)} (--json has all)")
        return "\n".join([*lines, "", super().__str__()])

    def _repr_html_(self) -> str:
        return html_table([self.by, *self.columns], self.rows()) + super()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "by": self.by,
            "split": self.split,
            "samples": self.samples,
            "groups": [
                {**plain(group), "exact" if self.several else "accuracy": group.accuracy} for group in self.groups
            ],
            "largest_gap": plain(
                {"best": self.best, "worst": self.worst, "points": self.gap, "interval": self.gap_interval}
            ),
            "p_value": plain(self.p_value),
        }


def by_groups(result: Evaluation | SeveralLabels, names: Sequence[str], by: str) -> Groups:
    """The samples of an evaluation by the group of each (N names, in its order); `by` is what the groups are.

    Raises DataError where all are of one group, UsageError where nearly every sample has a group of its own.
    """
    groups = np.array([name.strip() or UNNAMED for name in names])
    kinds = list(dict.fromkeys(groups.tolist()))
    if len(kinds) < 2:
        raise DataError(f"all {plural(len(groups), 'sample')} have one {by}: {kinds[0]!r}", hint="name another column")
    if len(kinds) > 20 and len(kinds) > len(groups) / 2:
        raise UsageError(
            f"{by} has {len(kinds):,} values for {plural(len(groups), 'sample')}: it tells samples, not groups",
            hint="name a column that many samples share",
        )
    found = sorted((_group(result, groups == kind, kind) for kind in kinds), key=lambda g: (g.samples, g.name))
    if by in LOOKS:  # fifths are as large as one another, and have an order of their own
        found.sort(key=lambda group: FIFTHS.index(group.name.split()[0]))
    large = sorted((g for g in found if g.samples >= COMPARED), key=lambda g: g.accuracy)
    worst, best = (large[0], large[-1]) if len(large) > 1 else (None, None)
    return Groups(
        by=by,
        split=result.split,
        samples=len(groups),
        groups=tuple(found),
        worst=worst.name if worst else "",
        best=best.name if best else "",
        gap=best.accuracy - worst.accuracy if best and worst else math.nan,
        gap_interval=difference(best.right, best.samples, worst.right, worst.samples) if best and worst else NOTHING,
        p_value=by_chance([g.samples for g in large], [g.right for g in large]) if len(large) > 1 else math.nan,
    )


def by_look(images: np.ndarray, by: str) -> list[str]:
    """The fifth that each picture (N C H W uint8) is in, by one of `LOOKS`: its name, with its ends from 0 to 1.

    >>> by_look(np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1) * 20, "brightness")[::4]
    ['lowest (0.00–0.14)', 'middle (0.28–0.42)', 'highest (0.56–0.71)']
    """
    flat = (image.astype(np.float32) / 255 for image in images)
    values = np.array([pixels.mean() if by == "brightness" else pixels.std() for pixels in flat])
    ends = np.quantile(values, np.linspace(0, 1, len(FIFTHS) + 1))
    place = np.searchsorted(ends[1:-1], values, side="right")
    return [f"{FIFTHS[k]} ({ends[k]:.2f}–{ends[k + 1]:.2f})" for k in place]


def _group(result: Evaluation | SeveralLabels, own: np.ndarray, name: str) -> Group:
    if isinstance(result, SeveralLabels):
        return _label_group(result, own, name)
    return _class_group(result, own, name)


def _label_group(result: SeveralLabels, own: np.ndarray, name: str) -> LabelGroup:
    there, said = result.truth[own] > 0, result.said[own]  # N K
    right, samples = int(result.right[own].sum()), int(own.sum())
    return LabelGroup(
        name=name,
        samples=samples,
        right=right,
        interval=wilson(right, samples),
        mean_ap=mean_precision(result.shares[own], result.truth[own]) if there.any() else math.nan,
        false_positive_rate=float(said[~there].mean()) if not there.all() else math.nan,
        false_negative_rate=float((~said[there]).mean()) if there.any() else math.nan,
    )


def _class_group(result: Evaluation, own: np.ndarray, name: str) -> ClassGroup:
    labels, predicted = result.labels[own], result.predicted[own]
    right = labels == predicted
    recalls = [float(right[labels == k].mean()) for k in np.unique(labels)]
    rates = [math.nan, math.nan]
    if len(result.class_names) == 2:
        rates = [float((~right[labels == k]).mean()) if (labels == k).any() else math.nan for k in (0, 1)]
    return ClassGroup(
        name=name,
        samples=int(own.sum()),
        right=int(right.sum()),
        interval=wilson(int(right.sum()), int(own.sum())),
        balanced_accuracy=float(np.mean(recalls)),
        ece=calibration(result.confidence[own], right).ece,
        mean_confidence=float(result.confidence[own].mean()),
        false_positive_rate=rates[0],
        false_negative_rate=rates[1],
    )


def difference(right: int, samples: int, other_right: int, other_samples: int, *, level: float = 0.95) -> Interval:
    """Interval of the difference of two shares of different samples (Newcombe 1998, method 10, from Wilson's).

    >>> [round(end, 4) for end in difference(56, 70, 48, 80)]
    [0.0524, 0.3339]
    """
    first, second = right / samples, other_right / other_samples
    (low, high), (other_low, other_high) = (
        wilson(right, samples, level=level), wilson(other_right, other_samples, level=level)
    )  # fmt: skip
    gap = first - second
    return gap - math.hypot(first - low, other_high - second), gap + math.hypot(high - first, second - other_low)


def by_chance(samples: Sequence[int], right: Sequence[int], *, seed: int = 0) -> float:
    """P-value that groups do not matter: the right answers dealt out anew, Pearson's chi-squared as the measure.

    >>> by_chance([50, 50], [25, 25]), by_chance([50, 50], [45, 10]) < 0.001
    (1.0, True)
    """
    sizes, rights = np.array(samples), np.array(right)
    total, share = int(rights.sum()), float(rights.sum() / sizes.sum())
    if share in (0, 1):
        return 1.0
    expected = sizes * share

    def spread(counts: np.ndarray) -> np.ndarray:
        return np.asarray((np.square(counts - expected) / (expected * (1 - share))).sum(axis=-1))

    drawn = np.random.default_rng(seed).multivariate_hypergeometric(sizes, total, size=DRAWS, method="marginals")
    as_large = int((spread(drawn) >= spread(rights) - 1e-9).sum())
    return (as_large + 1) / (DRAWS + 1)
