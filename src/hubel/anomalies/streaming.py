"""Scores that come one after the other, and their moving averages: what changes slowly is seen in no single picture.

A camera that loses focus makes every picture a little stranger, none of them strange. The mean of the last w scores
varies sqrt(w) times less than one of them, and has a threshold of its own: the same rate of false alarms, by means of w
scores drawn from the normal pictures that were held out (bootstrap). The exponential average (Roberts 1959) forgets
evenly, and has the same memory: a weight of 2 / (w + 1) for the newest.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from hubel.errors import UsageError

DRAWS = 4_000
"""Means that are drawn for the threshold."""


@dataclass(frozen=True, kw_only=True)
class Passing:
    """What is known when one more picture has passed."""

    score: float
    strange: bool
    """Is this picture itself strange?"""
    mean: float
    """Of the last `window` scores; of all there were, where there were fewer."""
    recent: float
    """The exponential average."""
    drifting: bool
    """Is the mean of a full window beyond its own threshold?"""


class Stream:
    """Moving averages over scores that come one after the other.

    >>> stream = Stream(np.linspace(-1, 1, 99), window=4, rate=0.01)
    >>> [stream.add(score).drifting for score in (0.9, 0.9, 0.9, 0.9)]
    [False, False, False, True]
    >>> stream.border < 0.9
    True
    """

    def __init__(self, usual_scores: np.ndarray, *, window: int = 10, rate: float = 0.01, seed: int = 0) -> None:
        """`usual_scores`: of normal pictures that were held out; `rate`: of false alarms of the mean."""
        if window < 1:
            raise UsageError(f"a window holds at least one picture, got {window}", hint="--window 10")
        self.window = window
        self._last: deque[float] = deque(maxlen=window)
        self._recent: float | None = None
        usual = np.asarray(usual_scores, np.float64)
        drawn = np.random.default_rng(seed).choice(usual, size=(DRAWS, window)) if len(usual) else np.zeros((1, 1))
        self.border = float(np.quantile(drawn.mean(axis=1), 1 - rate))
        """Above it the mean of a full window says that something has changed."""

    def add(self, score: float) -> Passing:
        """One more score."""
        self._last.append(score)
        share = 2 / (self.window + 1)
        self._recent = score if self._recent is None else (1 - share) * self._recent + share * score
        mean = float(np.mean(self._last))
        full = len(self._last) == self.window
        return Passing(
            score=score, strange=score > 1, mean=mean, recent=self._recent, drifting=full and mean > self.border
        )
