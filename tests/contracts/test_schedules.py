"""Every schedule in the registry keeps these promises."""

from __future__ import annotations

import itertools

import pytest

from hubel.errors import UsageError
from hubel.training.schedules import SCHEDULES, build_schedule

NAMES = SCHEDULES.names()


@pytest.mark.parametrize(("name", "total"), [*itertools.product(NAMES, (1, 2, 7, 100))])
def test_factors_lie_between_nought_and_one(name: str, total: int) -> None:
    curve = build_schedule(name, total_steps=total, steps_per_epoch=10).curve()
    assert len(curve) == total
    assert all(0 <= factor <= 1 for factor in curve)


@pytest.mark.parametrize("name", NAMES)
def test_it_reaches_the_full_rate(name: str) -> None:
    assert max(build_schedule(name, total_steps=100, steps_per_epoch=10).curve()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_it_remembers_nothing(name: str) -> None:
    schedule = build_schedule(name, total_steps=50, steps_per_epoch=5)
    forwards = [schedule(step) for step in range(50)]
    backwards = [schedule(step) for step in reversed(range(50))]
    assert forwards == backwards[::-1]


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_up_climbs_in_equal_steps_and_then_the_schedule_has_the_rest(name: str) -> None:
    warm = build_schedule(name, total_steps=30, steps_per_epoch=5, warmup_steps=4)
    assert [warm(step) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    alone = build_schedule(name, total_steps=26, steps_per_epoch=5)
    assert [warm(step) for step in range(4, 30)] == alone.curve()


@pytest.mark.parametrize("name", NAMES)
def test_after_the_last_step_nothing_changes(name: str) -> None:
    schedule = build_schedule(name, total_steps=20)
    assert schedule(20) == schedule(1000) == schedule(19)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no option 'gama'"):
        build_schedule(name, total_steps=10, gama=0.5)
