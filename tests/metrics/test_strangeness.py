"""How strange a sample is, against other implementations and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from hubel.metrics.strangeness import NAMES, NEAREST, familiar, separation, strangeness

DRAW = np.random.default_rng(3)
LABELS = np.arange(120) % 4
CENTRES = DRAW.normal(size=(4, 10)) * 3
FEATURES = CENTRES[LABELS] + DRAW.normal(size=(120, 10))
LOGITS = FEATURES @ CENTRES.T
OTHERS = DRAW.normal(size=(30, 10)) * 2


def test_scores_of_logits_are_those_of_their_papers() -> None:
    found = strangeness(LOGITS, None, None)
    assert set(found) == {"softmax", "max-logit", "energy"}
    np.testing.assert_allclose(found["softmax"], 1 - softmax(LOGITS, axis=1).max(axis=1), atol=1e-12)
    np.testing.assert_allclose(found["energy"], -logsumexp(LOGITS, axis=1))
    np.testing.assert_allclose(found["max-logit"], -LOGITS.max(axis=1))


def test_features_are_cut_down_to_the_directions_in_which_samples_differ_most() -> None:
    seen = familiar(FEATURES, LABELS, LOGITS)
    _, _, directions = np.linalg.svd(FEATURES - FEATURES.mean(axis=0))
    assert seen.basis.shape == (10, 5)
    np.testing.assert_allclose(seen.basis @ seen.basis.T, directions[:5].T @ directions[:5], atol=1e-8)


def test_the_distance_to_the_nearest_class_is_taken_under_the_spread_inside_classes() -> None:
    seen = familiar(FEATURES, LABELS, LOGITS)
    found = strangeness(OTHERS @ CENTRES.T, OTHERS, seen)["mahalanobis"]
    flat = (FEATURES - seen.origin) @ seen.basis
    means = np.stack([flat[k == LABELS].mean(axis=0) for k in range(4)])
    inside = flat - means[LABELS]
    spread = inside.T @ inside / len(flat)
    spread += np.eye(5) * 0.05 * np.trace(spread) / 5
    given = (OTHERS - seen.origin) @ seen.basis
    apart = given[:, None] - means
    expected = np.sqrt(np.einsum("nkd,de,nke->nk", apart, np.linalg.inv(spread), apart).min(axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_neighbours_are_those_that_scikit_learn_finds() -> None:
    seen = familiar(FEATURES, LABELS, LOGITS)
    found = strangeness(OTHERS @ CENTRES.T, OTHERS, seen)["neighbours"]
    given = (OTHERS - seen.origin) @ seen.basis / np.linalg.norm(OTHERS, axis=1, keepdims=True)
    distances, _ = NearestNeighbors(n_neighbors=NEAREST).fit(seen.bank).kneighbors(given)
    np.testing.assert_allclose(found, distances[:, -1], rtol=1e-6)


def test_what_lies_outside_the_usual_directions_counts_beside_the_energy() -> None:
    seen = familiar(FEATURES, LABELS, LOGITS)
    logits = OTHERS @ CENTRES.T
    found = strangeness(logits, OTHERS, seen)["residual"]
    rest = (OTHERS - seen.origin) - (OTHERS - seen.origin) @ seen.basis @ seen.basis.T
    np.testing.assert_allclose(
        found, seen.outside * np.linalg.norm(rest, axis=1) - logsumexp(logits, axis=1), rtol=1e-6
    )


def test_every_score_is_higher_far_away_than_at_home() -> None:
    seen = familiar(FEATURES, LABELS, LOGITS)
    home = strangeness(LOGITS, FEATURES, seen)
    away = strangeness(np.zeros((30, 4)), DRAW.normal(size=(30, 10)) * 9, seen)
    assert set(home) == set(NAMES)
    assert all(separation(home[name], away[name]) > 0.9 for name in NAMES)


def test_a_class_without_samples_is_nobodys_neighbour() -> None:
    few = LABELS < 3
    seen = familiar(FEATURES[few], LABELS[few], LOGITS[few])
    assert np.isnan(seen.means[3]).all()
    assert np.isfinite(strangeness(LOGITS, FEATURES, seen)["mahalanobis"]).all()


def test_separation_is_the_area_under_the_roc_curve() -> None:
    usual, odd = DRAW.integers(0, 8, 50), DRAW.integers(2, 10, 40)
    truth = np.r_[np.zeros(50), np.ones(40)]
    assert separation(usual, odd) == pytest.approx(roc_auc_score(truth, np.r_[usual, odd]))
