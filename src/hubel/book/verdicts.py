"""Verdicts on claims: what the numbers allow to say, at 95 %.

A claim that one thing is larger than another by more than `by` is CONFIRMED when the whole 95 % interval of the
difference lies above `by`, REFUTED when it lies below, and UNDECIDED when it holds both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hubel.metrics.intervals import mean_interval, paired_difference, resampled_interval, wilson

CONFIRMED, REFUTED, UNDECIDED = "confirmed", "refuted", "undecided"
NOT_YET, NO_DATA, OPINION, ONLY_FULL = "not measured yet", "no data", "opinion", "only in full"
NEEDS_GPU = "needs a GPU"

VERDICTS = {
    CONFIRMED: "as told",
    REFUTED: "it came out differently",
    UNDECIDED: "the interval allows both",
    NOT_YET: "not measured yet",
    NO_DATA: "not run: no data",
    OPINION: "no verdict: an opinion",
    ONLY_FULL: "measured only with --full",
    NEEDS_GPU: "not run: needs a GPU",
}
"""Every verdict, in words."""

MEASURED = (CONFIRMED, REFUTED, UNDECIDED)

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came out for one claim."""

    verdict: str
    text: str
    """The numbers, with the interval where chance plays a part."""


def exact(holds: bool, text: str) -> Finding:
    """For what no chance plays a part in: arithmetic, shapes, identities.

    >>> exact(1 + 1 == 2, "2").verdict
    'confirmed'
    """
    return Finding(CONFIRMED if holds else REFUTED, text)


def compared(interval: Interval, by: float, text: str) -> Finding:
    """The verdict on "more than `by`" from the interval of a difference.

    >>> compared((0.1, 0.3), 0.0, "").verdict, compared((-0.3, -0.1), 0.0, "").verdict, compared((-1, 1), 0, "").verdict
    ('confirmed', 'refuted', 'undecided')
    >>> compared((float("nan"), 1.0), 0.0, "").verdict
    'undecided'
    """
    low, high = interval
    return Finding(CONFIRMED if low > by else REFUTED if high < by else UNDECIDED, text)


def more_right(first_SN: np.ndarray, second_SN: np.ndarray, text: str, *, by: float = 0.0) -> Finding:
    """Is the first classifier right on a larger share of the same N samples, by more than `by`? (paired interval)

    Both are booleans, N, or S N for S seeds: a sample that several seeds answer counts as one, right in a share of
    them. The shares and the interval are put behind `text`.

    >>> first, second = np.arange(100) < 95, np.arange(100) < 60
    >>> print(more_right(first, second, "A beside B").text)
    A beside B: 95.0 % beside 60.0 %, +35.0 points (95 % interval +26.0 to +44.0)
    >>> more_right(np.stack([first, first]), np.stack([second, second]), "twice").text[-37:]
    'points (95 % interval +25.6 to +44.4)'
    """
    one, two = np.asarray(first_SN, dtype=bool), np.asarray(second_SN, dtype=bool)
    difference, interval = one.mean() - two.mean(), paired(one, two)
    told = (
        f"{text}: {percent(one.mean())} beside {percent(two.mean())}, {points(difference)} points {between(interval)}"
    )
    return compared(interval, by, told)


def paired(first_SN: np.ndarray, second_SN: np.ndarray) -> Interval:
    """The 95 % interval of the difference of two shares on the same samples, N, or S N for S seeds."""
    one, two = np.atleast_2d(first_SN), np.atleast_2d(second_SN)
    if len(one) > 1 or len(two) > 1:
        return mean_interval(one.mean(0) - two.mean(0))
    return paired_difference(int((one & ~two).sum()), int((two & ~one).sum()), one.shape[1])


def more_in_mean(differences: Sequence[float], text: str, *, by: float = 0.0, digits: int = 3) -> Finding:
    """Is the mean of differences over seeds above `by`? Mean ± t; a single seed decides nothing.

    >>> more_in_mean([1.0, 1.1, 0.9], "gain").text
    'gain: +1 (95 % interval +0.752 to +1.25, 3 seeds)'
    >>> more_in_mean([5.0], "gain").verdict
    'undecided'
    """
    values = np.asarray(differences, dtype=np.float64)
    interval = resampled_interval(values)
    told = f"{text}: {values.mean():+.{digits}g} "
    if len(values) < 2:
        return Finding(UNDECIDED, told + "(one seed: no interval)")
    if float(np.ptp(values)) == 0:
        return Finding(UNDECIDED, told + f"with each of {len(values)} seeds: no spread to judge by")
    low, high = (f"{end:+.{digits}g}" for end in interval)
    return compared(interval, by, told + f"(95 % interval {low} to {high}, {len(values)} seeds)")


def share_above(hits: int, trials: int, level: float, text: str) -> Finding:
    """Is a share above `level`? By Wilson's interval.

    >>> share_above(98, 100, 0.9, "right").text
    'right: 98.0 % (95 % interval 93.0 % to 99.4 %)'
    """
    low, high = wilson(hits, trials)
    told = f"{text}: {percent(hits / max(trials, 1))} (95 % interval {percent(low)} to {percent(high)})"
    return compared((low, high), level, told)


def together(findings: Iterable[Finding]) -> Finding:
    """A claim of several parts: confirmed where all are, refuted where one is."""
    known = tuple(findings)
    verdicts = {finding.verdict for finding in known}
    verdict = REFUTED if REFUTED in verdicts else CONFIRMED if verdicts == {CONFIRMED} else UNDECIDED
    return Finding(verdict, "; ".join(finding.text for finding in known))


def denied(finding: Finding) -> Finding:
    """The verdict on the contrary."""
    swapped = {CONFIRMED: REFUTED, REFUTED: CONFIRMED}
    return Finding(swapped.get(finding.verdict, finding.verdict), finding.text)


def percent(share: float) -> str:
    """97.1 %."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """+1.4, in points of a hundred."""
    return f"{100 * difference:+.1f}"


def between(interval: Interval) -> str:
    """An interval of a difference of shares, in points."""
    return f"(95 % interval {points(interval[0])} to {points(interval[1])})"
