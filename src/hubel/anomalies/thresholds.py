"""From which score on a picture is called strange: a threshold from normal pictures alone, at a stated rate.

Normal pictures that took no part in the learning are scored. Of M of them, the k-th smallest score is passed by a new
normal picture with a chance that follows Beta(M + 1 - k, k), whatever the scores look like (order statistics; Wilks
1941): its mean, (M + 1 - k) / (M + 1), is the rate that is stated, and its middle 95 % are the interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hubel.errors import UsageError
from hubel.metrics.intervals import Interval
from hubel.words import percent, span


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A score from which on a picture is called strange, and how many normal ones will be."""

    score: float
    """Raw, as the method gives it: above it a picture is strange."""
    usual: float
    """Raw: the median of the normal pictures that were held out."""
    asked: float
    """Rate of false alarms that was asked for."""
    rate: float
    """Expected rate; larger than `asked` where too few pictures were held out to promise that."""
    interval: Interval
    """95 % of it."""
    held: int
    """Normal pictures that were held out."""

    def normalised(self, raw: np.ndarray) -> np.ndarray:
        """Scores in which 0 is the usual and 1 the threshold, whatever the method: N from N, or maps from maps.

        >>> about = Threshold(score=4.0, usual=2.0, asked=0.1, rate=0.1, interval=(0.0, 0.2), held=9)
        >>> about.normalised(np.array([2.0, 4.0, 5.0])).tolist()
        [0.0, 1.0, 1.5]
        """
        return (raw - self.usual) / self.scale

    @property
    def scale(self) -> float:
        """Raw: from the usual to the threshold, which is 1 then; above 0."""
        return max(self.score - self.usual, 1e-12 * max(1.0, abs(self.score)), 1e-300)

    @property
    def promised(self) -> bool:
        """Were enough pictures held out for the rate that was asked for?"""
        return self.rate <= self.asked + 1e-12

    @property
    def needed(self) -> int:
        """Held-out pictures that the rate asked for needs at least."""
        return math.ceil(1 / self.asked - 1e-9) - 1

    @property
    def sentence(self) -> str:
        """The threshold in words."""
        said = (
            f"Of new normal pictures about {percent(self.rate, 1)} pass the threshold (95 % interval "
            f"{span(self.interval)}), by {self.held:,} normal pictures that were held out"
        )
        if self.promised:
            return f"{said}."
        return f"{said}; for the {percent(self.asked, 1)} asked for at least {self.needed:,} must be."


def threshold(scores_M: np.ndarray, rate: float) -> Threshold:
    """The threshold for a rate of false alarms, from the scores of M held-out normal pictures.

    The smallest score whose expected rate is no larger than asked for; the largest of all where M is too small for it.
    Raises UsageError for a rate that is none.

    >>> found = threshold(np.arange(1.0, 100.0), 0.05)
    >>> found.score, found.rate, [round(x, 3) for x in found.interval]
    (95.0, 0.05, [0.017, 0.1])
    >>> threshold(np.arange(9.0), 0.01).rate, threshold(np.arange(9.0), 0.01).needed
    (0.1, 99)
    """
    check_rate(rate)
    held = len(scores_M)
    place = min(held, math.ceil((held + 1) * (1 - rate) - 1e-9))
    expected = (held + 1 - place) / (held + 1)
    ordered = np.sort(scores_M)
    return Threshold(
        score=float(ordered[place - 1]), usual=float(np.median(ordered)), asked=rate,
        rate=expected, interval=rate_interval(expected, held), held=held,
    )  # fmt: skip


def rate_interval(rate: float, held: float) -> Interval:
    """Middle 95 % of the rate of false alarms, whose mean is `rate`, of an order statistic of so many independent
    scores; of scores that are alike, of the number that they are worth (`hubel.metrics.dependence`).

    >>> [round(x, 3) for x in rate_interval(0.05, 99)], [round(x, 3) for x in rate_interval(0.05, 33)]
    ([0.017, 0.1], [0.005, 0.143])
    """
    from scipy.stats import beta  # half a second to load, and a saved threshold needs it not

    low, high = beta.ppf([0.025, 0.975], rate * (held + 1), (1 - rate) * (held + 1))
    return float(low), float(high)


def check_rate(rate: float) -> None:
    """Raise UsageError for what is no rate of false alarms."""
    if not 0 < rate < 1:
        raise UsageError(f"a rate of false alarms lies between 0 and 1, got {rate:g}", hint="--false-alarms 0.01")


def held_out(count: int, rate: float) -> int:
    """How many of so many normal pictures are held out: what the rate needs, between a fifth and two fifths.

    >>> held_out(200, 0.01), held_out(1000, 0.01), held_out(200, 0.05)
    (80, 200, 40)
    """
    needed = math.ceil(1 / rate - 1e-9) - 1
    return max(1, min(max(needed, count // 5), 2 * count // 5))
