"""What is told while a command works: how much, in which form, and whether into a file.

`--log json` puts one JSON object a line on standard error in place of bars and sentences. The environment's HUBEL_LOG
is a level (error, warning, info, debug) or a file, to which the same lines are added whatever the screen shows.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hubel.errors import HubelError, UsageError, near
from hubel.events import EpochDone, Event, StepDone
from hubel.watching import Plan, Watcher
from hubel.words import plain, visible

LEVELS = ("error", "warning", "info", "debug")
OFTEN = 1.0
"""Seconds between two lines about steps or counts."""


@dataclass(frozen=True)
class Log:
    """What the user asked for."""

    level: str = "info"
    form: str = "text"
    file: Path | None = None

    def tells(self, level: str) -> bool:
        """Is what has this level told on the screen?"""
        return LEVELS.index(level) <= LEVELS.index(self.level)


def read_log(arguments: list[str], environment: Mapping[str, str] = os.environ) -> tuple[Log, list[str]]:
    """What `--log` and HUBEL_LOG ask for, and the arguments without `--log`.

    >>> read_log(["train", "digits", "--log", "json"], {})
    (Log(level='info', form='json', file=None), ['train', 'digits'])
    >>> read_log(["data", "digits"], {"HUBEL_LOG": "warning"})[0].level
    'warning'
    """
    form, rest = "text", []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--log" or word.startswith("--log="):
            form = word[len("--log=") :] if "=" in word else next(words, "")
        else:
            rest.append(word)
    if form not in ("text", "json"):
        raise UsageError(f"--log must be text or json, got {form!r}", hint="--log json, or leave it out for text")
    wanted = environment.get("HUBEL_LOG", "")
    if wanted.lower() in LEVELS or not wanted:
        return Log(wanted.lower() or "info", form), rest
    if not set(wanted) & {os.sep, "/", "."}:
        close = near(wanted, LEVELS)
        hint = f"did you mean {close[0]!r}?" if close else "a file has a dot or a slash in its name: ./hubel.log"
        raise UsageError(f"HUBEL_LOG must be {', '.join(LEVELS)} or a file, got {wanted!r}", hint=hint)
    return Log("info", form, check_file(Path(wanted))), rest


class Lines(Watcher):
    """All that happens as records, one after the other, handed to `write`."""

    def __init__(self, write: Callable[[dict[str, Any]], None]) -> None:
        self.write = write
        self.name = ""
        self.spoken = 0.0

    def stage(self, text: str) -> None:
        """A stage begins."""
        self.name = text
        self.write({"event": "stage", "stage": text})

    def progress(self, done: int, total: int) -> None:
        """A count, now and then."""
        if self._due():
            self.write({"event": "progress", "stage": self.name, "done": done, "total": total})

    def remark(self, text: str) -> None:
        """Something to know."""
        self.write({"event": "remark", "level": "warning", "text": text})

    def training(self, plan: Plan) -> None:
        """The training begins."""
        self.write({"event": "training", **{field.name: getattr(plan, field.name) for field in fields(plan)}})

    def event(self, event: Event) -> None:
        """An epoch, the end, and now and then a step: reading its loss waits for the device."""
        if isinstance(event, StepDone) and not self._due():
            return
        self.write(record(event))

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self.spoken < OFTEN:
            return False
        self.spoken = now
        return True


def record(event: Event) -> dict[str, Any]:
    """An event of the training loop as plain data.

    >>> record(EpochDone(epoch=0, row={"train_loss": 0.5}, best=True))
    {'event': 'epoch', 'train_loss': 0.5, 'best': True}
    """
    if isinstance(event, EpochDone):
        return {"event": "epoch", **event.row, "best": event.best}
    facts = {field.name: getattr(event, field.name) for field in fields(event)}
    if isinstance(event, StepDone):
        facts |= {"loss": event.loss.item(), "epoch": event.epoch + 1}
    return {"event": {"StepDone": "step"}.get(type(event).__name__, type(event).__name__.lower()), **facts}


def as_line(facts: dict[str, Any]) -> str:
    """A record as one line of JSON, with the time it was told at; ASCII only, so that any file takes it."""
    facts = {"time": round(time.time(), 3), **facts}
    return json.dumps(plain(facts), default=lambda value: visible(str(value)))


def check_file(path: Path) -> Path:
    """Raise UsageError where no log can be kept, before any work begins."""
    try:
        path.open("a", encoding="ascii").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"the log {str(path)!r} cannot be written: {reason}", hint="check HUBEL_LOG") from None
    return path


def to_file(path: Path) -> Callable[[dict[str, Any]], None]:
    """A writer that adds lines to a file; what the disk does not take is lost, and the work goes on."""

    def write(facts: dict[str, Any]) -> None:
        with suppress(OSError), path.open("a", encoding="ascii") as file:
            file.write(as_line(facts) + "\n")

    return write


def to_screen(facts: dict[str, Any]) -> None:
    """Put a record on standard error."""
    sys.stderr.write(as_line(facts) + "\n")
    sys.stderr.flush()


def fault(error: HubelError) -> dict[str, Any]:
    """An error as a record."""
    return {"event": "error", "level": "error", "text": error.what, "hint": error.hint, "exit_code": error.exit_code}
