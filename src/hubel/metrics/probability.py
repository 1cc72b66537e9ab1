"""How good the probabilities are: ranking (AUC), log-loss, Brier score, calibration.

Letters: N samples, K classes, M bins. Scores are logits N K unless a name says probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import entr, expit

from hubel.metrics.classification import check


def log_softmax(logits_NK: np.ndarray) -> np.ndarray:
    """N K log-probabilities in float64, without overflow for any finite logits."""
    shifted = logits_NK.astype(np.float64)
    shifted -= logits_NK.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(shifted)


def shares_of(logits_NK: np.ndarray, *, several: bool = False) -> np.ndarray:
    """N K probabilities in float64: the softmax of each row, or, where `several` may hold, the sigmoid of each logit.

    >>> shares_of(np.array([[0.0, 0.0]])).tolist(), shares_of(np.array([[0.0, 800.0]]), several=True).tolist()
    ([[0.5, 0.5]], [[0.5, 1.0]])
    """
    return np.asarray(expit(logits_NK.astype(np.float64)) if several else np.exp(log_softmax(logits_NK)))


def log_losses(log_probabilities_NK: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """N: minus the log-probability (natural logarithm, in nats) of the true class."""
    return np.asarray(-np.take_along_axis(log_probabilities_NK, labels_N[:, None], axis=1)[:, 0])


def log_loss(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
    """Mean of minus the log-probability of the true class, in nats; log K is a coin toss.

    >>> round(log_loss(np.zeros((4, 10)), np.arange(4)), 4)
    2.3026
    """
    check(logits_NK, labels_N)
    return float(log_losses(log_softmax(logits_NK), labels_N).mean()) if len(labels_N) else float("nan")


def brier_scores(probabilities_NK: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """N: squared distance between the probabilities and the one-hot truth, 0 (perfect) to 2 (certain and wrong)."""
    truth_N = np.take_along_axis(probabilities_NK, labels_N[:, None], axis=1)[:, 0]
    return np.asarray(np.einsum("nk,nk->n", probabilities_NK, probabilities_NK) - 2 * truth_N + 1)


def brier(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
    """Mean Brier score (Brier 1950, summed over classes: 0 to 2)."""
    check(logits_NK, labels_N)
    scores = brier_scores(np.exp(log_softmax(logits_NK)), labels_N)
    return float(scores.mean()) if len(scores) else float("nan")


def disagreements(shares_MNK: np.ndarray, weights_M: np.ndarray | None = None) -> np.ndarray:
    """N: mutual information of answer and member, in nats: entropy of the mean minus the mean entropy; 0 if all agree.

    >>> disagreements(np.array([[[0.9, 0.1], [1.0, 0.0]], [[0.9, 0.1], [0.0, 1.0]]])).round(4).tolist()  # log 2
    [0.0, 0.6931]
    """
    mean = np.average(shares_MNK, axis=0, weights=weights_M)
    apart = entr(mean).sum(axis=-1) - np.average(entr(shares_MNK).sum(axis=-1), axis=0, weights=weights_M)
    return np.asarray(np.maximum(0.0, apart))


def spread_of(values_MN: list[np.ndarray] | np.ndarray, weights_M: np.ndarray | None = None) -> np.ndarray:
    """N …: the standard deviation of what several nets say, of the world that they were drawn from (M - 1 below, where
    their weights are alike).

    >>> spread_of([np.array([1.0]), np.array([3.0])]).round(4).tolist()
    [1.4142]
    """
    values = np.asarray(values_MN, dtype=np.float64)
    shares = np.full(len(values), 1 / len(values)) if weights_M is None else weights_M / weights_M.sum()
    mean = np.average(values, axis=0, weights=shares)
    above = np.average((values - mean) ** 2, axis=0, weights=shares)
    return np.asarray(np.sqrt(above / (1 - np.square(shares).sum())))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Area under the ROC curve, each class against the rest."""

    auc: np.ndarray
    """K, NaN for a class that has no samples, or all of them."""
    macro: float
    """Mean over the classes that have an AUC."""
    low: float
    high: float
    """95 % interval of `macro`."""


