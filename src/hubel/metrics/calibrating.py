"""Probabilities made honest by one number, and a threshold for a wished risk. N samples, K classes.

Both are fitted on samples that the net did not learn from, and hold for samples of the same kind as those.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

COLDEST, HOTTEST = 0.05, 20.0


def fit_temperature(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
    """T for which softmax(logits / T) has the least log-loss (Guo et al., arXiv:1706.04599).

    Where the net names all right, the least loss is at T = 0, and it would call itself infallible; so the truth is
    taken to be another class once in N + 2 times (Platt's targets, 1999). A net that is surer than that, and right, is
    left as it is: T is above 1 only where that lessens the loss on the very samples.

    >>> rng = np.random.default_rng(0)
    >>> logits = rng.normal(size=(20_000, 5))
    >>> powers = np.exp(logits / 2).cumsum(axis=1)
    >>> labels = (rng.random((20_000, 1)) * powers[:, -1:] > powers).sum(axis=1)  # drawn from softmax(logits / 2)
    >>> round(fit_temperature(logits, labels), 1)
    2.0
    """
    logits = logits_NK.astype(np.float64)
    N, K = logits.shape
    other = 1 / (N + 2)
    truth = np.take_along_axis(logits, labels_N[:, None], axis=1)[:, 0]
    expected = (1 - other) * truth + other * (logits.sum(axis=1) - truth) / max(1, K - 1)

    def loss(log_temperature: float, wanted: np.ndarray = expected) -> float:
        scaled = logits / math.exp(log_temperature)
        largest = scaled.max(axis=1)
        total = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        return float((total - wanted / math.exp(log_temperature)).mean())

    # The loss is convex in 1 / T, so it has one minimum whatever it is drawn over.
    best = float(minimize_scalar(loss, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded").x)
    return 1.0 if best > 0 and loss(best, truth) > loss(0.0, truth) else math.exp(best)


def confidence_for(confidence_N: np.ndarray, right_N: np.ndarray, risk: float) -> tuple[float, float]:
    """From which confidence on answers are wrong in at most `risk` of cases, and the share of answers that reach it.

    The lowest such threshold among the confidences seen; (inf, 0) where even the surest answers are wrong too often.

    >>> confidence_for(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]), 0.0)
    (0.8, 0.5)
    """
    coverage, risks, sure = _by_confidence(confidence_N, right_N)
    passing = np.flatnonzero(risks <= risk)
    if not len(passing):
        return math.inf, 0.0
    return float(sure[passing[-1]]), float(coverage[passing[-1]])


def risk_coverage(confidence_N: np.ndarray, right_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What keeping unsure answers back brings: shares of samples that are answered, M rising, and of those answers the
    share that is wrong, M (El-Yaniv & Wiener, JMLR 11, 2010). One point a confidence that was seen.

    >>> coverage, risk = risk_coverage(np.array([0.9, 0.8, 0.8, 0.6]), np.array([True, True, False, False]))
    >>> coverage.tolist(), risk.round(2).tolist()
    ([0.25, 0.75, 1.0], [0.0, 0.33, 0.5])
    """
    coverage, risks, _ = _by_confidence(confidence_N, right_N)
    return coverage, risks


def _by_confidence(confidence_N: np.ndarray, right_N: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each confidence that was seen, falling: the share that reaches it, how much of it is wrong, itself; M each."""
    order = np.argsort(-confidence_N, kind="stable")
    sure, answered = confidence_N[order], np.arange(1, len(order) + 1)
    last_of_equals = np.append(sure[1:] != sure[:-1], True) if len(sure) else np.zeros(0, bool)
    risks = np.cumsum(~right_N[order]) / answered
    return (answered / max(1, len(order)))[last_of_equals], risks[last_of_equals], sure[last_of_equals]
