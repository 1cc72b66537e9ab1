"""Who trains the trials of a search: this process, or places of a cluster that see the same folder."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubel.data.splits import Splits
from hubel.errors import ArtefactError, RunLocked, UsageError
from hubel.records.folder import edits_of
from hubel.runtime.cluster import share_out
from hubel.runtime.places import HERE, Here, Places
from hubel.searching.asking import Ask
from hubel.searching.running import Diverged, Outcome, Running, go_on
from hubel.searching.workshop import Workshop
from hubel.store import RunStore, SaveFailed
from hubel.watching import SILENT, Watcher


@dataclass(frozen=True)
class Failed:
    """A training that cannot go on."""

    reason: str


@dataclass(frozen=True)
class Job:
    """A trial that is to be trained, as plain data for whoever does it."""

    folder: str
    """Of its run, inside that of the search."""
    until: int
    """Epochs, in all."""
    left: float | None
    """Seconds that it may take; None: as many as it needs."""


class Trainer:
    """Trains the trials of a search, one job after the other."""

    def __init__(self, folder: Path, workshop: Workshop, on: str = HERE) -> None:
        """`on`: where trials are trained."""
        self.folder, self.workshop, self.on = folder, workshop, on
        self.begun: dict[str, Running] = {}

    def remember(self, running: Running) -> None:
        """A trial that was just begun: if it is trained in this process, it need not be read back."""
        if self.on == HERE:
            self.begun[running.store.folder.name] = running

    def __call__(self, job: Job) -> Outcome | Failed:
        """Train as asked. Raises Stopped, SaveFailed, RunLocked: what ends the search, and no fault of the trial."""
        try:
            running = self.begun.pop(job.folder, None) or go_on(self.workshop, self.folder / job.folder)
            return running.train(until=job.until, left=job.left)
        except (SaveFailed, RunLocked):
            raise
        except (Diverged, UsageError, ArtefactError) as error:
            return Failed(str(error).partition("\n")[0])


def trainer_at(
    folder: str, given: Mapping[str, Any], precision: Mapping[str, Any]
) -> Callable[[Job], Outcome | Failed]:
    """What trains trials at another place. The data are read when the first comes, split as its folder says."""
    made: list[Trainer] = []

    def train(job: Job) -> Outcome | Failed:
        if not os.path.isdir(os.path.join(folder, job.folder)):
            raise ArtefactError(
                f"{platform.node()} does not see {folder}", hint="put searches where all machines see them: --out"
            )
        if not made:
            store = RunStore.open(Path(folder) / job.folder)
            splits = Splits.from_dict(store.read_json("split.json", limit=1 << 30))
            workshop = Workshop(given, SILENT, splits=splits, edits=edits_of(store))
            workshop.precision = dict(precision)
            made.append(Trainer(Path(folder), workshop))
        return made[0](job)

    return train


def places_of(trainer: Trainer, ask: Ask, watch: Watcher) -> Places:
    """Where the trials of a search are trained: by `trainer` in this process, or over the places of a cluster."""
    if trainer.on == HERE:
        return Here(lambda: trainer)
    train = trainer.workshop.asked.train
    about = os.path.abspath(trainer.folder), ask.given, ask.precision
    return share_out(trainer.on, trainer_at, about, cores=train.threads or 1, gpu=train.device != "cpu", watch=watch)
