"""What every registered metric promises."""

from __future__ import annotations

import numpy as np
import pytest

from hubel.metrics import METRICS

CLASSIFICATION = [name for name in METRICS if METRICS.get(name).task == "classification"]
REGRESSION = [name for name in METRICS if METRICS.get(name).task == "regression"]
LABELS = np.arange(40) % 8


def noisy(strength: float) -> np.ndarray:
    """Logits that are right, with noise."""
    return (9 * np.eye(8)[LABELS] + strength * np.random.default_rng(0).normal(size=(40, 8))).astype(np.float32)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_a_title_and_a_known_task(name: str) -> None:
    metric = METRICS.get(name)
    assert metric.title
    assert metric.task in ("classification", "regression")


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_better_predictions_have_the_better_number(name: str) -> None:
    metric = METRICS.get(name)
    good, bad = metric(noisy(0.5), LABELS), metric(noisy(8), LABELS)
    assert isinstance(good, float)
    assert (good > bad) == metric.larger_is_better


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_the_order_of_samples_and_the_names_of_classes_are_no_matter(name: str) -> None:
    metric, logits = METRICS.get(name), noisy(4)
    rows, classes = np.random.default_rng(1).permutation(40), np.random.default_rng(2).permutation(8)
    renamed = np.argsort(classes)[LABELS]
    value = metric(logits, LABELS)
    assert metric(logits[rows], LABELS[rows]) == pytest.approx(value)
    assert metric(logits[:, classes], renamed) == pytest.approx(value)


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_inputs_are_left_alone_and_one_class_or_no_sample_is_no_crash(name: str) -> None:
    metric, logits = METRICS.get(name), noisy(4)
    before = logits.copy()
    metric(logits, LABELS)
    np.testing.assert_array_equal(logits, before)
    assert isinstance(metric(logits[:0], LABELS[:0]), float)
    assert isinstance(metric(logits, np.full(40, 3)), float)
    assert isinstance(metric(np.zeros((4, 1), dtype=np.float32), np.zeros(4, dtype=np.int64)), float)


@pytest.mark.parametrize("name", REGRESSION)
def test_nearer_predictions_have_the_better_number(name: str) -> None:
    metric, targets = METRICS.get(name), np.arange(20.0)
    near, far = metric(targets + 0.1, targets), metric(targets + 3.0, targets)
    assert (near > far) == metric.larger_is_better
