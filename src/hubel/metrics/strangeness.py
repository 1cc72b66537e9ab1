"""How unlike the training pictures something is, from what a net says (logits) and what it saw (features).

Every score is higher for what is stranger. Letters: N samples, K classes, F features, D directions kept, M in the bank.

- from logits: `softmax` (1 - the largest probability; Hendrycks & Gimpel, arXiv:1610.02136), `max-logit` (Hendrycks et
  al., arXiv:1911.11132), `energy` (minus the log of the sum of their powers; Liu et al., arXiv:2010.03759)
- from features: `mahalanobis` (distance to the nearest class mean under one covariance; Lee et al., arXiv:1807.03888),
  `neighbours` (distance to the k-th nearest of some training samples, lengths made equal; Sun et al.,
  arXiv:2204.06507), `residual` (what of the features lies outside the directions in which training samples differ,
  beside the energy: ViM; Wang et al., arXiv:2203.10807)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from hubel.metrics.probability import log_softmax, placement

OF_LOGITS = ("softmax", "max-logit", "energy")
OF_ONE_CLASS = ("softmax",)
"""Those that take the classes to exclude each other."""
OF_FEATURES = ("mahalanobis", "neighbours", "residual")
NAMES = (*OF_LOGITS, *OF_FEATURES)
DIRECTIONS = 128
"""Kept at most: what the space of features is cut down to."""
NEAREST = 10
"""The neighbour whose distance counts, counted from the nearest."""


@dataclass(frozen=True, kw_only=True)
class Familiar:
    """What training samples look like in the space of features."""

    origin: np.ndarray
    """F: their mean."""
    basis: np.ndarray
    """F D: the directions in which they differ most, of unit length."""
    means: np.ndarray
    """K D: of each class, in the kept directions after `white`; NaN for a class without samples."""
    white: np.ndarray
    """D D: makes the spread inside the classes one in every direction."""
    bank: np.ndarray
    """M D: some of them, in the kept directions, as shares of the feature's whole length."""
    outside: float
    """What a unit of length outside the kept directions counts, in logits (ViM's alpha)."""


def familiar(features_NF: np.ndarray, labels_N: np.ndarray, logits_NK: np.ndarray) -> Familiar:
    """Learn what training samples look like.

    >>> rng = np.random.default_rng(0)
    >>> seen = familiar(rng.normal(size=(60, 8)), np.arange(60) % 3, rng.normal(size=(60, 3)))
    >>> seen.basis.shape, seen.means.shape
    ((8, 4), (3, 4))
    """
    from sklearn.utils.extmath import randomized_svd  # half a second to load, and answering needs it not

    features = features_NF.astype(np.float64)
    count, width = features.shape
    origin = features.mean(axis=0)
    centred = features - origin
    keep = max(1, min(DIRECTIONS, width // 2, count - 1))
    _, _, directions = randomized_svd(centred, keep, random_state=0)
    basis = directions.T
    flat = centred @ basis
    means = np.full((logits_NK.shape[1], keep), np.nan)
    inside = np.zeros_like(flat)
    for k in np.unique(labels_N):
        own = labels_N == k
        means[k] = flat[own].mean(axis=0)
        inside[own] = flat[own] - means[k]
    spread = inside.T @ inside / max(1, count)
    # A share of the mean spread in every direction: with few samples some have none, and would count without bound.
    values, vectors = np.linalg.eigh(spread + np.eye(keep) * (0.05 * np.trace(spread) / keep + 1e-12))
    white = vectors / np.sqrt(values)
    off = _outside(centred, flat)
    outside = float(logits_NK.max(axis=1).sum() / max(off.sum(), 1e-12))
    return Familiar(
        origin=origin,
        basis=basis,
        means=means @ white,
        white=white,
        bank=flat / _lengths(features),
        outside=max(outside, 0.0),
    )


def strangeness(logits_NK: np.ndarray, features_NF: np.ndarray | None, seen: Familiar | None) -> dict[str, np.ndarray]:
    """Every score by name, N each: those of features only where there are any.

    >>> scores = strangeness(np.array([[9.0, 0.0], [1.0, 0.9]]), None, None)
    >>> {name: bool(values[1] > values[0]) for name, values in scores.items()}
    {'softmax': True, 'max-logit': True, 'energy': True}
    """
    logits = logits_NK.astype(np.float64)
    energy = -logsumexp(logits, axis=1)
    found = {
        "softmax": -np.expm1(log_softmax(logits).max(axis=1)),
        "max-logit": -logits.max(axis=1),
        "energy": energy,
    }
    if features_NF is None or seen is None:
        return found
    features = features_NF.astype(np.float64)
    centred = features - seen.origin
    flat = centred @ seen.basis
    whitened = flat @ seen.white
    means = seen.means[~np.isnan(seen.means).any(axis=1)]
    found["mahalanobis"] = np.sqrt(_squared(whitened, means).min(axis=1))
    apart = _squared(flat / _lengths(features), seen.bank)
    nearest = min(NEAREST, apart.shape[1]) - 1
    found["neighbours"] = np.sqrt(np.partition(apart, nearest, axis=1)[:, nearest])
    found["residual"] = seen.outside * _outside(centred, flat) + energy
    return found


def separation(usual_N: np.ndarray, strange_M: np.ndarray) -> float:
    """AUROC: the chance that a strange sample has the higher score, ties counting half.

    >>> separation(np.array([0.1, 0.2]), np.array([0.2, 0.9]))
    0.875
    """
    return float(placement(strange_M, np.sort(usual_N)).mean())


def _outside(centred_NF: np.ndarray, flat_ND: np.ndarray) -> np.ndarray:
    """N: length of what the kept directions do not hold."""
    return np.sqrt(np.maximum((centred_NF**2).sum(axis=1) - (flat_ND**2).sum(axis=1), 0))


def _lengths(features_NF: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(features_NF, axis=1, keepdims=True), 1e-12)


def _squared(rows_ND: np.ndarray, others_MD: np.ndarray) -> np.ndarray:
    """N M squared distances."""
    mixed = (rows_ND**2).sum(axis=1)[:, None] - 2 * rows_ND @ others_MD.T + (others_MD**2).sum(axis=1)
    return np.maximum(mixed, 0)
