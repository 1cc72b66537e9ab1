"""Strangers: pictures that are like none of the others, in the space of what a net sees.

Every picture is held against the other folds, so that neither it nor a twin of it is among what it is compared with.
Three distances (`hubel.metrics.strangeness`): to the nearest class under one covariance, to the tenth nearest picture
by direction, and what of its features lies outside the directions in which the others differ. Each is measured in steps
of how far usual pictures reach; the largest of the three counts, since what one finds strange others cannot talk away.

Letters: N pictures, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from hubel.metrics.strangeness import familiar, strangeness

FENCE = 3.5
"""Steps from which a picture is called a stranger; of 1,000 usual ones about one is so far."""
MOST_KNOWN = 5_000
"""Pictures at most that each fold is compared with."""
FEWEST = 40
"""Pictures from which it can be said what is usual."""
KINDS = {
    "mahalanobis": "far from every class",
    "neighbours": "far from every single picture",
    "residual": "unlike the rest in ways in which they do not differ",
}
_BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """A picture that is like none of the others."""

    row: int
    score: float
    """How far it is, in steps of how far usual pictures reach; strangers are beyond FENCE."""
    reason: str


def find_strangers(
    features: np.ndarray,
    labels: np.ndarray,
    fold: np.ndarray,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Stranger]:
    """The strangers among pictures with features N F, labels N and folds N, the strangest first; [] for few pictures.

    Pictures of fold -1 are not asked about: the others are held against them.

    >>> random = np.random.default_rng(0)
    >>> seen = random.normal(size=(200, 8)); seen[7] *= 9
    >>> [one.row for one in find_strangers(seen, np.arange(200) % 2, np.arange(200) % 5)]
    [7]
    """
    asked = np.flatnonzero(fold >= 0)
    if len(asked) < FEWEST:
        return []
    steps = {name: _in_steps(values[asked]) for name, values in distances(features, labels, fold, progress).items()}
    table = np.stack(list(steps.values()))
    score, which = table.max(axis=0), table.argmax(axis=0)
    names = list(steps)
    return [
        Stranger(row=int(asked[place]), score=float(score[place]), reason=KINDS[names[which[place]]])
        for place in np.argsort(-score, kind="stable")
        if score[place] > FENCE
    ]


def distances(
    features: np.ndarray, labels: np.ndarray, fold: np.ndarray, progress: Callable[[int, int], None] | None = None
) -> dict[str, np.ndarray]:
    """Each of KINDS -> N distances, every picture against the other folds; 0 for those of fold -1."""
    flat = features.reshape(len(features), -1).astype(np.float64)
    found = {name: np.zeros(len(flat)) for name in KINDS}
    classes, folds = int(labels.max()) + 1, int(fold.max()) + 1
    for number in range(folds):
        held, known = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        known = known[:: max(1, -(-len(known) // MOST_KNOWN))]
        seen = replace(familiar(flat[known], labels[known], np.zeros((len(known), classes))), outside=1.0)
        for start in range(0, len(held), _BLOCK):
            rows = held[start : start + _BLOCK]
            scores = strangeness(np.zeros((len(rows), classes)), flat[rows], seen)
            scores["residual"] = scores["residual"] - scores["energy"]
            for name in KINDS:
                found[name][rows] = scores[name]
        if progress is not None:
            progress(number + 1, folds)
    return found


def _in_steps(values: np.ndarray) -> np.ndarray:
    """Logarithms of distances, from the usual one in steps of how far the upper tenth reaches (1 for a bell)."""
    logs = np.log(np.maximum(values, 1e-9))
    usual, far = np.quantile(logs, [0.5, 0.9])
    return np.asarray((logs - usual) / max((far - usual) / 1.2816, 1e-6))
