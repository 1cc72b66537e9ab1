"""Orders to a training that is under way: a log in the run's folder, a line an order, a line an answer.

    control.jsonl   {"order": "5f…", "command": "set", "settings": {"lr": 0.01}}     whoever asks appends
                    {"answer": "5f…", "step": 120}                                  the training appends
                    {"answer": "5f…", "refused": "a run keeps the model …"}

Both only append whole lines, so that nothing is lost whoever dies. An order without an answer has not been obeyed.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubel.errors import HubelError, UsageError, unknown
from hubel.store import RunStore, parse_json

FILE = "control.jsonl"
COMMANDS = {
    "pause": "wait after the step under way; its state is saved first",
    "resume": "go on",
    "step": "take so many steps, and wait again: step 5",
    "set": "go on with other settings: set lr=0.01",
    "save": "save state and weights now",
    "stop": "save and leave, as after Ctrl-C; hubel train --resume goes on",
}
"""What can be asked, and what it does."""
MOST_STEPS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Order:
    """Something that a training is asked to do."""

    id: str
    command: str
    steps: int = 1
    """Of `step`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of `set`, by their short names."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of an order."""

    id: str
    step: int = 0
    """Updates of the weights that were done when it was obeyed."""
    refused: str = ""
    """Why it was not obeyed; "" where it was."""


def give(store: RunStore, command: str, *, steps: int = 1, settings: Mapping[str, Any] | None = None) -> Order:
    """Append an order to the log of a run. Raises UsageError for what is none."""
    if command not in COMMANDS:
        raise unknown("command", command, COMMANDS)
    if not 1 <= steps <= MOST_STEPS:
        raise UsageError(f"steps must be from 1 to {MOST_STEPS:,}, got {steps}", hint="hubel control RUN step 1")
    order = Order(id=secrets.token_hex(8), command=command, steps=steps, settings=dict(settings or {}))
    line: dict[str, Any] = {"order": order.id, "command": command}
    if command == "step":
        line["steps"] = steps
    if command == "set":
        line["settings"] = order.settings
    store.append_line(FILE, json.dumps(line))
    return order


def reply(store: RunStore, answer: Answer) -> None:
    """Append what came of an order, and bring it to the disk."""
    line: dict[str, Any] = {"answer": answer.id, "step": answer.step}
    store.append_line(FILE, json.dumps(line | ({"refused": answer.refused} if answer.refused else {})))
    store.mark(FILE)


class Log:
    """The log of a run as it grows: what is new is read once, as long as nothing is new looking costs a call."""

    def __init__(self, store: RunStore) -> None:
        self.store, self.path = store, store.path(FILE)
        self.read = 0
        self.answered: dict[str, Answer] = {}

    def new(self) -> list[Order]:
        """The orders that came since the last call, the answered ones left out; lines that are none are passed over."""
        try:
            if os.stat(self.path).st_size <= self.read:
                return []
            with open(self.path, "rb") as file:
                file.seek(self.read)
                text = file.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self.read += len(whole)
        found: list[Order] = []
        for line in whole.splitlines():
            entry = _understood(line)
            if isinstance(entry, Answer):
                self.answered[entry.id] = entry
            elif entry is not None:
                found.append(entry)
        return [order for order in found if order.id not in self.answered]


def _understood(line: bytes) -> Order | Answer | None:
    """A line of the log; None for what is none of ours, whoever wrote it."""
    try:
        said = parse_json(line, name=FILE)
    except HubelError:
        return None
    if not isinstance(said, dict):
        return None
    answer, order, step = said.get("answer"), said.get("order"), said.get("step", 0)
    if isinstance(answer, str) and type(step) is int:
        return Answer(id=answer, step=step, refused=str(said.get("refused", "")))
    command, steps, settings = said.get("command"), said.get("steps", 1), said.get("settings", {})
    if not isinstance(order, str) or command not in COMMANDS or not isinstance(settings, dict):
        return None
    if type(steps) is not int or not 1 <= steps <= MOST_STEPS:
        return None
    return Order(id=order, command=command, steps=steps, settings=settings)
