"""Temperatures, sets and thresholds against other ways to find them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from hubel.metrics.calibrating import confidence_for, fit_temperature
from hubel.metrics.probability import ece, log_loss, log_softmax
from hubel.metrics.sets import Sets, set_limit


def drawn(count: int, classes: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from the softmax of logits / temperature."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(count, classes)) * 3
    shares = np.exp(log_softmax(logits / temperature)).cumsum(axis=1)
    return logits, (draw.random((count, 1)) > shares).sum(axis=1).clip(max=classes - 1)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_one_that_gradients_find(temperature: float) -> None:
    logits, labels = drawn(4000, 6, temperature, seed=1)
    log_t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([log_t], lr=0.5, max_iter=100)

    def loss() -> torch.Tensor:
        search.zero_grad()
        value = functional.cross_entropy(torch.from_numpy(logits) / log_t.exp(), torch.from_numpy(labels))
        value.backward()
        return value

    search.step(loss)
    assert fit_temperature(logits, labels) == pytest.approx(float(log_t.detach().exp()), rel=0.01)
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.1)


def test_a_net_that_is_too_modest_becomes_honest_on_samples_it_was_not_fitted_on() -> None:
    logits, labels = drawn(6000, 5, 0.3, seed=2)
    temperature = fit_temperature(logits[:3000], labels[:3000])
    rest = slice(3000, None)
    assert ece(logits[rest], labels[rest]) > 0.05
    assert ece(logits[rest] / temperature, labels[rest]) < 0.02
    assert log_loss(logits[rest] / temperature, labels[rest]) < log_loss(logits[rest], labels[rest])


def test_a_net_that_names_all_right_does_not_call_itself_infallible() -> None:
    logits = np.eye(3)[np.arange(60) % 3] * 4.0
    temperature = fit_temperature(logits, np.arange(60) % 3)
    sure = np.exp(log_softmax(logits / temperature)).max(axis=1).mean()
    assert sure == pytest.approx(1 - 1 / 62, abs=2e-3), "as if it erred once in N + 2 times"


def test_a_net_that_is_sure_and_right_is_left_as_it_is() -> None:
    assert fit_temperature(np.eye(3)[np.arange(60) % 3] * 40.0, np.arange(60) % 3) == 1.0


def test_sets_hold_the_truth_as_often_as_is_promised() -> None:
    shares = []
    for seed in range(60):
        logits, labels = drawn(600, 8, 1.5, seed)
        limit = set_limit(logits[:300], labels[:300], 0.95)
        inside = Sets(limit=limit).within(np.exp(log_softmax(logits[300:])))
        shares.append(inside[np.arange(300), labels[300:]].mean())
    assert 0.94 <= np.mean(shares) <= 0.965, "the bound of split-conformal prediction, and 1 / (n + 1) above it"


def test_too_few_samples_promise_nothing_and_every_class_is_plausible() -> None:
    logits, labels = drawn(10, 4, 1.0, seed=0)
    assert set_limit(logits, labels, 0.95) == 0.0
    assert Sets().within(np.exp(log_softmax(logits))).all()


def test_the_threshold_for_a_risk_is_the_lowest_that_keeps_it() -> None:
    draw = np.random.default_rng(4)
    sure = draw.integers(50, 100, 300) / 100
    right = draw.random(300) < sure
    for risk in (0.0, 0.05, 0.2, 1.0):
        fine = [t for t in np.unique(sure) if (~right[sure >= t]).mean() <= risk]
        threshold, share = confidence_for(sure, right, risk)
        if not fine:
            assert (threshold, share) == (np.inf, 0.0)
            continue
        assert threshold == min(fine)
        assert share == pytest.approx((sure >= threshold).mean())
    assert confidence_for(np.array([0.9, 0.8]), np.array([False, True]), 0.1) == (np.inf, 0.0), "the surest is wrong"