def ranking(scores_NK: np.ndarray, labels_N: np.ndarray) -> Ranking:
    """One-vs-rest AUC: the chance that a sample of the class gets a higher score for it than one of another class.

    Ties count half. `scores` must be comparable between samples: probabilities or log-probabilities, not logits.
    The interval is that of DeLong, DeLong and Clarke-Pearson 1988 (structural components), carried over to the macro
    mean by adding each sample's components over the classes.

    >>> ranking(np.array([[0.9, 0.1], [0.4, 0.6], [0.6, 0.4]]), np.array([0, 1, 1])).macro
    1.0
    """
    N, K = scores_NK.shape
    auc_K = np.full(K, np.nan)
    influence_N = np.zeros(N)
    for k in range(K):
        is_k = labels_N == k
        positives = int(is_k.sum())
        negatives = N - positives
        if not positives or not negatives:
            continue
        inside, outside = scores_NK[is_k, k], scores_NK[~is_k, k]
        beaten = placement(inside, np.sort(outside))
        beaten_by = 1 - placement(outside, np.sort(inside))
        auc_K[k] = beaten.mean()
        influence_N[is_k] += (beaten - auc_K[k]) / positives
        influence_N[~is_k] += (beaten_by - auc_K[k]) / negatives
    known = auc_K[~np.isnan(auc_K)]
    if not len(known):
        return Ranking(auc_K, *[float("nan")] * 3)
    macro = float(known.mean())
    spread = 1.959963984540054 * float(np.sqrt((influence_N**2).sum())) / len(known)
    return Ranking(auc_K, macro, max(0.0, macro - spread), min(1.0, macro + spread))


def placement(values: np.ndarray, others_sorted: np.ndarray) -> np.ndarray:
    """For each value the share of the others that lie below it, ties counting half; the others in rising order."""
    below = np.searchsorted(others_sorted, values, side="left")
    not_above = np.searchsorted(others_sorted, values, side="right")
    return (below + not_above) / (2 * len(others_sorted))


def auc(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
    """Macro mean of the one-vs-rest AUC, over the classes that occur; NaN when only one class does."""
    check(logits_NK, labels_N)
    return ranking(log_softmax(logits_NK), labels_N).macro


@dataclass(frozen=True, slots=True)
class Calibration:
    """Does confidence tell the truth? Samples sorted into M equal bins of confidence (the largest probability)."""

    edges: np.ndarray
    """M + 1 bin borders from 0 to 1; a bin holds (low, high], the first also 0."""
    counts: np.ndarray
    """M samples in the bin."""
    confidence: np.ndarray
    """M mean confidences, NaN in an empty bin."""
    accuracy: np.ndarray
    """M shares that were right, NaN in an empty bin."""
    ece: float
    """Expected calibration error: |accuracy - confidence|, averaged over samples (Naeini et al. 2015)."""
    mce: float
    """Maximum calibration error: the same in the worst bin."""
    mean_confidence: float
    """Over all samples; above the accuracy means overconfident."""


def calibration(confidence_N: np.ndarray, right_N: np.ndarray, bins: int = 15) -> Calibration:
    """Reliability bins, ECE and MCE of confidences in 0..1 and whether each prediction was right.

    >>> calibration(np.array([0.8, 0.8, 0.8, 0.8]), np.array([True, True, True, False])).ece
    0.05...
    """
    edges = np.linspace(0, 1, bins + 1)
    # searchsorted, not multiplication: a confidence that equals a border belongs to the bin below on every machine.
    bin_N = np.clip(np.searchsorted(edges, confidence_N, side="left") - 1, 0, bins - 1)
    counts = np.bincount(bin_N, minlength=bins)
    full = counts > 0
    mean_confidence, mean_accuracy = (
        np.divide(np.bincount(bin_N, weights=w, minlength=bins), counts, out=np.full(bins, np.nan), where=full)
        for w in (confidence_N, right_N.astype(np.float64))
    )
    gaps = np.abs(mean_accuracy - mean_confidence)[full]
    nothing = not full.any()
    return Calibration(
        edges=edges,
        counts=counts,
        confidence=mean_confidence,
        accuracy=mean_accuracy,
        ece=float("nan") if nothing else float((gaps * counts[full]).sum() / counts.sum()),
        mce=float("nan") if nothing else float(gaps.max()),
        mean_confidence=float("nan") if nothing else float(confidence_N.mean()),
    )


def ece(logits_NK: np.ndarray, labels_N: np.ndarray) -> float:
    """Expected calibration error of the top-1 prediction in 15 bins."""
    check(logits_NK, labels_N)
    probabilities = np.exp(log_softmax(logits_NK))
    return calibration(probabilities.max(axis=1), logits_NK.argmax(axis=1) == labels_N).ece
