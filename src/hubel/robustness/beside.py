"""Nets on the same spoilt pictures, each beside the first: differences with intervals, and errors per error."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.metrics.intervals import Interval, mean_interval
from hubel.robustness.measuring import Robustness
from hubel.views import Viewed
from hubel.words import in_columns, plain


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A net beside a reference on the same pictures, for one corruption or all together."""

    corruption: str
    """"" for the pictures as they are, "all" for the mean of the corruptions."""
    accuracy: float
    reference: float
    difference: float
    """accuracy - reference."""
    interval: Interval
    """95 % interval of the difference, picture by picture."""
    error_ratio: float
    """Errors of the net per error of the reference (the corruption error of Hendrycks & Dietterich); NaN for none."""


@dataclass(frozen=True, kw_only=True)
class RobustComparison(Viewed):
    """Nets on the same pictures, each beside the first."""

    runs: tuple[Robustness, ...]
    beside: tuple[tuple[Beside, ...], ...]
    """For each run but the first: as they are, all together, then corruption by corruption."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Each run beside the first, in words."""
        return tuple(
            _finding(run.run, self.runs[0].run, rows) for run, rows in zip(self.runs[1:], self.beside, strict=True)
        )

    def mean_error_ratio(self, index: int) -> float:
        """The mean over corruptions (mCE) of the run `index` (1 is the second), the first being 1; NaN for none."""
        ratios = [row.error_ratio for row in self.beside[index - 1] if row.corruption not in ("", "all")]
        return float(np.mean(ratios)) if ratios and np.isfinite(ratios).all() else float("nan")

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        said = dict(zip((run.run for run in self.runs[1:]), self.sentences, strict=True))
        return {run.run: run.sentence for run in self.runs[:1]} | said

    def __str__(self) -> str:
        names = [in_columns(run.run, 13).strip() for run in self.runs]
        lines = [f"{'':<18}" + "".join(f"{name:>14}" for name in names)]
        for row in (None, *self.runs[0].corruptions):
            values = [run.clean.accuracy if row is None else run.accuracy(row) for run in self.runs]
            lines.append(f"{in_columns(row or 'as they are', 18)}" + "".join(f"{100 * v:>14.1f}" for v in values))
        if self.runs[0].cells:
            lines.append(f"{'mean':<18}" + "".join(f"{100 * run.corrupted:>14.1f}" for run in self.runs))
        return "\n".join([*lines, "", *(textwrap.fill(sentence, 80) for sentence in self.sentences)])

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "runs": [run.to_dict() for run in self.runs],
            "beside": {
                run.run: {
                    "mean_error_ratio": plain(self.mean_error_ratio(index)),
                    "rows": [plain(row) for row in rows],
                }
                for index, (run, rows) in enumerate(zip(self.runs[1:], self.beside, strict=True), 1)
            },
        }


def _finding(run: str, reference: str, rows: Sequence[Beside]) -> str:
    parts = []
    for row, what in zip(rows[:2], ("as they are", "spoilt"), strict=False):
        low, high = (f"{100 * end:+.1f}" for end in row.interval)
        luck = "" if row.interval[0] > 0 or row.interval[1] < 0 else ", which may be luck"
        parts.append(f"{100 * row.difference:+.1f} points on pictures {what} (95 % interval {low} to {high}{luck})")
    return f"{run} against {reference}: {'; '.join(parts)}."


def lay_beside(runs: Sequence[Robustness]) -> RobustComparison:
    """Each run beside the first, on the same pictures and corruptions."""
    reference = runs[0]
    found = []
    for run in runs[1:]:
        pairs: list[tuple[str, np.ndarray, np.ndarray]] = [("", run.clean.right, reference.clean.right)]
        if run.cells:
            pairs.append(("all", run.shares(), reference.shares()))
        pairs += [(name, run.shares(name), reference.shares(name)) for name in run.corruptions]
        found.append(tuple(_beside(name, *(part.astype(np.float64) for part in both)) for name, *both in pairs))
    return RobustComparison(runs=tuple(runs), beside=tuple(found))


def _beside(name: str, own: np.ndarray, other: np.ndarray) -> Beside:
    errors = float(1 - other.mean())
    return Beside(
        corruption=name,
        accuracy=float(own.mean()),
        reference=float(other.mean()),
        difference=float((own - other).mean()),
        interval=mean_interval(own - other),
        error_ratio=float(1 - own.mean()) / errors if errors > 0 else float("nan"),
    )
