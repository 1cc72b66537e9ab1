"""The bug zoo in short: some faults on one net and data set, and some healthy trainings. `make doctor` is long."""

from __future__ import annotations

import pytest
import torch
from tests.doctor.zoo import FAULTS, HEALTHY, planted

import hubel
from hubel.diagnosis.checks import NEEDS

SEED = 1
FAST = {"seconds": 20.0, "verbose": False}
SHORT = [name for number, name in enumerate(FAULTS) if number % 5 == 0]
"""A fifth of the faults; the slow lane has all of them."""
WELL = ["mlp on digits, its own step and program", "cnn on colours, sgd", "res on digits, a slow starter",
        "cosine on digits", "few samples of colours", "imbalance on digits", "regression on digits",
        "points", "averaged weights on digits", "a test and a stop on colours", "shades varied on colours"]  # fmt: skip


def named_first(name: str) -> tuple[str, tuple[str, ...]]:
    """The first finding, and those that would be right."""
    fault = FAULTS[name]
    torch.manual_seed(SEED)
    case = planted(fault, fault.nets[0], fault.data[-1], SEED)
    found = hubel.doctor(**case.arguments(), **FAST)
    return (found.ids or ("nothing",))[0], fault.right


@pytest.mark.parametrize("name", SHORT)
def test_a_planted_fault_is_named_first(name: str) -> None:
    first, right = named_first(name)
    assert first in right


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FAULTS if name not in SHORT])
def test_every_other_planted_fault_is_named_first(name: str) -> None:
    first, right = named_first(name)
    assert first in right


@pytest.mark.parametrize("name", WELL)
def test_a_healthy_training_is_left_alone(name: str) -> None:
    found = hubel.doctor(**HEALTHY[name].make(SEED).arguments(), **FAST)
    assert [str(one) for one in found.findings if one.severity != "note"] == []
    assert found.healthy
    assert set(found.left_out.values()) <= set(NEEDS.values())
