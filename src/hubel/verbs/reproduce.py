"""Reproduce: a run once more, from what it wrote down, and where the second differs from the first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.assembly.restore import began_with
from hubel.assembly.together import computing
from hubel.checkpoint import load as load_checkpoint
from hubel.errors import ArtefactError
from hubel.events import EpochDone, Event, StepDone
from hubel.faces.progress import shows_progress
from hubel.recipes.schema import Recipe, compose, read_file
from hubel.records.control import give
from hubel.records.folder import SEGMENTS, data_change
from hubel.records.ledger import RunRecord, find_run
from hubel.records.own_data import placed
from hubel.store import RunStore
from hubel.training.resume import differences
from hubel.verbs.train import begin
from hubel.views import Viewed
from hubel.watching import SILENT, Plan, Several, Watcher
from hubel.words import percent

CLOCKS = ("seconds", "images_per_second")
"""Numbers of an epoch that no two runs have alike."""


@dataclass(frozen=True, kw_only=True)
class Reproduced(Viewed):
    """A run and its repetition."""

    run: Path
    again: Path
    same: bool
    """Are the best weights equal, bit for bit?"""
    parted: int | None
    """The first epoch with other numbers, from 1; None where all are equal."""
    apart: float
    """The largest difference of a number of an epoch after that, as a share of it."""
    accuracy: tuple[float | None, float | None]
    """Of the split that was measured at the end, before and now; None where the run has none."""
    causes: tuple[str, ...]
    """What is otherwise than it was: versions, machine, data."""

    @property
    def sentence(self) -> str:
        """In one sentence."""
        if self.same:
            return f"{self.again} has the bits of {self.run}."
        since = "in its weights only" if self.parted is None else f"from epoch {self.parted} on"
        return f"{self.again} differs from {self.run} {since}, by up to {percent(self.apart, 2)} of a number."

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown."""
        found = {"again": self.sentence}
        if None not in self.accuracy:
            found["accuracy"] = (
                " then, ".join(percent(value, 2) for value in self.accuracy if value is not None) + " now"
            )
        if not self.same:
            found["because"] = "; ".join(self.causes) or "nothing that is written down is otherwise"
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "run": str(self.run),
            "again": str(self.again),
            "same": self.same,
            "parted": self.parted,
            "apart": self.apart,
            "accuracy": list(self.accuracy),
            "causes": list(self.causes),
        }


class Replaying(Watcher):
    """Gives a run the settings that the first was altered by, after the same steps."""

    def __init__(self, segments: Sequence[Mapping[str, Any]]) -> None:
        self.orders: dict[tuple[int, int], dict[str, Any]] = {}
        for part in segments:  # by the epochs and the steps that were done
            new = {name: new for name, (_, new) in part["changed"].items()}
            self.orders.setdefault((int(part["epoch"]), int(part["step"])), {}).update(new)
        self.folder, self.steps = "", 0

    def training(self, plan: Plan) -> None:
        """Remember where it trains."""
        self.folder = plan.run

    def event(self, event: Event) -> None:
        """Give what is due after this step, or after this epoch with its measurement."""
        if isinstance(event, StepDone):
            self.steps = event.epoch * event.steps + event.step
        elif not isinstance(event, EpochDone):
            return
        epochs = event.epoch + isinstance(event, EpochDone)
        settings = self.orders.pop((epochs, self.steps), None)
        if settings:
            give(RunStore(self.folder), "set", settings=settings)


@shows_progress
def reproduce(
    run: str | PathLike[str],
    *,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Reproduced:
    """Train a finished run once more from its own recipe and seeds, and say whether the bits are the same.

    The repetition is a run of its own, in `out` (beside the first if not given); what the first was altered by on its
    way is repeated after the same steps. Equal bits are promised on the same machine with the same versions, threads
    and data: where one of these is otherwise, that is said. Raises ArtefactError for a run that has not finished.
    """
    folder = find_run(run)
    first, store = RunRecord(folder).require_own_training(), RunStore.open(folder)
    if first.status != "finished":
        raise ArtefactError(
            f"{folder} has not finished, so there is nothing to compare with: it is {first.status}",
            hint=f"hubel train --resume {folder}",
        )
    segments = store.read_json(SEGMENTS) if store.exists(SEGMENTS) else []
    recipe = as_begun(placed(folder, compose(read_file(folder / "config.yaml")), data_root), segments)
    recipe = recipe.change(out=str(out or folder.parent), name=f"{folder.name}-again", compare_start=False)
    causes = [*differences(began_with(store), runtime.environment(runtime.pick_device(recipe.train.device)))]
    if recipe.train.time is not None:
        causes.append("the run had a time, and how far it gets in that is the machine's affair")
    with computing(recipe):
        again = begin(recipe, Several(watch, Replaying(segments)))
    then, now = (RunStore.open(place).read_json("data.json", limit=1 << 30) for place in (folder, again.folder))
    if change := data_change(then, now):
        causes.append(f"the data are not those of then: {change}")
    digests = [load_checkpoint(place).provenance.sha256 for place in (folder, again.folder)]
    parted, apart = compared(first.history, again.history)
    return Reproduced(
        run=folder,
        again=again.folder,
        same=digests[0] == digests[1],
        parted=parted,
        apart=apart,
        accuracy=(accuracy_of(first), accuracy_of(again)),
        causes=tuple(causes),
    )


def as_begun(recipe: Recipe, segments: Sequence[Mapping[str, Any]]) -> Recipe:
    """The recipe that a run had before it was altered.

    >>> as_begun(compose({"lr": 0.01}), [{"step": 3, "changed": {"lr": [0.1, 0.01]}}]).optimizer.lr
    0.1
    """
    for part in reversed(segments):
        recipe = recipe.change(**{name: old for name, (old, _) in part["changed"].items()})
    return recipe


def compared(old: Mapping[str, list[float]], new: Mapping[str, list[float]]) -> tuple[int | None, float]:
    """The first epoch, from 1, whose numbers differ, and the largest difference of one as a share of it.

    >>> compared({"loss": [1.0, 0.5], "seconds": [1, 2]}, {"loss": [1.0, 0.4], "seconds": [9, 9]})
    (2, 0.2)
    """
    first: int | None = None
    most = 0.0
    for name in [name for name in old if name in new and name not in CLOCKS]:
        for epoch, (one, other) in enumerate(zip(old[name], new[name], strict=False), start=1):
            if one == other or (math.isnan(one) and math.isnan(other)):
                continue
            first = epoch if first is None else min(first, epoch)
            most = max(most, round(abs(one - other) / max(abs(one), 1e-12), 6))
    lengths = [len(next(iter(history.values()), [])) for history in (old, new)]
    if first is None and lengths[0] != lengths[1]:
        first = min(lengths) + 1
    return first, most


def accuracy_of(run: RunRecord) -> float | None:
    """What it named right at its end; None for what names nothing."""
    part = run.summary.get("test") or run.summary.get("val") or {}
    value = part.get("accuracy")
    return float(value) if isinstance(value, (int, float)) else None
