"""How well near means alike: embeddings N D and labels N in, numbers out.

    recall@k     share of samples among whose k nearest others is one of their class (Jégou et al., TPAMI 33, 2011)
    mAP@R        mean over samples of the average precision within the first R others, R the number of their class
                 (Musgrave, Belongie, Lim, A Metric Learning Reality Check, arXiv:2003.08505)
    ROC, EER     of pairs: called alike where they are nearer than a distance; where both errors are equal

A sample without another of its class asks nothing and is only found by others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FAR = 10.0
"""Where the middle of a class without samples lies, in every direction: nothing on the sphere is near it."""


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """N M Euclidean distances of N D and M D.

    >>> distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).tolist()
    [[5.0]]
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found among the other samples."""

    recall: dict[int, float]
    """By k."""
    map_at_r: float
    hit: np.ndarray
    """N: is the nearest other sample of the same class? NaN for those that ask nothing."""
    nearest: np.ndarray
    """N M: positions of the nearest others, nearest first, as many as the largest k."""


def retrieve(points: np.ndarray, labels: np.ndarray, ks: tuple[int, ...] = (1, 5, 10)) -> Found:
    """Search every sample among all others.

    >>> found = retrieve(np.array([[0.0], [1.0], [5.0], [5.5]]), np.array([0, 0, 1, 0]), (1,))
    >>> round(found.recall[1], 3), round(found.map_at_r, 3)
    (0.667, 0.417)
    """
    count, most = len(points), min(max(ks), max(1, len(points) - 1))
    sizes = np.bincount(labels, minlength=int(labels.max(initial=0)) + 1)
    nearest = np.zeros((count, most), np.int64)
    hit, precision = np.full(count, np.nan), np.full(count, np.nan)
    recall: dict[int, list[float]] = {k: [] for k in ks}
    for start in range(0, count, 512):
        rows = np.arange(start, min(start + 512, count))
        apart = distances(points[rows], points)
        apart[np.arange(len(rows)), rows] = np.inf
        order = np.argsort(apart, axis=1, kind="stable")[:, : count - 1]
        nearest[rows] = order[:, :most]
        for place, row in enumerate(rows.tolist()):
            others = int(sizes[labels[row]]) - 1
            if others < 1:
                continue
            same = labels[order[place]] == labels[row]
            hit[row] = same[0]
            for k in ks:
                recall[k].append(float(same[:k].any()))
            first = same[:others]
            precision[row] = float((first * np.cumsum(first) / np.arange(1, others + 1)).sum() / others)
    known = np.isfinite(precision)
    return Found(
        recall={k: round(float(np.mean(values)), 3) if count < 9 else float(np.mean(values)) if values else 0.0
                for k, values in recall.items()},
        map_at_r=float(precision[known].mean()) if known.any() else 0.0,
        hit=hit,
        nearest=nearest,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Pairs called alike where they are nearer than a distance."""

    false_alarms: np.ndarray
    """Share of strange pairs that are called alike, rising; a point for each distance that is tried."""
    found: np.ndarray
    """Share of alike pairs that are called so."""
    auroc: float
    equal_error: float
    """EER: where as many alike pairs are missed as strange ones are let pass."""
    distance: float
    """At which that is so."""
    pairs: tuple[int, int]
    """Alike and strange ones."""


def verify(points: np.ndarray, labels: np.ndarray, *, most: int = 1_500, seed: int = 0) -> Verification:
    """All pairs of at most `most` samples, drawn by `seed`. NaN where all pairs are of one kind.

    >>> found = verify(np.array([[0.0], [1.0], [5.0], [5.5]]), np.array([0, 0, 1, 1]))
    >>> found.auroc, found.equal_error
    (1.0, 0.0)
    """
    if len(points) > most:
        rows = np.sort(np.random.default_rng(seed).permutation(len(points))[:most])
        points, labels = points[rows], labels[rows]
    first, second = np.triu_indices(len(points), 1)
    apart = distances(points, points)[first, second]
    alike = labels[first] == labels[second]
    counts = int(alike.sum()), int((~alike).sum())
    if not all(counts):
        nothing = np.zeros(0)
        return Verification(false_alarms=nothing, found=nothing, auroc=np.nan, equal_error=np.nan, distance=np.nan,
                            pairs=counts)  # fmt: skip
    order = np.argsort(apart, kind="stable")
    sorted_ = apart[order]
    last = np.append(sorted_[1:] != sorted_[:-1], True)
    found = np.concatenate([[0.0], np.cumsum(alike[order])[last] / counts[0]])
    alarms = np.concatenate([[0.0], np.cumsum(~alike[order])[last] / counts[1]])
    gap = alarms - (1 - found)
    at = int(np.argmax(gap >= 0))
    limits = np.concatenate([[0.0], sorted_[last]])
    return Verification(
        false_alarms=alarms,
        found=found,
        auroc=float((np.diff(alarms) * (found[1:] + found[:-1]) / 2).sum()),
        equal_error=float((alarms[at] + 1 - found[at]) / 2),
        distance=float(limits[at]),
        pairs=counts,
    )


def middles(points: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """K D: the middle of each class on the sphere; that of a class without samples is far from all of it.

    >>> middles(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0]), 2).round(3).tolist()
    [[0.707, 0.707], [10.0, 10.0]]
    """
    found = np.zeros((classes, points.shape[1]))
    np.add.at(found, labels, points)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(np.divide(found, lengths, out=np.full(found.shape, FAR), where=lengths > 0))
