"""How far a number from N samples can be trusted: 95 % intervals and tests of a difference.

The test set is a sample of the world: 99 % on 100 pictures may be 95 % or 100 % on the next thousand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from scipy.special import stdtrit

Interval = tuple[float, float]
NOTHING: Interval = (math.nan, math.nan)


def wilson(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Interval of a proportion (Wilson 1927): right also near 0 and 1, where the usual ± formula fails.

    >>> [round(x, 4) for x in wilson(98, 100)]
    [0.93, 0.9945]
    """
    if trials == 0:
        return NOTHING
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, spread = successes / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread)
    # At the ends the formula gives 0 and 1 up to rounding.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def mean_interval(values_N: np.ndarray, *, level: float = 0.95, within: Interval = (-math.inf, math.inf)) -> Interval:
    """Interval of a mean: ± z s / sqrt(N), to which the bootstrap of a mean converges.

    `within`: between what the mean must lie, where it cannot be just anything; the interval ends there at the latest.

    >>> [round(x, 3) for x in mean_interval(np.array([0.0, 1.0] * 50))]
    [0.402, 0.598]
    >>> mean_interval(np.array([0.0, 0.0, 3.0]), within=(0, math.inf))[0]
    0.0
    """
    if len(values_N) < 2:
        return NOTHING
    half = NormalDist().inv_cdf(0.5 + level / 2) * float(values_N.std(ddof=1)) / math.sqrt(len(values_N))
    mean = float(values_N.mean())
    return float(max(mean - half, within[0])), float(min(mean + half, within[1]))


def bootstrap(
    statistic: Callable[[np.ndarray], float], samples: int, *, seed: int = 0, draws: int = 1000, level: float = 0.95
) -> Interval:
    """Percentile bootstrap (Efron 1979) of any statistic of N samples; `statistic` gets N row numbers, with repeats.

    >>> values = np.arange(100.0)
    >>> low, high = bootstrap(lambda rows: float(values[rows].mean()), len(values))
    >>> 40 < low < 49.5 < high < 60
    True
    """
    return percentiles(drawn_values(statistic, samples, seed=seed, draws=draws), level=level)


def drawn_values(
    statistic: Callable[[np.ndarray], float], samples: int, *, seed: int = 0, draws: int = 1000
) -> np.ndarray:
    """What a statistic of N row numbers comes to in each of so many draws; nothing of no sample."""
    random = np.random.default_rng(seed)
    count = draws if samples else 0
    return np.array([statistic(random.integers(0, samples, samples)) for _ in range(count)])


