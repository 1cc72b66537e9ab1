"""What a watcher is told in one process, carried to a watcher in another: as plain data, a few times a second.

>>> teller, said = Teller(), []
>>> teller.remark("two processes")
>>> watch = Watcher()
>>> watch.remark = said.append
>>> pass_on(teller.take(), watch)
>>> said
['two processes']
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import torch

from hubel import events
from hubel.events import Event, StepDone
from hubel.watching import Plan, Watcher

OFTEN = 0.25
"""Seconds between two steps, or two counts of a stage, that are told: reading a loss waits for the device."""
Said = tuple[str, Any]
"""What was called, and what with."""


class Teller(Watcher):
    """Keeps what it is told until somebody takes it; steps and counts of a stage are summed up."""

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._lock = threading.Lock()
        self._spoken, self._images = 0.0, 0

    def take(self) -> list[Said]:
        """What was told since the last time."""
        with self._lock:
            said, self._said = self._said, []
        return said

    def stage(self, text: str) -> None:
        """A stage begins."""
        self._say("stage", text)

    def progress(self, done: int, total: int) -> None:
        """A count, now and then, and the last."""
        if done >= total or self._due():
            self._say("progress", (done, total))

    def remark(self, text: str) -> None:
        """Something to know."""
        self._say("remark", text)

    def training(self, plan: Plan) -> None:
        """Training begins."""
        self._say("training", _plain(plan))

    def event(self, event: Event) -> None:
        """An event; of steps one now and then, with the samples of those before it."""
        if isinstance(event, StepDone):
            self._images += event.images
            if not self._due() and event.step < event.steps:
                return
            event = replace(event, images=self._images)
            self._images = 0
        self._say("event", (type(event).__name__, _plain(event)))

    def _say(self, what: str, told: Any) -> None:
        with self._lock:
            self._said.append((what, told))

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._spoken < OFTEN:
            return False
        self._spoken = now
        return True


def pass_on(said: Iterable[Said], watch: Watcher) -> None:
    """Tell a watcher here what a `Teller` took down elsewhere."""
    for what, told in said:
        if what == "training":
            watch.training(Plan(**told))
        elif what == "event":
            name, facts = told
            if name == "StepDone":
                facts = {**facts, "loss": torch.tensor(facts["loss"])}
            watch.event(getattr(events, name)(**facts))
        elif what == "progress":
            watch.progress(*told)
        else:
            getattr(watch, what)(told)


def _plain(thing: Any) -> dict[str, Any]:
    """The fields of a dataclass; a tensor of one number as that number."""
    found = {field.name: getattr(thing, field.name) for field in fields(thing)}
    return {name: float(value) if isinstance(value, torch.Tensor) else value for name, value in found.items()}
