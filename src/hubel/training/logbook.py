"""What a run writes while it trains: its table, its events, its weights and states; and a log of each process."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from hubel.checkpoint import EPOCH, ModelSpec, golden_images, golden_logits, load_state, save_state, save_weights
from hubel.data.columns import Columns
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, HubelError
from hubel.events import EpochDone, Event, Finished, MicroBatchHalved, Skipped, StepDone
from hubel.recipes.schema import Recipe
from hubel.runtime import rank, world
from hubel.store import RunStore, SaveFailed
from hubel.training.energy import Meter
from hubel.training.loop import NonFinite, Training
from hubel.training.schedules import CYCLES, cycle_ends
from hubel.watching import SILENT, Watcher
from hubel.words import plain

SAVE_SHARE = 0.01
"""Share of the time that saving may take; the first and the last epoch are always saved."""
PACE = 0.25
"""Seconds after which a step is logged whatever its number: who watches sees it move."""
SAVE_EVERY = 300.0
"""Seconds after which a state is saved also inside an epoch."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the weights belong to: written beside them, so that they can be read without the run."""

    spec: ModelSpec
    preprocessing: Preprocessing | None
    """None for points."""
    class_names: tuple[str, ...]
    data_digest: str
    first: torch.Tensor
    """A few training samples as decoded, with whose logits every copy of the weights can be checked."""
    columns: Columns | None = None
    """Of what is no picture, how rows of a table become numbers."""


