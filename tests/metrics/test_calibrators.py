"""Maps that make logits honest, each against another way to find it, and the choice between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from torch.nn import functional

from hubel.metrics.calibrators import (
    FEWEST_A_CLASS,
    LARGEST,
    Calibrator,
    allowed,
    choose_calibrator,
    fit_isotonic,
    fit_vector,
)
from hubel.metrics.probability import ece, log_loss, log_softmax


def drawn(count: int, truth: Calibrator, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a net, and labels drawn from the probabilities that they become by `truth`."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(count, classes)) * 3
    shares = np.exp(log_softmax(truth(logits))).cumsum(axis=1)
    return logits, (draw.random((count, 1)) > shares).sum(axis=1).clip(max=classes - 1)


HOT = Calibrator(temperature=3.0)
UNEVEN = Calibrator(scales=np.array([0.3, 0.5, 1.0, 1.5]), shifts=np.array([1.0, 0.0, -1.0, 0.5]))
BENT = Calibrator(knots=np.array([[0.0, 0.3, 0.6, 0.9, 1.0], [0.05, 0.3, 0.35, 0.4, 0.9]]))


def test_a_vector_is_the_one_that_gradients_find() -> None:
    logits, labels = drawn(3000, UNEVEN)
    z, y = torch.from_numpy(logits), torch.from_numpy(labels)
    w, b = (
        torch.ones(4, dtype=torch.float64, requires_grad=True),
        torch.zeros(4, dtype=torch.float64, requires_grad=True),
    )
    search = torch.optim.LBFGS([w, b], max_iter=60)

    def loss() -> torch.Tensor:
        search.zero_grad()
        value = functional.cross_entropy(z * w + b, y)
        value.backward()
        return value

    search.step(loss)
    found = fit_vector(logits, labels)
    np.testing.assert_allclose(found.scales, w.detach().numpy(), atol=0.02)
    shifts = b.detach().numpy()
    np.testing.assert_allclose(found.shifts - found.shifts.mean(), shifts - shifts.mean(), atol=0.05)


def test_a_rising_function_is_near_that_of_scikit_learn() -> None:
    logits, labels = drawn(6000, BENT)
    found = fit_isotonic(logits, labels)
    shares = np.exp(log_softmax(logits / found.temperature))
    peer = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    peer.fit(shares.ravel(), np.eye(4)[labels].ravel())
    assert np.abs(peer.predict(shares.ravel()) - np.interp(shares.ravel(), *found.knots)).mean() < 0.02


@pytest.mark.parametrize("fit", [fit_isotonic, lambda z, y: HOT], ids=["isotonic", "temperature"])
def test_the_order_of_the_classes_stays(fit: object) -> None:
    logits, labels = drawn(1000, BENT)
    how = fit(logits, labels)  # type: ignore[operator]
    np.testing.assert_array_equal(how(logits).argsort(axis=1), logits.argsort(axis=1))


@pytest.mark.parametrize(("truth", "kind"), [(HOT, "temperature"), (UNEVEN, "vector"), (BENT, "isotonic")])
def test_the_map_is_chosen_that_the_labels_follow(truth: Calibrator, kind: str) -> None:
    logits, labels = drawn(4000, truth)
    chosen = choose_calibrator(logits, labels)
    assert chosen.calibrator.kind == kind
    others, truths = drawn(4000, truth, seed=1)
    heat = Calibrator(temperature=choose_calibrator(logits[:100], labels[:100]).calibrator.temperature)
    assert log_loss(chosen.calibrator(others), truths) <= log_loss(heat(others), truths) + 1e-3
    assert ece(chosen.calibrator(others), truths) < 0.03


def test_too_few_samples_allow_a_temperature_only() -> None:
    assert allowed(np.arange(280) % 4, 4) == ("temperature", "vector")
    assert allowed(np.arange(4 * FEWEST_A_CLASS - 1) % 4, 4) == ("temperature",)
    assert allowed(np.zeros(400, np.int64), 2) == ("temperature", "isotonic"), "a class without samples"
    assert allowed(np.arange(1000) % 10, LARGEST // 1000 + 1) == ("temperature",), "it would take too long"
    chosen = choose_calibrator(*drawn(60, UNEVEN))
    assert (chosen.calibrator.kind, chosen.losses) == ("temperature", {})
    assert chosen.why == "too few samples for another map"


@given(st.integers(0, 2**32), st.sampled_from(["all right", "all of one class", "equal logits", "huge"]))
def test_odd_samples_give_finite_probabilities(seed: int, kind: str) -> None:
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(40, 3)) * (1e4 if kind == "huge" else 2)
    labels = logits.argmax(axis=1) if kind == "all right" else draw.integers(0, 3, 40)
    logits = np.zeros((40, 3)) if kind == "equal logits" else logits
    labels = np.zeros(40, np.int64) if kind == "all of one class" else labels
    for fit in (fit_vector, fit_isotonic):
        how = fit(logits, labels)
        assert not how.problem(3)
        shares = np.exp(log_softmax(how(logits)))
        assert np.isfinite(shares).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (Calibrator(temperature=0.0), "temperature"),
        (Calibrator(scales=np.ones(3), shifts=np.ones(3)), "3 numbers for 4 classes"),
        (Calibrator(scales=-np.ones(4), shifts=np.ones(4)), "less than nothing"),
        (Calibrator(scales=np.ones(4), shifts=np.ones(4), knots=BENT.knots), "two kinds"),
        (Calibrator(knots=BENT.knots[:, ::-1]), "all probabilities"),
        (Calibrator(knots=np.array([[0.0, 0.5, 1.0], [0.5, 0.2, 0.9]])), "does not rise"),
        (Calibrator(knots=np.ones((3, 4))), "is none"),
    ],
)
def test_what_does_not_hold_together_is_told(how: Calibrator, why: str) -> None:
    assert why in how.problem(4)
    assert not BENT.problem(4)
