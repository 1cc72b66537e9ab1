"""Control: a training that is under way is paused, stepped, altered, saved or stopped from outside."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

from hubel.assembly.onward import going_on
from hubel.errors import ArtefactError, UsageError
from hubel.records.control import COMMANDS, Answer, Log, give
from hubel.records.ledger import RunRecord, find_run
from hubel.store import RunStore
from hubel.views import Viewed
from hubel.words import plural

PATIENCE = 30.0
"""Seconds that are waited for an answer: a long step, or the measurement after an epoch, may be under way."""
LOOK = 0.02


@dataclass(frozen=True, kw_only=True)
class Controlled(Viewed):
    """What came of an order."""

    command: str
    step: int | None
    """Updates of the weights that were done when it was obeyed; None where no answer came in time."""
    seconds: float
    """From asking to the answer."""

    def __str__(self) -> str:
        if self.step is None:
            return f"{self.command}: asked; no answer within {self.seconds:.0f} s, a long step may be under way"
        what = "it goes on and pauses again, taken up" if self.command == "step" else "done"
        return f"{self.command}: {what} after {plural(self.step, 'step')} of the run"


def control(
    run: str | PathLike[str],
    command: str,
    *,
    steps: int = 1,
    settings: Mapping[str, Any] | None = None,
    patience: float = PATIENCE,
) -> Controlled:
    """Ask the training of `run` to pause, resume, step (so many `steps`), set (`settings`), save or stop.

    It is obeyed between two steps and written down in the run's folder (`control.jsonl`, `events.jsonl`,
    `segments.json`). `settings` are those that `--resume` takes, by their short names; `hubel train --resume` gives the
    same bits later. Waits up to `patience` seconds for the answer. Raises ArtefactError where nothing trains in the
    folder, UsageError for what cannot be asked or was refused.
    """
    folder = find_run(run)
    store = RunStore.open(folder)
    if command == "set" and not settings:
        raise UsageError("set needs a setting, got none", hint="hubel control RUN set lr=0.01")
    if command != "set" and settings:
        raise UsageError(f"settings go with set, not with {command}", hint="hubel control RUN set lr=0.01")
    if command in COMMANDS and not store.is_held():
        record = RunRecord(folder)
        again = "hubel train --resume" if record.status != "finished" else "hubel runs show"
        raise ArtefactError(f"nothing trains in {folder} now: it is {record.status}", hint=f"{again} {folder}")
    if command == "set":
        going_on(folder, settings or {})
    log = Log(store)
    order = give(store, command, steps=steps, settings=settings)
    began = time.monotonic()
    while time.monotonic() - began < patience:
        log.new()
        answer: Answer | None = log.answered.get(order.id)
        if answer is not None and answer.refused:
            raise UsageError(f"{command} was refused: {answer.refused}", hint=f"hubel control {folder} stop")
        if answer is not None:
            return Controlled(command=command, step=answer.step, seconds=time.monotonic() - began)
        if not store.is_held() and command not in ("set", "stop"):
            raise ArtefactError(
                f"the training in {folder} ended before it was obeyed", hint=f"hubel runs show {folder}"
            )
        time.sleep(LOOK)
    return Controlled(command=command, step=None, seconds=patience)