def redrawn(samples: int, *, seed: int = 0, draws: int = 1000, room: int = 4_000_000) -> Iterator[np.ndarray]:
    """How often each of N samples is drawn where N are drawn with replacement: D N in parts, `draws` rows in all.

    For statistics that take weights, so that the same draws serve every one of them. A part has about `room` numbers.

    >>> [part.sum(axis=1).tolist() for part in redrawn(5, draws=3, room=10)]
    [[5, 5], [5]]
    """
    random, shares = np.random.default_rng(seed), np.full(samples, 1 / max(1, samples))
    each = max(1, room // max(1, samples))
    for start in range(0, draws, each):
        yield random.multinomial(samples, shares, size=min(each, draws - start))


def sign_chance(values: np.ndarray) -> float:
    """Two-sided p-value that a difference is 0, from what it came to in D draws: twice the share on the rarer side.

    It cannot be smaller than 2 / (D + 1).

    >>> sign_chance(np.arange(1.0, 100.0)), round(sign_chance(np.arange(-2.0, 97.0)), 2)
    (0.02, 0.06)
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return 1.0
    rarer = max(1, min(int((known <= 0).sum()), int((known >= 0).sum())))
    return min(1.0, 2 * rarer / (len(known) + 1))


def bootstrap_confusion(
    statistics: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    confusion_KK: np.ndarray,
    *,
    seed: int = 0,
    draws: int = 1000,
    level: float = 0.95,
) -> list[Interval]:
    """Bootstrap intervals of statistics that are read off a confusion matrix, without touching the samples.

    Drawing N samples with replacement is drawing the cells of the matrix from a multinomial distribution, so the cost
    depends on the number of occupied cells and not on N. `statistics` gets D x K arrays (right, support, predicted) for
    D draws and returns D x S numbers; the result has S intervals.
    """
    K, total = len(confusion_KK), int(confusion_KK.sum())
    rows, columns = np.nonzero(confusion_KK)
    if not total:
        return []
    random = np.random.default_rng(seed)
    shares = confusion_KK[rows, columns] / total
    diagonal = rows == columns
    by_column = np.argsort(columns, kind="stable")
    # A slab of draws at a time bounds the memory at about 16 MB for any K.
    slab = max(1, 2_000_000 // max(len(rows), K))
    found = []
    for start in range(0, draws, slab):
        cells = random.multinomial(total, shares, size=min(slab, draws - start))
        right = np.zeros((len(cells), K))
        right[:, rows[diagonal]] = cells[:, diagonal]
        support = _sums(cells, rows, K)
        predicted = _sums(cells[:, by_column], columns[by_column], K)
        found.append(statistics(right, support, predicted))
    return [percentiles(column, level=level) for column in np.concatenate(found).T]


def _sums(cells_DM: np.ndarray, group_M: np.ndarray, groups: int) -> np.ndarray:
    """D x groups: sums of the cells of each group; `group_M` is sorted."""
    present, starts = np.unique(group_M, return_index=True)
    sums = np.zeros((len(cells_DM), groups))
    sums[:, present] = np.add.reduceat(cells_DM, starts, axis=1)
    return sums


def mean_known(values_DK: np.ndarray) -> np.ndarray:
    """D: the mean of what is known in each row, NaN where nothing is.

    >>> mean_known(np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])).tolist()
    [2.0, nan]
    """
    known = ~np.isnan(values_DK)
    many = known.sum(axis=1)
    total = np.where(known, values_DK, 0).sum(axis=1)
    return np.divide(total, many, out=np.full(len(many), np.nan), where=many > 0)


def percentiles(values: np.ndarray, *, level: float = 0.95) -> Interval:
    """The middle `level` of the values, NaN left out; NaN when none is known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return NOTHING
    low, high = np.quantile(known, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value (McNemar 1947) that two classifiers are equally good on the same samples.

    `only_first` samples were right with the first and wrong with the second, `only_second` the other way round;
    samples on which both agree say nothing about the difference.

    >>> mcnemar(5, 5), round(mcnemar(1, 9), 4)
    (1.0, 0.0215)
    """
    trials, fewer = only_first + only_second, min(only_first, only_second)
    if trials == 0:
        return 1.0
    logs = [_log_choose(trials, i) - trials * math.log(2) for i in range(fewer + 1)]
    largest = max(logs)
    tail = math.exp(largest) * sum(math.exp(value - largest) for value in logs)
    return min(1.0, 2 * tail)


def deciding_samples(only_first: int, only_second: int, samples: int, *, level: float = 0.05) -> int | None:
    """How many samples McNemar's test needs to see a difference of this size in four cases of five; None without one.

    With ψ the share of samples on which the two differ and δ the difference of their accuracies:
    N = (z(level / 2) √ψ + z(0.2) √(ψ − δ²))² / δ² (Connor, Sample size for testing differences in proportions for the
    paired-sample design, Biometrics 43, 1987).

    >>> deciding_samples(25, 17, 180), deciding_samples(20, 20, 180)
    (925, None)
    """
    if only_first == only_second:
        return None
    differing, difference = (only_first + only_second) / samples, abs(only_first - only_second) / samples
    normal = NormalDist()
    reach = normal.inv_cdf(1 - level / 2) * math.sqrt(differing)
    reach += normal.inv_cdf(0.8) * math.sqrt(differing - difference**2)
    return math.ceil((reach / difference) ** 2)


def paired_difference(
    only_first: int, only_second: int, samples: int, *, seed: int = 0, draws: int = 10_000, level: float = 0.95
) -> Interval:
    """Bootstrap interval of (first - second) / samples, the difference of two accuracies on the same samples.

    Drawing the samples again is drawing how many of them favour the first, the second, or neither.

    >>> low, high = paired_difference(30, 10, 1000)
    >>> 0 < low < 0.02 < high
    True
    """
    if samples == 0:
        return NOTHING
    shares = np.array([only_first, only_second, samples - only_first - only_second]) / samples
    drawn = np.random.default_rng(seed).multinomial(samples, shares, size=draws)
    return percentiles((drawn[:, 0] - drawn[:, 1]) / samples, level=level)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def resampled_interval(
    values_N: np.ndarray, ratio: float = 0.0, *, level: float = 0.95, within: Interval = (-math.inf, math.inf)
) -> Interval:  # fmt: skip
    """Interval of the mean of N trainings' results, by Student's t; for folds corrected for what they share.

    The variance of the mean is taken as (1/N + ratio) s², where `ratio` is test samples per training sample: trainings
    on folds share most of their pictures, so that s²/N is far too small (Nadeau & Bengio, Inference for the
    generalization error, Machine Learning 52, 2003). With ratio 0, of independent trainings, it is the plain interval.
    N below 2 tells nothing: NaN. `within` as of `mean_interval`.

    >>> values = np.array([0.90, 0.92, 0.94, 0.92, 0.92])
    >>> [[round(end, 4) for end in resampled_interval(values, ratio)] for ratio in (0.0, 1 / 4)]
    [[0.9024, 0.9376], [0.8937, 0.9463]]
    >>> resampled_interval(np.array([0.8, 1.0]), within=(0, 1))
    (0.0, 1.0)
    """
    if len(values_N) < 2:
        return NOTHING
    spread = math.sqrt((1 / len(values_N) + ratio) * float(values_N.var(ddof=1)))
    half = float(stdtrit(len(values_N) - 1, 0.5 + level / 2)) * spread
    mean = float(values_N.mean())
    return float(max(mean - half, within[0])), float(min(mean + half, within[1]))
