"""Sets of classes that hold the truth as often as is promised: split-conformal prediction. N samples, K classes.

- `lac`: the classes that are probable enough, one limit for all; the smallest sets on average (Sadinle, Lei &
  Wasserman, arXiv:1609.00451)
- `aps`: from the most probable class down until their sum is enough; larger where a picture is hard, and so nearer to
  the promise for easy and hard pictures alike (Romano, Sesia & Candès, arXiv:2006.02544)
- `per-class`: as `lac` with a limit for each class of its own, so that the promise holds for every class, and not only
  on average over all (Sadinle, Lei & Wasserman, section 3)

All are fitted on samples that the net did not learn from, and hold for samples of the same kind as those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from hubel.errors import ArtefactError
from hubel.metrics.probability import log_softmax
from hubel.words import plural

KINDS = ("lac", "aps", "per-class")
HAIR = 1e-9
"""What rounding may take from a sum of probabilities."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sets:
    """Limits of the three kinds of sets, each fitted to the same coverage."""

    limit: float = 0.0
    """Of `lac`: the probability from which on a class belongs in; 0 where too few samples were there to say."""
    sum: float = math.inf
    """Of `aps`: how much probability the set may have, the coin's share of its last class; inf where too few."""
    own: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """K: of `per-class`; NaN for a class with too few samples, which has the limit of all. Empty where all are so."""

    def lacks(self, kind: str) -> bool:
        """Was nothing learnt for that kind of sets?"""
        return (kind == "per-class" and not len(self.own)) or (kind == "aps" and math.isinf(self.sum))

    def refuse(self, kind: str) -> None:
        """Raise ArtefactError for a kind of sets that nothing was learnt for."""
        if not self.lacks(kind):
            return
        if kind == "per-class":
            raise ArtefactError(
                "no class had the samples in the validation split that a limit of its own needs (19 for 95 in 100)",
                hint="--sets lac has one limit for all; or train with more: --val-fraction 0.3",
            )
        raise ArtefactError(
            "the validation split was too small for sets by sums of probability, or the run is from an earlier hubel",
            hint="--sets lac; or train with more: --val-fraction 0.3",
        )

    def strictly(self, shares_NK: np.ndarray, kind: str = "lac", coins_N: np.ndarray | None = None) -> np.ndarray:
        """N K: is the class in the sample's set? Some sets may be empty: of these the promise is exact.

        `coins_N`, from 0 to 1, are for `aps` alone (`coins`).
        """
        if kind == "aps":
            coin = np.zeros(len(shares_NK)) if coins_N is None else coins_N
            return np.asarray(cumulated(shares_NK, coin) <= self.sum + HAIR)
        own = kind == "per-class" and len(self.own) > 0
        return np.asarray(shares_NK >= (np.where(np.isnan(self.own), self.limit, self.own) if own else self.limit))

    def within(self, shares_NK: np.ndarray, kind: str = "lac", coins_N: np.ndarray | None = None) -> np.ndarray:
        """The same with the most probable class always in, so that no set is empty, and sets hold the truth oftener."""
        inside = self.strictly(shares_NK, kind, coins_N)
        inside[np.arange(len(inside)), shares_NK.argmax(axis=1)] = True
        return inside

    @property
    def told_apart(self) -> str:
        """How many classes have a limit of their own, in words; "" where all have."""
        missing = int(np.isnan(self.own).sum())
        if not missing:
            return ""
        return (
            f"{missing:,} of {plural(len(self.own), 'class')} had too few validation samples for a limit of their own"
        )


def set_limit(logits_NK: np.ndarray, labels_N: np.ndarray, coverage: float) -> float:
    """The probability from which on a class belongs into the set, so that sets hold the truth in `coverage` of samples.

    The least ambiguous sets (Sadinle, Lei & Wasserman, arXiv:1609.00451): the ⌈(N + 1) · coverage⌉-th largest
    probability of the truth. With too few samples no limit can promise that: 0.

    >>> set_limit(np.log([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]), np.array([0, 0, 0]), 0.5)
    0.6...
    """
    truth = np.exp(np.take_along_axis(log_softmax(logits_NK), labels_N[:, None], axis=1)[:, 0])
    place = math.ceil((len(truth) + 1) * coverage)
    return 0.0 if place > len(truth) else float(np.sort(truth)[::-1][place - 1])


def cumulated(shares_NK: np.ndarray, coins_N: np.ndarray) -> np.ndarray:
    """N K: the probability of all classes before each, from the most probable down, and the coin's share of its own.

    >>> cumulated(np.array([[0.2, 0.7, 0.1]]), np.array([0.5])).round(2).tolist()
    [[0.8, 0.35, 0.95]]
    """
    order = np.argsort(-shares_NK, axis=1, kind="stable")
    falling = np.take_along_axis(shares_NK, order, axis=1)
    sums = falling.cumsum(axis=1) - falling * (1 - coins_N[:, None])
    found = np.empty_like(sums)
    np.put_along_axis(found, order, sums, axis=1)
    return found


def coins(logits_NK: np.ndarray) -> np.ndarray:
    """N: a number from 0 to 1 for each sample, from the digits of what the net says of it.

    So the same picture has the same set, whatever stands beside it.

    >>> bool((coins(np.array([[0.123, 4.5], [0.123, 4.5]])) == coins(np.array([[0.123, 4.5]]))).all())
    True
    """
    return np.asarray(np.abs(logits_NK.astype(np.float64)).sum(axis=1) * 97 % 1)


def fit_sets(logits_NK: np.ndarray, labels_N: np.ndarray, coins_N: np.ndarray, coverage: float) -> Sets:
    """The limits by which sets of honest logits hold the truth in `coverage` of samples (`Sets`).

    >>> logits = np.log(np.full((40, 2), 0.5) + np.linspace(-0.4, 0.4, 40)[:, None] * [1, -1])
    >>> found = fit_sets(logits, np.int64(np.arange(40) < 20), np.full(40, 0.5), 0.9)
    >>> found.limit > 0.4, found.sum < 0.6, found.own.shape
    (True, True, (2,))
    """
    shares = np.exp(log_softmax(logits_NK))
    scores = np.sort(np.take_along_axis(cumulated(shares, coins_N), labels_N[:, None], axis=1)[:, 0])
    place = math.ceil((len(scores) + 1) * coverage)
    own = np.full(logits_NK.shape[1], np.nan)
    for k in np.unique(labels_N):
        there = labels_N == k
        limit = set_limit(logits_NK[there], labels_N[there], coverage)
        own[k] = limit if limit > 0 else np.nan
    return Sets(
        limit=set_limit(logits_NK, labels_N, coverage),
        sum=float(scores[place - 1]) if place <= len(scores) else math.inf,
        own=np.zeros(0) if np.isnan(own).all() else own,
    )
