"""What several processes agree on between two steps, with a wire between two threads in the place of a network."""

from __future__ import annotations

import itertools
import queue
import threading
import time

import pytest

from hubel.assembly import accord
from hubel.assembly.accord import Accord, Verdict


class Wire:
    """Carries words from the first to the second of two threads; each exchange waits for both."""

    def __init__(self) -> None:
        self.words: queue.Queue[tuple[Verdict, int]] = queue.Queue()
        self.first = threading.get_ident()
        self.exchanges = 0

    def __call__(self, verdict: Verdict, ahead: int) -> tuple[Verdict, int]:
        if threading.get_ident() == self.first:
            self.exchanges += 1
            self.words.put((verdict, ahead))
            return verdict, ahead
        return self.words.get(timeout=10)


def test_both_ask_after_the_same_steps_and_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    monkeypatch.setattr(accord, "_exchange", wire)
    heard: list[tuple[int, Verdict]] = []
    waits: list[float] = []

    def other() -> None:
        mine, step = Accord(0), 0
        while True:
            step += 1
            if mine.due(step):
                said, waited = mine.hear(step)
                heard.append((step, said))
                waits.append(waited)
                if said is Verdict.LEAVE:
                    return

    thread = threading.Thread(target=other)
    thread.start()
    mine, told = Accord(0), []
    monkeypatch.setattr(accord, "BEAT", 0.05)
    for step in itertools.count(1):
        time.sleep(0.0005)
        if not mine.due(step):
            continue
        if len(told) == 2:  # a pause
            until = time.perf_counter() + 0.3
            while time.perf_counter() < until:
                mine.tell(Verdict.WAIT, step)
                time.sleep(0.01)
        verdict = Verdict.LEAVE if step > 300 else Verdict.GO
        mine.tell(verdict, step, soon=len(told) == 3)
        told.append((step, verdict))
        if verdict is Verdict.LEAVE:
            break
    thread.join(timeout=10)
    assert told == heard
    assert 0.25 < max(waits) < 5
    assert sum(wait > 0 for wait in waits) == 1
    assert told[4][0] == told[3][0] + 1  # soon: after the very next step
    assert wire.exchanges < 60 < step  # far fewer than steps


def test_agreements_are_a_tenth_of_a_second_apart_whatever_a_step_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accord, "_exchange", lambda verdict, ahead: (verdict, ahead))
    clock = [0.0]
    monkeypatch.setattr(accord.time, "perf_counter", lambda: clock[0])
    for lasts, ahead in ((0.01, 10), (1.0, 1), (1e-6, accord.MOST)):
        mine = Accord(0)
        mine.tell(Verdict.GO, 1)
        assert mine.next == 2
        clock[0] += lasts
        mine.tell(Verdict.GO, 2)
        assert mine.next == 2 + ahead
