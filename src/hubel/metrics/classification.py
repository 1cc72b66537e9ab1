"""Right or wrong: accuracy, top-k, the confusion matrix and everything that can be read off it.

Letters: N samples, K classes. A confusion matrix has the true class in its rows and the predicted class in its columns.
What cannot be known is NaN: the recall of a class without samples, the precision of a class that was never predicted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubel.errors import DataError


def top_k(scores_NK: np.ndarray, labels_N: np.ndarray, k: int) -> float:
    """Share of samples whose true class is among the `k` with the largest scores; 1 when k >= K, NaN without samples.

    Equal scores go to the lower class index, so that `top_k(..., 1)` is the accuracy of `argmax` also with ties.

    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])
    >>> top_k(scores, np.array([1, 2]), 1), top_k(scores, np.array([1, 2]), 2)
    (0.5, 1.0)
    """
    hits = top_k_hits(scores_NK, labels_N, k)
    return float(hits.mean()) if len(hits) else float("nan")


def top_k_hits(scores_NK: np.ndarray, labels_N: np.ndarray, k: int) -> np.ndarray:
    """N booleans: is the true class among the `k` best? Raises DataError where scores and labels do not fit."""
    check(scores_NK, labels_N)
    truth_N1 = np.take_along_axis(scores_NK, labels_N[:, None], axis=1)
    earlier_NK = np.arange(scores_NK.shape[1]) < labels_N[:, None]
    ahead_N = ((scores_NK > truth_N1) | ((scores_NK == truth_N1) & earlier_NK)).sum(axis=1)
    return np.asarray(ahead_N < k)


def check(scores_NK: np.ndarray, labels_N: np.ndarray) -> None:
    """Raise DataError unless scores are N K, finite, and labels are N class indices in 0..K-1."""
    if scores_NK.ndim != 2 or labels_N.shape != scores_NK.shape[:1]:
        raise DataError(
            f"scores must be N K and labels N, got shapes {scores_NK.shape} and {labels_N.shape}",
            hint="one row of scores for each label",
        )
    bad = int((~np.isfinite(scores_NK).all(axis=1)).sum())
    if bad:
        raise DataError(
            f"scores must be finite, but {bad} of {len(scores_NK)} samples hold NaN or infinity",
            hint="the training has probably diverged: lower the learning rate or clip the gradient",
        )
    K = scores_NK.shape[1]
    if len(labels_N) and (labels_N.min() < 0 or labels_N.max() >= K):
        raise DataError(
            f"labels must lie in 0..{K - 1} for {K} classes, got {labels_N.min()}..{labels_N.max()}",
            hint="are these predictions of a model with other classes?",
        )


def confusion_matrix(labels_N: np.ndarray, predicted_N: np.ndarray, num_classes: int) -> np.ndarray:
    """K K counts, int64: row = true class, column = predicted class.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    cells = labels_N.astype(np.int64) * num_classes + predicted_N
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


@dataclass(frozen=True, slots=True)
class PerClass:
    """Arrays of length K, NaN where undefined (see the head of this module)."""

    precision: np.ndarray
    """Of the samples called k, the share that is k."""
    recall: np.ndarray
    """Of the samples that are k, the share called k."""
    f1: np.ndarray
    """2 TP / (2 TP + FP + FN): harmonic mean of the two."""
    support: np.ndarray
    """Samples that are k, int64."""
    predicted: np.ndarray
    """Samples called k, int64."""


def per_class(confusion_KK: np.ndarray) -> PerClass:
    """Precision, recall, F1 and support of every class.

    >>> per_class(np.array([[1, 1], [0, 2]])).recall.tolist()
    [0.5, 1.0]
    """
    right = np.diagonal(confusion_KK)
    support, predicted = confusion_KK.sum(axis=1), confusion_KK.sum(axis=0)
    return PerClass(
        precision=_ratio(right, predicted),
        recall=_ratio(right, support),
        f1=_ratio(2 * right, support + predicted),
        support=support,
        predicted=predicted,
    )


def accuracy(confusion_KK: np.ndarray) -> float:
    """Share of the samples on the diagonal."""
    total = confusion_KK.sum()
    return float(np.trace(confusion_KK) / total) if total else float("nan")


def balanced_accuracy(confusion_KK: np.ndarray) -> float:
    """Mean recall over the classes that have samples: accuracy as if all classes were equally frequent.

    >>> balanced_accuracy(np.array([[90, 0], [5, 5]]))
    0.75
    """
    return _mean(per_class(confusion_KK).recall)


def macro_f1(confusion_KK: np.ndarray) -> float:
    """Mean F1 over the classes that occur, in truth or in prediction; every class counts the same."""
    return _mean(per_class(confusion_KK).f1)


def weighted_f1(confusion_KK: np.ndarray) -> float:
    """Mean F1 weighted by the number of samples of each class."""
    table = per_class(confusion_KK)
    total = table.support.sum()
    return float(np.nansum(table.f1 * table.support) / total) if total else float("nan")


@dataclass(frozen=True, slots=True)
class Confused:
    """Samples of class `label` that were called `predicted`: how many, and their share of the class."""

    label: int
    predicted: int
    count: int
    share: float


def most_confused(confusion_KK: np.ndarray, count: int = 10) -> tuple[Confused, ...]:
    """The largest cells off the diagonal, most samples first; equal ones by share, then by index.

    >>> most_confused(np.array([[5, 3], [1, 9]]), 1)
    (Confused(label=0, predicted=1, count=3, share=0.375),)
    """
    support = confusion_KK.sum(axis=1)
    rows, columns = np.nonzero(confusion_KK * ~np.eye(len(confusion_KK), dtype=bool))
    counts = confusion_KK[rows, columns]
    shares = counts / support[rows]
    order = np.lexsort((columns, rows, -shares, -counts))[:count]
    return tuple(Confused(int(rows[i]), int(columns[i]), int(counts[i]), float(shares[i])) for i in order)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
