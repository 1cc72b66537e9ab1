"""The number of threads follows what else the machine does, decided by the steps themselves."""

from __future__ import annotations

import pytest
import torch

from hubel import runtime, waiting
from hubel.runtime import threading
from hubel.training.crowding import AGAIN, LOOK, STEPS, ThreadWatch, watch_threads


class Machine:
    """Steps whose length depends on the number of threads, as on a busy machine."""

    def __init__(self, seconds: dict[int, float], others: float = 0.0) -> None:
        self.seconds, self.running = seconds, others
        self.watch = ThreadWatch(count=max(seconds), use=lambda count: None, others=lambda: self.running)

    def steps(self, count: int) -> list[tuple[int, str]]:
        found = (self.watch.after(self.seconds[self.watch.count]) for _ in range(count))
        return [change for change in found if change is not None]


def test_an_idle_machine_keeps_its_threads() -> None:
    machine = Machine({2: 0.1, 1: 0.2})
    assert machine.steps(100) == []
    assert machine.watch.count == 2


def test_what_others_do_is_looked_at_every_few_seconds_not_every_few_steps() -> None:
    looks: list[float] = []
    watch = ThreadWatch(count=2, use=lambda count: None, others=lambda: looks.append(0.0) or 0.0)
    for _ in range(1_000):
        watch.after(0.01)  # ten seconds in all
    assert len(looks) == 10 // LOOK + 1


def test_a_step_that_becomes_several_times_slower_is_tried_with_fewer_threads() -> None:
    machine = Machine({2: 0.1, 1: 0.2})
    machine.steps(STEPS)
    machine.seconds = {2: 1.0, 1: 0.2}
    ((count, why),) = machine.steps(2 * STEPS)
    assert count == machine.watch.count == 1
    assert why.startswith("1 thread instead of 2: a step takes 0.2 s instead of 1.00 s")


def test_fewer_threads_that_gain_nothing_are_given_up_and_not_tried_again_at_once() -> None:
    machine = Machine({2: 0.1, 1: 0.2}, others=3.0)
    assert machine.steps(2 * STEPS) == []
    assert machine.watch.count == 2
    assert machine.watch.before is None
    machine.steps(STEPS)
    assert machine.watch.before is None  # a trial costs steps: the next one waits


def test_threads_come_back_when_the_others_have_gone() -> None:
    machine = Machine({2: 1.0, 1: 0.2}, others=3.0)
    machine.steps(2 * STEPS)
    assert machine.watch.count == 1
    machine.running, machine.seconds = 0.0, {2: 0.1, 1: 0.2}
    machine.steps(int(AGAIN / 0.2) + 3 * STEPS)
    assert machine.watch.count == 2


def test_what_the_user_says_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("hubel.runtime.cores", lambda: (4, 4))
    assert watch_threads(torch.device("cpu"), fixed=False) is not None
    assert watch_threads(torch.device("cpu"), fixed=True) is None
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert watch_threads(torch.device("cpu"), fixed=False) is None


def test_a_run_begins_with_fewer_threads_only_where_others_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threading, "cores", lambda: (2, 2))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(threading, "others_running", lambda: 0.0)
    monkeypatch.setattr(threading, "step_seconds", lambda candidates, budget=0.3: {2: 0.9, 1: 0.1})
    assert runtime.settle_threads() is None
    monkeypatch.setattr(threading, "others_running", lambda: 4.0)
    assert runtime.settle_threads() == 1


def test_threads_wait_asleep_only_where_others_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    for running, expected in ((0.0, {}), (3.0, {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "0"})):
        monkeypatch.setattr(waiting, "others_running", lambda looks, running=running: running)
        environment: dict[str, str] = {}
        waiting.wait_asleep_where_others_compute(environment)
        assert environment == expected
    said = {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "9"}
    waiting.wait_asleep_where_others_compute(said)
    assert said == {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "9"}


def test_the_watch_of_the_processor_counts_others_only() -> None:
    assert 0 <= waiting.others_running() < 10_000
