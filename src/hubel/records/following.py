"""A run's log of events, read as it grows: what a training has told so far, whoever trains it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from hubel.errors import HubelError
from hubel.store import RunStore, parse_json

FILE = "events.jsonl"
KEPT = 4_000
"""Losses that are kept, the latest: more than a screen has columns."""


@dataclass
class Following:
    """What the log of a run says; `look` reads what is new."""

    store: RunStore
    epoch: int = 0
    """The epoch under way, from 1; 0 before the first step."""
    step: int = 0
    """Steps of it that are done."""
    losses: list[float] = field(default_factory=list)
    """Of logged steps, in their order."""
    rows: list[dict[str, float]] = field(default_factory=list)
    """Of the epochs that are done, as in metrics.csv."""
    told: list[str] = field(default_factory=list)
    """What else happened, in words."""
    finished: str = ""
    """Why it ended; "" while it has not."""
    paused: bool = False
    read: int = 0

    def look(self) -> int:
        """Read the whole lines that came since the last look; how many. A log that was cut back is read anew."""
        path = self.store.path(FILE)
        try:
            size = os.stat(path).st_size
            if size < self.read:
                self.__init__(self.store)  # type: ignore[misc]  # a resumed run forgets what came after its state
            if size == self.read:
                return 0
            with open(path, "rb") as file:
                file.seek(self.read)
                text = file.read()
        except OSError:
            return 0
        whole = text[: text.rfind(b"\n") + 1]
        self.read += len(whole)
        lines = whole.splitlines()
        for line in lines:
            try:
                said = parse_json(line, name=FILE)
            except HubelError:
                continue
            if isinstance(said, dict):
                self._take(said)
        return len(lines)

    def _take(self, said: dict[str, Any]) -> None:
        event = said.get("event")
        if event in ("step", "pace"):
            self.epoch, self.step = int(said.get("epoch", 0)), int(said.get("step", 0))
            self.losses = [*self.losses[-KEPT + 1 :], float(said.get("loss", "nan"))]
        elif event == "epoch":
            self.rows.append({name: float(value) for name, value in said.items() if isinstance(value, (int, float))})
            self.epoch, self.step = int(said.get("epoch", 0)) + 1, 0
        elif event == "finished":
            self.finished = str(said.get("reason", "end"))
        elif event in ("paused", "resumed"):
            self.paused = event == "paused"
        if event not in ("step", "pace", "epoch", "finished", "vitals", "overflowed"):
            told = said.get("told") or said.get("reason") or event
            self.told.append(f"epoch {said.get('epoch', self.epoch)}: {told}")
