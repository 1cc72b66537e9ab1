"""The curve of each schedule, against its formula and against torch's own schedulers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from hubel.errors import UnknownName, UsageError
from hubel.training.schedules import build_schedule


def torch_curve(make, steps: int) -> list[float]:
    """The factors of a torch scheduler over so many steps."""
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimiser)
    factors = []
    for _ in range(steps):
        factors.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return factors


lr = torch.optim.lr_scheduler


@pytest.mark.parametrize(
    ("name", "options", "make"),
    [
        ("fixed", {}, lambda o: lr.ConstantLR(o, factor=1.0)),
        ("cosine", {}, lambda o: lr.CosineAnnealingLR(o, T_max=40)),
        ("cosine", {"final": 0.1}, lambda o: lr.CosineAnnealingLR(o, T_max=40, eta_min=0.1)),
        ("step", {"gamma": 0.2}, lambda o: lr.MultiStepLR(o, [20, 30], gamma=0.2)),
        ("exponential", {"decay": 0.3}, lambda o: lr.ExponentialLR(o, math.exp(-0.3 / 4))),
        ("linear", {}, lambda o: lr.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=40)),
        ("inverse-time", {"decay": 2.0}, lambda o: lr.LambdaLR(o, lambda t: 1 / (1 + 2 * t / 4))),
    ],
)
def test_the_curve_is_that_of_torch(name: str, options: dict[str, float], make) -> None:
    ours = build_schedule(name, total_steps=40, steps_per_epoch=4, **options).curve()
    assert ours == pytest.approx(torch_curve(make, 40), abs=1e-12)


def test_the_triangle_climbs_to_its_peak_and_falls_to_nought() -> None:
    schedule = build_schedule("linear", total_steps=100, peak=0.2, start=0.2)
    assert [schedule(t) for t in (0, 10, 20, 60)] == pytest.approx([0.2, 0.6, 1.0, 0.5])
    assert schedule(99) == pytest.approx(1 / 80)


def test_one_cycle_is_highest_at_its_peak_and_ends_near_nought() -> None:
    curve = build_schedule("one-cycle", total_steps=100, peak=0.3).curve()
    assert max(range(100), key=curve.__getitem__) == 30
    assert curve[0] == pytest.approx(0.04)
    assert curve[30] == 1
    assert curve[99] < 0.001
    assert curve[15] == pytest.approx((1 + 0.04) / 2)


def test_time_decay_after_n_epochs_is_one_over_n_plus_one() -> None:
    schedule = build_schedule("1/t", total_steps=50, steps_per_epoch=10)
    assert [schedule(10 * n) for n in range(5)] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [0, 2])
def test_plateau_replays_torch_s_from_the_history(mode: str, patience: int) -> None:
    history = [1.0, 0.8, 0.8, 0.79, 0.9, 0.8, 0.8, 0.8, 0.5, 0.6, 0.6, 0.6, 0.6, 0.4, 0.7, 0.39998, 0.39996]
    history = history if mode == "min" else [1 - value for value in history]
    schedule = build_schedule("plateau", total_steps=100, patience=patience, mode=mode, gamma=0.5, lowest=0.0)
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = lr.ReduceLROnPlateau(optimiser, mode=mode, factor=0.5, patience=patience, threshold=1e-4)
    for epoch, value in enumerate(history):
        theirs.step(value)
        assert schedule(0, history[: epoch + 1]) == pytest.approx(optimiser.param_groups[0]["lr"])


def test_plateau_counts_a_value_that_is_not_a_number_as_no_improvement() -> None:
    schedule = build_schedule("plateau", total_steps=10, patience=1)
    assert schedule(0, [math.nan, math.nan]) == pytest.approx(0.1)
    assert schedule(0, [0.5, math.nan]) == 1
    assert schedule.needs_history
    assert not build_schedule("cosine", total_steps=10).needs_history


def test_plateau_does_not_fall_below_its_floor() -> None:
    assert build_schedule("plateau", total_steps=10, patience=0, lowest=0.05)(0, [1.0] * 50) == 0.05


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("cosinus", {"total_steps": 5}, UnknownName, "did you mean 'cosine'"),
        ("cosine", {"total_steps": 0}, UsageError, "at least one step"),
        ("cosine", {"total_steps": 5, "warmup_steps": 5}, UsageError, "shorter than the run: 5 of 5"),
        ("cosine", {"total_steps": 5, "final": 2}, UsageError, "final must be between 0 and 1, got 2"),
        ("step", {"total_steps": 5, "milestones": [30, 60]}, UsageError, "shares of the run"),
        ("exponential", {"total_steps": 5, "decay": 0}, UsageError, "decay must be above 0"),
        ("one-cycle", {"total_steps": 5, "peak": 1}, UsageError, "peak must be a share"),
        ("linear", {"total_steps": 5, "peak": 1}, UsageError, "peak must be a share"),
        ("plateau", {"total_steps": 5, "mode": "loss"}, UsageError, "mode must be min or max"),
    ],
)
def test_what_cannot_be_is_refused(name: str, settings: dict[str, object], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        build_schedule(name, **settings)
