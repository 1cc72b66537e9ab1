"""What several processes that train one net agree on between two steps: the first says it, the others hear it.

Asking at each step would cost each step an exchange, and a clock of one's own would not be the others'. So the first
says each time after how many steps they ask again, such that a tenth of a second passes.

    step 1   tell GO, 40      hear GO, 40
    step 41  tell WAIT        hear WAIT      for as long as a pause lasts, twice a second: no exchange may take too long
             tell GO, 40      hear GO, 40
"""

from __future__ import annotations

import time
from contextlib import suppress
from enum import IntEnum

import torch
import torch.distributed as dist

PACE = 0.1
"""Seconds from one agreement to the next, about."""
MOST = 200
"""Steps, at most."""
BEAT = 0.5
"""Seconds from one sign of life to the next in a pause."""


class Verdict(IntEnum):
    """What all processes do next."""

    GO = 0
    WAIT = 1
    LEAVE = 2
    ALTER = 3


class Accord:
    """The place of the next agreement, the same in all processes; `tell` in the first, `hear` in the others."""

    def __init__(self, step: int) -> None:
        """`step`: updates that were done when this sitting began."""
        self.next = self.step = step + 1
        self.looked: float | None = None
        self.beaten = 0.0

    def due(self, step: int) -> bool:
        """Do all agree after this step?"""
        return step >= self.next

    def tell(self, verdict: Verdict, step: int, *, soon: bool = False) -> None:
        """Say what all do next, and after how many steps they ask again; `soon`: after the very next one."""
        now = time.perf_counter()
        if verdict is Verdict.WAIT:
            if now - self.beaten >= BEAT:
                self.beaten = now
                _exchange(verdict, 0)
            return
        ahead = 1
        if self.looked is not None and step > self.step and not soon:
            ahead = max(1, min(MOST, int(PACE * (step - self.step) / max(now - self.looked, 1e-6))))
        _exchange(verdict, ahead)
        self.looked, self.step, self.next, self.beaten = now, step, step + ahead, 0.0

    def hear(self, step: int) -> tuple[Verdict, float]:
        """What the first process says, and the seconds that were waited for it in a pause."""
        began = time.perf_counter()
        said, ahead = _exchange(Verdict.GO, 0)
        waited = said is Verdict.WAIT
        while said is Verdict.WAIT:
            said, ahead = _exchange(Verdict.GO, 0)
        self.next = step + ahead
        return said, time.perf_counter() - began if waited else 0.0

    def part(self) -> None:
        """The last exchange: the others wait here until the first has saved everything, or is gone."""
        with suppress(RuntimeError):
            _exchange(Verdict.LEAVE, 0)


def _exchange(verdict: Verdict, ahead: int) -> tuple[Verdict, int]:
    """The first process's words in all of them; two numbers on the processor, wherever the net is."""
    words = torch.tensor([int(verdict), ahead], dtype=torch.int64)
    dist.broadcast(words, 0)
    said, steps = words.tolist()
    return Verdict(said), steps
