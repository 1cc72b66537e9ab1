"""What several trainings of one kind came to: mean, spread, how sure the mean is; and two series in pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.errors import UsageError
from hubel.metrics.intervals import Interval, resampled_interval
from hubel.views import Viewed
from hubel.words import MEASURES, in_full, plain, span


@dataclass(frozen=True, kw_only=True)
class Spread(Viewed):
    """The results of the members of a series, of folds or of seeds."""

    kind: str
    """folds or seeds."""
    metric: str
    """Which number of the test: one of `hubel.words.MEASURES`."""
    values: tuple[float, ...]
    """One a member."""
    mean: float
    deviation: float
    """Standard deviation over the members."""
    interval: Interval
    """95 % of the mean: Student's t over seeds; over folds corrected for the pictures that they share."""
    ratio: float
    """Test samples per training sample, by which folds are corrected; 0 for seeds."""

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        count, measure = len(self.values), MEASURES[self.metric]
        if count < 2:
            return f"One run says nothing of how far runs spread: {self._written(self.mean)}."
        spread = f"{100 * self.deviation:.2f}" if measure.share else in_full(self.deviation)
        why = ", corrected for the training samples that folds share" if self.kind == "folds" else ""
        told, sure = f"{self._written(self.mean)} ± {spread}", f"(95 % interval of the mean {self.between}{why})."
        seen = "the samples it has not seen" if self.kind == "folds" else "the test samples"
        if self.metric == "accuracy":
            return f"Over {count} {self.kind} it names {told} of {seen} correctly {sure}"
        if self.metric == "rmse":
            return f"Over {count} {self.kind} it errs by {told} (rmse) on {seen} {sure}"
        return f"Over {count} {self.kind} its {measure.title} on {seen} is {told} {sure}"

    @property
    def between(self) -> str:
        """The interval of the mean as it is told."""
        low, high = self.interval
        if not MEASURES[self.metric].share:
            return f"{in_full(low)}–{in_full(high)}"
        least, most = MEASURES[self.metric].ends
        return span((max(least, low), min(most, high)))

    def _written(self, value: float) -> str:
        return MEASURES[self.metric].written(value)

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        return {"spread": self.sentence, "of": ", ".join(map(self._written, self.values))}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dict(plain(self))

    @classmethod
    def of(cls, kind: str, metric: str, values: Sequence[float], ratio: float = 0.0) -> Spread:
        """From one value a member; `ratio` is that of test to training samples of folds. UsageError for no value.

        >>> print(Spread.of("seeds", "accuracy", [0.96, 0.97, 0.98]).sentence)
        Over 3 seeds it names 97.00 % ± 1.00 of the test samples correctly (95 % interval of the mean 94.5–99.5 %).
        """
        if not values:
            raise UsageError("a spread needs at least one value, got none", hint="train the members first")
        known = np.asarray(values, dtype=np.float64)
        return cls(
            kind=kind,
            metric=metric,
            values=tuple(known.tolist()),
            mean=float(known.mean()),
            deviation=float(known.std(ddof=1)) if len(known) > 1 else math.nan,
            interval=resampled_interval(known, ratio, within=MEASURES[metric].ends),
            ratio=ratio,
        )


@dataclass(frozen=True, kw_only=True)
class Difference(Viewed):
    """Two series of one kind, member by member: folds against the same folds, seeds against the same seeds."""

    kind: str
    """folds or seeds."""
    metric: str
    first: str
    """The series that is better in the mean."""
    second: str
    members: tuple[str, ...]
    """Those that were tested on the same samples in both."""
    differences: tuple[float, ...]
    """One a member: by how much `first` is better."""
    mean: float
    interval: Interval
    """95 % of the mean, as that of `Spread`."""

    @property
    def sentence(self) -> str:
        """The finding in words."""
        measure, count, low = MEASURES[self.metric], len(self.members), self.interval[0]
        shares, of = measure.share, "" if self.metric == "accuracy" else f" of {measure.title}"
        scale, unit = (100, f" points{of}") if shares else (1, of)
        if not any(self.differences):
            return f"{self.first} and {self.second} are alike in each of {count} {self.kind}."
        ends = " to ".join(
            f"{scale * end:+.2f}" if shares else f"{'+' if end >= 0 else ''}{in_full(end)}" for end in self.interval
        )
        why = ", corrected for the training samples that folds share" if self.kind == "folds" else ""
        size = f"{scale * self.mean:.2f}" if shares else in_full(self.mean)
        wins = sum(value > 0 for value in self.differences)
        verdict = (
            f"{self.first} is better than {self.second}"
            if low > 0
            else f"{self.first} and {self.second} cannot be told apart"
        )
        return (
            f"{verdict} over {count} {self.kind}: {self.first} is ahead by {size}{unit} in the mean "
            f"(95 % interval {ends}{why}), and in {wins} of {count}."
        )

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        return {"difference": self.sentence}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dict(plain(self)) | {"sentence": self.sentence}

    @classmethod
    def of(
        cls,
        kind: str,
        metric: str,
        names: tuple[str, str],
        values: Mapping[str, tuple[float, float]],
        ratio: float = 0.0,
    ) -> Difference:
        """From a pair of values a member; `ratio` as in `Spread.of`. UsageError for fewer than two members.

        >>> pairs = {"1/3": (0.90, 0.94), "2/3": (0.91, 0.96), "3/3": (0.90, 0.93)}
        >>> print(Difference.of("folds", "accuracy", ("old", "new"), pairs, 0.5).sentence[:84])
        new is better than old over 3 folds: new is ahead by 4.00 points in the mean (95 % i
        """
        if len(values) < 2:
            raise UsageError(
                f"two series are compared by two members or more that were tested alike, got {len(values)}",
                hint="train both with the same --folds or --seeds, the same --seed and --split-seed",
            )
        known = np.array([first - second for first, second in values.values()])
        known = -known if MEASURES[metric].falls else known
        if known.mean() < 0:
            known, names = -known, names[::-1]
        low, high = MEASURES[metric].ends
        most = high - low
        return cls(
            kind=kind, metric=metric, first=names[0], second=names[1], members=tuple(values),
            differences=tuple(known.tolist()), mean=float(known.mean()),
            interval=resampled_interval(known, ratio, within=(-most, most)),
        )  # fmt: skip
