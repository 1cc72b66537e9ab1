"""Scaling on paper: Amdahl's law, the ring, and where the exchange cannot hide any more."""

from __future__ import annotations

import pytest

from hubel.errors import UsageError
from hubel.lessons.scaling import ring_seconds, strong_scaling

FAST = {"step_seconds": 1.0, "parameters": 0, "bandwidth": 1e9, "latency": 0.0}


def test_without_exchange_it_is_amdahls_law() -> None:
    for row in strong_scaling([1, 2, 4, 1000], **FAST, serial=0.05):
        assert row.speedup == pytest.approx(1 / (0.05 + 0.95 / row.processes))
    assert strong_scaling([10**9], **FAST, serial=0.05)[0].speedup == pytest.approx(20)


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_a_ring_played_out_turn_by_turn_takes_as_long(processes: int) -> None:
    # p - 1 turns in which every process passes one of p pieces on and adds, then p - 1 in which the sums go round
    sums = [[{owner} for _ in range(processes)] for owner in range(processes)]
    piece, seconds = 12e6 / processes, 0.0
    for phase in ("add", "copy"):
        for turn in range(processes - 1):
            shift = turn if phase == "add" else turn - 1
            moved = [(p, (p - shift) % processes, set(sums[p][(p - shift) % processes])) for p in range(processes)]
            for sender, index, values in moved:
                sums[(sender + 1) % processes][index] |= values
            seconds += piece / 1e9 + 5e-6
    assert all(part == set(range(processes)) for owner in sums for part in owner)
    assert ring_seconds(12e6, processes, bandwidth=1e9, latency=5e-6) == pytest.approx(seconds)


def test_an_exchange_hides_behind_the_backward_pass_until_it_is_longer() -> None:
    hidden, seen = strong_scaling([2, 32], step_seconds=1.0, parameters=25_000_000, bandwidth=1e9, latency=0.0)
    assert hidden.exchange == pytest.approx(0.1)
    assert hidden.waiting == 0
    assert hidden.efficiency == pytest.approx(1)
    assert seen.waiting == pytest.approx(0.2 * 31 / 32 - 2 / 3 / 32)
    assert seen.seconds == pytest.approx(1 / 32 + seen.waiting)
    assert seen.efficiency < 0.2


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="serial is a share"):
        strong_scaling([1], **FAST, serial=2)
    with pytest.raises(UsageError, match="at least 1"):
        strong_scaling([0], **FAST)
