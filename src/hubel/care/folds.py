"""Out-of-fold predictions: every picture is judged by a model that has not seen it, nor any twin of it.

What is fitted a fold is a head with a closed form, least squares on the classes (it takes wrong labels calmer than a
logistic one): on the features of a frozen net, or, where there is none, on the pixels; both through an RBF kernel that
up to a thousand pictures span (Williams & Seeger, NeurIPS 2000). That takes seconds. The net itself, where there is
one, may have seen the labels in its training, and its features remember some of what it learnt by heart.

Letters: N pictures, F features, K classes, L landmarks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from hubel.errors import DataError, UsageError

PENALTY = 1e-4
"""λ of the head, in mean squared error + λ ‖f‖² of the kernel."""
LANDMARKS = 1000
"""Pictures that the kernel is spanned by."""


def deal(labels: np.ndarray, groups: Sequence[object], folds: int, seed: int = 0) -> np.ndarray:
    """N: the fold of each picture. Groups stay together; every class is spread as evenly as groups allow.

    Raises UsageError for fewer than two folds, DataError for more folds than there are groups.

    >>> deal(np.array([0, 0, 1, 1]), ["a", "b", "c", "d"], 2).tolist() in ([0, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0],
    ...                                                                    [1, 0, 1, 0])
    True
    """
    if folds < 2:
        raise UsageError(f"folds must be 2 or more, got {folds}", hint="--folds 5 is usual")
    members: dict[object, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    if len(members) < folds:
        raise DataError(
            f"{folds} folds need as many pictures or groups, got {len(members)}", hint=f"--folds {len(members)}"
        )
    classes = int(labels.max()) + 1
    order = sorted(members, key=lambda group: (-len(members[group]), _lot(seed, group)))
    held = np.zeros((folds, classes))
    wanted = np.bincount(labels, minlength=classes) / folds
    found = np.zeros(len(labels), np.int64)
    for group in order:
        counts = np.bincount(labels[members[group]], minlength=classes)
        # The fold that lacks most of these classes; of several, the emptiest.
        need = ((wanted - held) / np.maximum(wanted, 1e-9)) @ counts
        best = max(range(folds), key=lambda fold: (round(float(need[fold]), 9), -held[fold].sum(), -fold))
        found[members[group]] = best
        held[best] += counts
    return found


def _lot(seed: int, group: object) -> bytes:
    return hashlib.sha256(f"{seed}\0{group}".encode("utf-8", "surrogateescape")).digest()


def predict_out_of_fold(
    features: np.ndarray,
    labels: np.ndarray,
    fold: np.ndarray,
    *,
    progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """N K probabilities; those of a picture come from a head that was fitted on the other folds.

    A class that a fold's training lacks has probability 0 there. The scores become probabilities by one temperature for
    all, by which the labels are most likely. Raises DataError where a training has one class only.
    """
    classes, folds = int(labels.max()) + 1, int(fold.max()) + 1
    scores = np.full((len(labels), classes), -np.inf)
    flat = features.reshape(len(features), -1).astype(np.float32)
    for number in range(folds):
        held = fold == number
        present = np.unique(labels[~held])
        if len(present) < 2:
            raise DataError(
                f"fold {number + 1} of {folds} leaves pictures of one class to learn from",
                hint="fewer folds, or more pictures of each class",
            )
        known, asked = _standardised(flat[~held], flat[held])
        targets = (labels[~held, None] == present).astype(np.float64)
        scores[np.ix_(held, present)] = _fit(known, targets, asked, np.random.default_rng(seed + number))
        if progress is not None:
            progress(number + 1, folds)
    return as_probabilities(scores, labels)


def predict_labels_out_of_fold(
    features: np.ndarray,
    truth: np.ndarray,
    fold: np.ndarray,
    *,
    progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> np.ndarray:
    """The same where several labels may hold, N K `truth` of 0 and 1: N K probabilities, each of its label alone."""
    scores, folds = np.zeros(truth.shape), int(fold.max()) + 1
    flat = features.reshape(len(features), -1).astype(np.float32)
    for number in range(folds):
        held = fold == number
        known, asked = _standardised(flat[~held], flat[held])
        scores[held] = _fit(known, truth[~held].astype(np.float64), asked, np.random.default_rng(seed + number))
        if progress is not None:
            progress(number + 1, folds)
    both = np.stack([1 - scores, scores], axis=-1).reshape(-1, 2)
    return as_probabilities(both, truth.reshape(-1).astype(np.int64))[:, 1].reshape(truth.shape)


def as_probabilities(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scores N K as probabilities, by the one temperature for all by which the labels N are most likely.

    >>> as_probabilities(np.array([[0.1, 0.0], [0.0, 0.1], [0.1, 0.0]]), np.array([0, 1, 1])).round(2).tolist()
    [[0.67, 0.33], [0.33, 0.67], [0.67, 0.33]]
    """
    return np.asarray(softmax(scores * _sharpness(scores, labels), axis=1))


def _fit(known: np.ndarray, targets: np.ndarray, asked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Kernel least squares over landmarks: scores of those asked, M K."""
    marks = known[np.sort(rng.permutation(len(known))[:LANDMARKS])]
    width = float(np.median(_distances(marks[:200], marks)))
    spread = 1 / max(width, 1e-9)
    inner, seen = np.exp(-spread * _distances(marks, marks)), np.exp(-spread * _distances(known, marks))
    left = seen.T @ seen + PENALTY * len(known) * inner
    left[np.diag_indices(len(left))] += 1e-6 * np.trace(left) / len(left)
    centre = targets.mean(axis=0)
    weights = cho_solve(cho_factor(left, lower=True), seen.T @ (targets - centre))
    return np.asarray(np.exp(-spread * _distances(asked, marks)) @ weights + centre)


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared Euclidean, in float64 for the sums that follow."""
    found = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    return np.maximum(found, 0).astype(np.float64)


def _sharpness(scores: np.ndarray, labels: np.ndarray) -> float:
    """By what the scores are multiplied so that the labels are most likely."""
    known = np.isfinite(scores[np.arange(len(labels)), labels])
    kept, own = scores[known], labels[known]
    rows = np.arange(len(own))
    if not len(own):
        return 1.0

    def loss(power: float) -> float:
        return -float(log_softmax(kept * np.exp(power), axis=1)[rows, own].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-1.0, 4.0), method="bounded", options={"xatol": 1e-3}).x))


def _standardised(known: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, spread = known.mean(axis=0), known.std(axis=0)
    # What hardly ever differs is not blown up: pixels at the border are noise.
    factor = 1 / np.maximum(spread, 0.1 * max(float(spread.max()), 1e-9))
    return (known - mean) * factor, (asked - mean) * factor