class Logbook:
    """What a run writes while it trains: a row an epoch, a line an event, weights and states as often as is cheap.

    What the disk does not take raises SaveFailed; with `on_save_error: continue` it is told to `watch` instead, kept,
    and tried again with the next line and the next save.
    """

    def __init__(
        self,
        store: RunStore,
        training: Training,
        subject: Subject,
        meter: Meter,
        watch: Watcher = SILENT,
    ) -> None:
        self.store, self.training, self.subject, self.watch = store, training, subject, watch
        self.waiting: list[tuple[str, str]] = []  # lines of logs that the disk has not taken yet
        self.trouble = False
        self.meter = meter
        self.log = RankLog(store, training.device) if world() > 1 else None
        self.golden = golden_images(subject.first)
        self.saved_at = time.perf_counter()
        self.cost = 0.0
        self.kept: dict[str, torch.Tensor] | None = None
        self.every = max(1, training.steps_per_epoch // 20)
        self.told = time.perf_counter()
        self.cycles = ends_of_cycles(training.recipe, training.steps_per_epoch)
        """Epochs after which a cycle of the schedule has ended."""

    def begin(self) -> None:
        """Before the first event of a run, or of a part of it: keep the weights that it starts from."""
        if self.training.step == 0 and self.training.recipe.train.keep_every:
            self._tolerate(partial(self._look_back, 0, {}))

    def event(self, event: Event) -> None:
        """Log an event; save when it is time to."""
        if self.log is not None:
            self.log.event(event)
        if isinstance(event, StepDone):
            now, at = time.perf_counter(), {"epoch": event.epoch + 1, "step": event.step}
            if event.step % self.every == 0:
                self.told = now
                self._line({"event": "step", **at, "loss": event.loss.item()})
            elif now - self.told >= PACE:  # between those, so often that eyes can follow; where depends on the clock
                self.told = now
                self._line({"event": "pace", **at, "of": event.steps, "loss": event.loss.item(), "lr": event.lr})
            if time.perf_counter() - self.saved_at > (self.training.recipe.train.save_every or SAVE_EVERY):
                self._tolerate(self.save)
        elif isinstance(event, EpochDone):
            self._row(event.row)
            self._line({"event": "epoch", **plain(event.row)})
            if event.best:
                self.kept = {k: v.detach().clone() for k, v in self.training.measured_model.state_dict().items()}
            every = self.training.recipe.train.keep_every
            if every and (event.epoch + 1) % every == 0:
                self._tolerate(partial(self._look_back, event.epoch + 1, event.row))
            if event.epoch + 1 in self.cycles:
                self._tolerate(partial(self._snapshot, self.cycles.index(event.epoch + 1) + 1, event.row))
            if time.perf_counter() - self.saved_at > self.cost / SAVE_SHARE:
                self._tolerate(self.save)
        else:
            self._line({"event": type(event).__name__.lower(), **plain(event)})

    def note(self, facts: Mapping[str, Any]) -> None:
        """Log something else that happened, a line of plain data."""
        self._line(facts)

    def save(self, *, finished: bool = False) -> None:
        """Write weights/best (if a better one came), weights/last, and the state to resume from; or SaveFailed."""
        started = self.saved_at = time.perf_counter()
        training = self.training
        self._flush()
        if self.kept is not None:
            self._weights("best", self.kept, training.best)
            self.kept = None
        if training.history and training.step == training.epoch * training.steps_per_epoch:
            # inside an epoch the numbers of the last epoch would not be those of these weights
            self._weights("last", training.measured_model.state_dict(), training.history[-1])
        tensors, meta = training.state()
        logs = {name: self.store.mark(name) for name in ("metrics.csv", "events.jsonl")}
        energy = self.meter.energy().to_dict()
        save_state(self.store, tensors, {"training": meta, "logs": logs, "finished": finished, "energy": energy})
        self.cost, self.saved_at = time.perf_counter() - started, time.perf_counter()
        if self.trouble:
            self.trouble = False
            self.watch.remark("the disk takes files again: everything so far is saved")

    def roll_back(self, error: NonFinite) -> None:
        """Back to the last saved state, with the offending step marked to be left out: the same on every replay."""
        training = self.training
        skipped = training.skipped | {error.updates}
        try:
            state = load_state(self.store)
        except ArtefactError:
            raise error from None
        training.restore(state.tensors, state.meta["training"])
        training.skipped |= skipped
        self.kept = None  # better weights than those of the state belong to epochs that are run again,
        self.waiting.clear()  # and so do the lines
        for name, size in state.meta["logs"].items():
            self.store.rewind(name, size)
        self.store.append_line("events.jsonl", f'{{"event": "rollback", "step": {error.updates}}}')

    def _look_back(self, epoch: int, row: Mapping[str, float]) -> None:
        self._weights(EPOCH.format(epoch), self.training.measured_model.state_dict(), row)

    def _weights(self, name: str, state: Mapping[str, torch.Tensor], row: Mapping[str, float]) -> None:
        model = self.training.measured_model
        now = {key: value.detach().clone() for key, value in model.state_dict().items()}
        model.load_state_dict(state)
        logits = golden_logits(model, self.subject.preprocessing, self.golden)
        model.load_state_dict(now)
        save_weights(
            self.store,
            name,
            state,
            spec=self.subject.spec,
            preprocessing=self.subject.preprocessing,
            class_names=self.subject.class_names,
            columns=self.subject.columns,
            recipe=self.training.recipe.model_dump(mode="json"),
            metrics=plain(row),
            data_digest=self.subject.data_digest,
            probes=(self.golden, logits),
        )

    def _snapshot(self, cycle: int, row: Mapping[str, float]) -> None:
        self._weights(f"cycle-{cycle}", self.training.measured_model.state_dict(), row)

    def _row(self, row: Mapping[str, float]) -> None:
        if not self.store.exists("metrics.csv") and all(name != "metrics.csv" for name, _ in self.waiting):
            self._append("metrics.csv", ",".join(row))
        self._append("metrics.csv", ",".join(f"{value:.10g}" for value in row.values()))

    def _line(self, facts: Mapping[str, Any]) -> None:
        self._append("events.jsonl", json.dumps(plain(facts), allow_nan=False))

    def _append(self, name: str, line: str) -> None:
        self.waiting.append((name, line))
        self._tolerate(self._flush)

    def _flush(self) -> None:
        while self.waiting:
            self.store.append_line(*self.waiting[0])
            del self.waiting[0]

    def _tolerate(self, write: Callable[[], None]) -> None:
        """Write; where the recipe says so, go on when that fails, saying so once until a save succeeds again."""
        try:
            write()
        except SaveFailed as error:
            if self.training.recipe.train.on_save_error == "stop":
                raise
            if not self.trouble:
                self.trouble = True
                self.watch.remark(f"{error.what}; training goes on, and the next save tries again")
                self.waiting.append(("events.jsonl", json.dumps({"event": "save failed", "reason": error.what})))


def ends_of_cycles(recipe: Recipe, steps_per_epoch: int) -> list[int]:
    """The epochs after which a cycle of the schedule `cycles` has ended; [] for any other."""
    said = recipe.schedule
    if said.schedule != "cycles":
        return []
    warm = -(-round(steps_per_epoch * (said.warmup_epochs or 0.0)) // steps_per_epoch)
    left = max(1, (recipe.train.epochs or 1) - warm)
    return [warm + end for end in cycle_ends(left, said.schedule_options.get("cycles", CYCLES))]


class RankLog:
    """What one of several processes did: logs/rank-N.jsonl in the run folder, a line an event."""

    def __init__(self, store: RunStore, device: torch.device) -> None:
        self.store, self.name = store, f"logs/rank-{rank()}.jsonl"
        self.started = time.perf_counter()
        self.line({
            "event": "start", "rank": rank(), "processes": world(), "host": platform.node(), "process": os.getpid(),
            "device": str(device), "threads": torch.get_num_threads(),
        })  # fmt: skip

    def line(self, facts: dict[str, Any]) -> None:
        """Append a line. A log that cannot be written is no reason to end a training."""
        with suppress(HubelError):
            seconds = round(time.perf_counter() - self.started, 3)
            self.store.append_line(self.name, json.dumps({"seconds": seconds, **facts}))

    def event(self, event: Event) -> None:
        """Log what concerns this process: its epochs, what it left out, when its memory ran out, its end."""
        if isinstance(event, EpochDone):
            pace = event.row.get("images_per_second", 0.0) / world()
            self.line({"event": "epoch", "epoch": event.epoch + 1, "own_images_per_second": round(pace, 2)})
        elif isinstance(event, Skipped):
            self.line({"event": "skipped", "epoch": event.epoch + 1, "step": event.step, "reason": event.reason})
        elif isinstance(event, MicroBatchHalved):
            self.line({"event": "memory ran out", "micro_batch": event.micro_batch})
        elif isinstance(event, Finished):
            self.line({"event": "finished", "reason": event.reason})
