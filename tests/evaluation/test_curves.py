from __future__ import annotations

import math

import numpy as np
import pytest

from hubel.evaluation import diagnose_curves

EPOCHS = np.arange(1, 21)


def rows(**columns: np.ndarray) -> list[dict[str, object]]:
    return [dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)]


def test_a_validation_loss_that_turns_up_is_overfitting() -> None:
    val = 1 / EPOCHS + 0.03 * np.maximum(0, EPOCHS - 6)
    verdict = diagnose_curves(rows(train_loss=1 / EPOCHS, val_loss=val))
    assert verdict.kind == "overfitting"
    assert "lowest after epoch 6 (0.167)" in verdict.sentence
    assert "augment" in verdict.advice


def test_a_gap_in_accuracy_is_overfitting() -> None:
    flat = np.full(20, 0.5)
    acc = {"train_accuracy": np.full(20, 0.99), "val_accuracy": np.full(20, 0.8)}
    assert diagnose_curves(rows(train_loss=1 / EPOCHS, val_loss=flat, **acc)).kind == "overfitting"


def test_a_loss_that_stays_at_guessing_is_underfitting() -> None:
    flat = np.full(20, math.log(10))
    assert diagnose_curves(rows(train_loss=flat, val_loss=flat), classes=10).kind == "underfitting"


def test_settling_low_is_underfitting_too() -> None:
    loss, acc = 1.2 + np.exp(-EPOCHS), np.full(20, 0.55)
    verdict = diagnose_curves(rows(train_loss=loss, val_loss=loss, train_accuracy=acc, val_accuracy=acc), classes=10)
    assert verdict.kind == "underfitting"


def test_a_good_start_that_stays_is_settled_not_underfitting() -> None:
    """A net that has learned all in its first epoch has a flat loss, and a low one."""
    flat = np.full(20, 0.05)
    acc = np.full(20, 0.99)
    found = diagnose_curves(rows(train_loss=flat, val_loss=flat, train_accuracy=acc, val_accuracy=acc), classes=10)
    assert found.kind == "settled"


def test_a_loss_that_still_falls_asks_for_more_epochs() -> None:
    loss = 2.0 - 0.08 * EPOCHS
    assert diagnose_curves(rows(train_loss=loss, val_loss=loss)).kind == "improving"


def test_a_loss_that_jumps_is_unstable() -> None:
    val = np.where(EPOCHS % 3 == 0, 1.0, 0.4)
    assert diagnose_curves(rows(train_loss=1 / EPOCHS, val_loss=val)).kind == "unstable"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_lost_training_loss_is_divergence(bad: float) -> None:
    train = np.where(EPOCHS > 5, bad, 1.0)
    assert diagnose_curves(rows(train_loss=train, val_loss=np.ones(20))).kind == "diverged"


def test_epochs_without_validation_are_gaps_not_divergence() -> None:
    history = rows(train_loss=np.exp(-EPOCHS) + 0.1, val_loss=np.exp(-EPOCHS) + 0.1)
    gaps = [row if i % 2 else {**row, "val_loss": math.nan} for i, row in enumerate(history)]
    missing = [row if i % 2 else {"train_loss": row["train_loss"]} for i, row in enumerate(history)]
    assert diagnose_curves(gaps).kind == diagnose_curves(missing).kind == "settled"
    rising = rows(train_loss=1 / EPOCHS, val_loss=0.1 * EPOCHS)
    assert diagnose_curves([{"train_loss": 2.0, "val_loss": math.nan}, *rising]).kind == "overfitting"


def test_dropout_that_lifts_the_training_loss_is_no_fault() -> None:
    history = rows(train_loss=0.5 + np.exp(-EPOCHS), val_loss=0.2 + np.exp(-EPOCHS))
    assert diagnose_curves(history).kind == "settled"


def test_nothing_is_said_of_too_few_epochs() -> None:
    assert diagnose_curves([]).kind == "unknown"
    assert diagnose_curves(rows(train_loss=np.ones(2), val_loss=np.ones(2))).kind == "unknown"


def test_a_validation_loss_that_shoots_up_at_the_end_has_not_settled_and_one_that_is_nothing_has() -> None:
    train, val = (0.62, 0.26, 0.57, 0.19), (0.48, 0.05, 0.03, 0.87)
    found = diagnose_curves([{"train_loss": a, "val_loss": b} for a, b in zip(train, val, strict=True)])
    assert found.kind == "unstable"
    assert "lowest after epoch 3 (0.030) and is 0.870 at the end" in found.sentence
    tiny = [{"train_loss": loss, "val_loss": loss} for loss in (2.3, 0.5, 0.0003, 0.0009)]
    assert diagnose_curves(tiny).kind == "settled"
