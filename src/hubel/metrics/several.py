"""Several labels a sample: scores N K and truth N K of 0 and 1 in, numbers out.

average precision   Σ over the ranks of (R_n − R_{n−1}) P_n, equal scores together: the area under precision and recall
mAP                 its mean over the classes that occur
"""

from __future__ import annotations

import numpy as np

from hubel.metrics.intervals import Interval, percentiles


def average_precision(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """K from scores N K and truth N K; NaN for a class of which there is no sample.

    >>> average_precision(np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]])).round(4).tolist()
    [0.8333]
    """
    return np.array([_precision_of(scores[:, k], truth[:, k].astype(float)) for k in range(scores.shape[1])])


def _precision_of(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None) -> float:
    order = np.argsort(-scores, kind="stable")
    each = np.ones(len(scores)) if weights is None else weights[order]
    hits, seen = np.cumsum(truth[order] * each), np.cumsum(each)
    last = np.append(scores[order][1:] != scores[order][:-1], True)  # of equal scores the last stands for all
    hits, seen = hits[last], seen[last]
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    return float((np.diff(hits, prepend=0.0) * hits / np.maximum(seen, 1e-12)).sum() / hits[-1])


def mean_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """mAP; 0 where no class occurs.

    >>> mean_precision(np.array([[0.9, 0.2], [0.1, 0.7]]), np.array([[1, 0], [0, 1]]))
    1.0
    """
    found = average_precision(scores, truth)
    return float(np.nanmean(found)) if np.isfinite(found).any() else 0.0


def mean_precision_interval(scores: np.ndarray, truth: np.ndarray, *, draws: int = 200, seed: int = 0) -> Interval:
    """95 % interval of mAP from drawing the samples again: how often each is drawn weighs it."""
    count = len(scores)
    if count < 2:
        return float("nan"), float("nan")
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
    known = truth.astype(float)
    found = [[_precision_of(scores[:, k], known[:, k], drawn) for k in range(scores.shape[1])] for drawn in weights]
    return percentiles(np.array([np.nanmean(row) if np.isfinite(row).any() else np.nan for row in found]))


def sure_of_all(shares: np.ndarray, said: np.ndarray) -> np.ndarray:
    """N: the probability that a sample has the labels that are said of it (N K, bool) and no other: the product of
    those of its K answers, since labels are taken one by one.

    >>> sure_of_all(np.array([[0.9, 0.2], [0.5, 0.5]]), np.array([[True, False], [True, True]])).round(2).tolist()
    [0.72, 0.25]
    """
    return np.asarray(np.where(said, shares, 1 - shares).prod(axis=1))


def best_thresholds(shares: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """K thresholds, each that with the highest F1 on these samples; 0.5 for a class that does not occur among them.

    A label is said where its probability is at least its threshold, which lies half way to the next lower one.

    >>> best_thresholds(np.array([[0.9], [0.6], [0.2]]), np.array([[1], [1], [0]])).round(2).tolist()
    [0.4]
    """
    found = np.full(shares.shape[1], 0.5)
    for k in range(shares.shape[1]):
        order = np.argsort(-shares[:, k], kind="stable")
        sorted_, right = shares[order, k], truth[order, k].astype(float)
        if not right.any():
            continue
        hits = np.cumsum(right)
        scores = 2 * hits / (np.arange(1, len(right) + 1) + right.sum())
        lower = np.append(sorted_[1:], 0.0)
        scores[sorted_ == lower] = -1.0  # equal ones cannot be told apart
        best = int(scores.argmax())
        found[k] = (sorted_[best] + lower[best]) / 2
    return found


def scores_of(said: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class, K each, from answers and truth N K; NaN where nothing is to divide by."""
    hits = (said & (truth > 0)).sum(0).astype(float)

    def share(below: np.ndarray) -> np.ndarray:
        return np.divide(hits, below, out=np.full(hits.shape, np.nan), where=below > 0)

    both = said.sum(0) + (truth > 0).sum(0)
    return share(said.sum(0)), share((truth > 0).sum(0)), 2 * share(both)
