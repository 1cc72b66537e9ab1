"""What several trainings of one kind came to: the mean, how far they spread, and how sure the mean is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.errors import UsageError
from hubel.metrics.intervals import Interval, resampled_interval
from hubel.views import Viewed
from hubel.words import percent, plain, span


@dataclass(frozen=True, kw_only=True)
class Spread(Viewed):
    """The results of the members of a series, of folds or of seeds."""

    kind: str
    """folds or seeds."""
    metric: str
    """accuracy, or rmse where a number is predicted."""
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
        count, shares = len(self.values), self.metric == "accuracy"
        if count < 2:
            return f"One run says nothing of how far runs spread: {self._written(self.mean)}."
        spread = f"{100 * self.deviation:.2f}" if shares else f"{self.deviation:.3g}"
        low, high = self.interval
        between = span((max(0.0, low), min(1.0, high))) if shares else f"{low:.4g}–{high:.4g}"
        what = "names" if shares else "errs by"
        of = "of the pictures it has not seen" if self.kind == "folds" else "of the test pictures"
        correct = f" {of} correctly" if shares else f" (rmse) {of.replace('of', 'on', 1)}"
        why = ", corrected for the training pictures that folds share" if self.kind == "folds" else ""
        return (
            f"Over {count} {self.kind} it {what} {self._written(self.mean)} ± {spread}{correct} "
            f"(95 % interval of the mean {between}{why})."
        )

    def _written(self, value: float) -> str:
        return percent(value) if self.metric == "accuracy" else f"{value:.4g}"

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
        Over 3 seeds it names 97.00 % ± 1.00 of the test pictures correctly (95 % interval of the mean 94.5–99.5 %).
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
            interval=resampled_interval(known, ratio),
            ratio=ratio,
        )
