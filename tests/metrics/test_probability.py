from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn import metrics as oracle

from hubel.metrics import probability
from hubel.metrics.probability import auc, brier, calibration, log_loss, log_softmax, ranking
from metrics.metric_cases import logits_and_labels

Case = tuple[np.ndarray, np.ndarray]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


def slow_auc(scores: np.ndarray, is_k: np.ndarray) -> float:
    """Every pair of a sample of the class and one that is not: won 1, tied 1/2, lost 0."""
    wins = [(a > b) + 0.5 * (a == b) for a in scores[is_k] for b in scores[~is_k]]
    return float(np.mean(wins)) if wins else float("nan")


@settings(max_examples=1000, deadline=None)
@given(logits_and_labels())
def test_auc_equals_counting_every_pair(case: Case) -> None:
    logits, labels = case
    scores = log_softmax(logits)
    found = ranking(scores, labels)
    slow = np.array([slow_auc(scores[:, k], labels == k) for k in range(logits.shape[1])])
    np.testing.assert_allclose(found.auc, slow)
    if np.isnan(slow).all():
        assert np.isnan(found.macro)
    else:
        assert found.macro == pytest.approx(np.nanmean(slow))
        assert 0 <= found.low <= found.macro <= found.high <= 1


@settings(max_examples=1000, deadline=None)
@given(logits_and_labels())
def test_log_loss_and_brier_score_equal_their_definitions(case: Case) -> None:
    logits, labels = case
    p = softmax(logits)
    losses = [-math.log(row[label]) for row, label in zip(p.tolist(), labels.tolist(), strict=True)]
    assert log_loss(logits, labels) == pytest.approx(math.fsum(losses) / len(losses))
    one_hot = np.eye(logits.shape[1])[labels]
    assert brier(logits, labels) == pytest.approx(float(((p - one_hot) ** 2).sum(axis=1).mean()), abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_auc_log_loss_and_brier_score_are_those_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    K = 3 + seed % 5
    logits, labels = random.normal(size=(90, K)), np.arange(90) % K
    p = softmax(logits)
    assert auc(logits, labels) == pytest.approx(oracle.roc_auc_score(labels, p, multi_class="ovr"))
    assert log_loss(logits, labels) == pytest.approx(oracle.log_loss(labels, p))
    assert brier(logits, labels) == pytest.approx(oracle.brier_score_loss(labels, p, scale_by_half=False))


def test_huge_logits_neither_overflow_nor_lose_the_loss() -> None:
    logits = np.array([[3e38, -3e38], [1000.0, 0.0]], dtype=np.float32)
    assert log_loss(logits[1:], np.array([1])) == pytest.approx(1000.0)
    assert np.isfinite(log_softmax(logits)).all()


@settings(max_examples=1000, deadline=None)
@given(logits_and_labels())
def test_calibration_equals_a_loop_over_bins(case: Case) -> None:
    logits, labels = case
    confidence, right = softmax(logits).max(axis=1), logits.argmax(axis=1) == labels
    found = calibration(confidence, right, bins=10)
    ece, mce = 0.0, 0.0
    for low, high in zip(found.edges[:-1], found.edges[1:], strict=True):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            ece += gap * inside.mean()
            mce = max(mce, gap)
    assert (found.ece, found.mce) == (pytest.approx(ece), pytest.approx(mce))
    assert found.counts.sum() == len(labels)


def test_a_confidence_on_a_border_belongs_to_the_bin_below() -> None:
    found = calibration(np.array([0.0, 0.2, 0.2000001, 1.0]), np.ones(4, dtype=bool), bins=5)
    assert found.counts.tolist() == [2, 1, 0, 0, 1]


def test_calibration_is_told_in_fifteen_bins_as_in_guo_et_al_unless_said_otherwise() -> None:
    confidence, right = np.array([0.61, 0.66, 0.9]), np.array([True, False, True])  # bins of 1/15: 9, 9 and 13
    assert np.flatnonzero(calibration(confidence, right).counts).tolist() == [9, 13]
    assert calibration(confidence, right).ece == pytest.approx((2 * abs(0.5 - 0.635) + 0.1) / 3)


def test_a_model_that_knows_its_chances_has_no_calibration_error() -> None:
    random = np.random.default_rng(0)
    chance = random.uniform(0.5, 1, 200_000)
    honest = calibration(chance, random.uniform(size=200_000) < chance)
    boastful = calibration(np.sqrt(chance), random.uniform(size=200_000) < chance)
    assert honest.ece < 0.006 < 0.1 < boastful.ece


def test_the_interval_of_auc_is_delongs_and_covers() -> None:
    random = np.random.default_rng(1)
    inside = 0
    for _ in range(300):
        labels = np.arange(120) % 2
        scores = random.normal(size=120) + labels
        found = ranking(np.stack([-scores, scores], axis=1), labels)
        inside += found.low <= 0.7602 <= found.high  # Phi(1 / sqrt 2): the area for two normals one deviation apart
    assert 0.9 < inside / 300 < 0.99


def test_no_samples_give_no_numbers() -> None:
    nothing = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
    assert np.isnan([log_loss(*nothing), brier(*nothing), auc(*nothing), probability.ece(*nothing)]).all()
