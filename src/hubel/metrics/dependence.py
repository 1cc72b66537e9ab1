"""How many independent samples the numbers of a series are worth, where those that follow one another are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LONGEST = 2_000
"""Steps between two numbers that are compared, at most."""


def effective_count(series: Sequence[np.ndarray]) -> float:
    """Independent samples that all numbers of several series are worth: n / (1 + 2 Σ ρ_k), 0 of none.

    The autocorrelations ρ_k are those of ranks, which a few large numbers do not sway, taken together over all series;
    they are summed as long as the sum of two neighbours is positive (Geyer 1992, initial positive sequence). What is
    not finite counts nowhere.

    >>> draw = np.random.default_rng(0)
    >>> alone = effective_count([draw.normal(size=2000)])
    >>> thrice = effective_count([np.repeat(draw.normal(size=2000), 3)])  # each number stands there three times
    >>> 1700 < alone <= 2000, 1700 < thrice <= 2000
    (True, True)
    """
    values = [np.asarray(one, dtype=np.float64) for one in series]
    every = np.concatenate([one[np.isfinite(one)] for one in values]) if values else np.zeros(0)
    count = len(every)
    if count < 3:
        return float(count)
    ordered = np.sort(every)
    ranks = [
        np.where(np.isfinite(one), np.searchsorted(ordered, one) + np.searchsorted(ordered, one, side="right"), np.nan)
        for one in values
    ]
    away = [each - count for each in ranks]  # the mean of both places, twice
    variance = sum(float(np.nansum(each**2)) for each in away) / count
    if variance <= 0:
        return 1.0
    most = min(LONGEST, max(len(one) for one in values) - 1)
    total, before = 0.0, 1.0
    for lag in range(1, most + 1):
        pairs = [each[lag:] * each[:-lag] for each in away if len(each) > lag]
        there = sum(int(np.isfinite(each).sum()) for each in pairs)
        # Divided by all, not by the pairs there are: far lags have few of them, and would be noise (Priestley 1981).
        here = sum(float(np.nansum(each)) for each in pairs) / (count * variance) if there else 0.0
        if lag % 2:
            if before + here <= 0:
                break
            total += before + here
        before = here
    return float(min(count, max(1.0, count / max(2 * total - 1, 1.0))))
