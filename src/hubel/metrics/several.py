"""Several labels a sample: scores N K and truth N K of 0 and 1 in, numbers out.

average precision   Σ over the ranks of (R_n − R_{n−1}) P_n, equal scores together: the area under precision and recall
mAP                 its mean over the classes that occur
"""

from __future__ import annotations

import numpy as np

from hubel.metrics.intervals import Interval, mean_known, percentiles, redrawn


def average_precision(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """K from scores N K and truth N K; NaN for a class of which there is no sample.

    >>> average_precision(np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]])).round(4).tolist()
    [0.8333]
    """
    return drawn_precision(scores, truth, np.ones((1, len(scores))))[0]


def drawn_precision(scores: np.ndarray, truth: np.ndarray, weights_DN: np.ndarray) -> np.ndarray:
    """D K: average precision of each class where each of N samples counts so often, in D draws; NaN without a sample.

    >>> scores, truth = np.array([[0.9], [0.8], [0.1]]), np.array([[1], [0], [1]])
    >>> drawn_precision(scores, truth, np.array([[1, 1, 1], [2, 1, 0], [0, 3, 0]])).round(4).T.tolist()
    [[0.8333, 1.0, nan]]
    """
    found = np.full((len(weights_DN), scores.shape[1]), np.nan)
    weights = np.ascontiguousarray(weights_DN.T, dtype=np.float64)  # N D
    for k in range(scores.shape[1]):
        order = np.argsort(-scores[:, k], kind="stable")
        ranked, there = scores[order, k], truth[order, k] > 0
        if not there.any():
            continue
        # Of equal scores the last stands for all; only ranks at which a sample of the class comes in count.
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        seen = np.cumsum(weights[order], axis=0)[last]
        hits = np.cumsum(weights[order] * there[:, None], axis=0)[last]
        gained = np.diff(hits, axis=0, prepend=0.0) * hits
        total = hits[-1]
        area = (gained / np.maximum(seen, 1e-12)).sum(axis=0)
        found[:, k] = np.divide(area, total, out=np.full(len(total), np.nan), where=total > 0)
    return found


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
    parts = redrawn(count, seed=seed, draws=draws)
    return percentiles(np.concatenate([mean_known(drawn_precision(scores, truth, part)) for part in parts]))


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
