"""A trial is a run like any other: begun in a folder of its own, left at a rung, taken up again to the same bits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.assembly.begin import make_ready
from hubel.assembly.follow import kept
from hubel.assembly.onward import going_on
from hubel.assembly.prepare import Prepared
from hubel.assembly.ready import Ready, create
from hubel.assembly.reins import Reins
from hubel.assembly.restore import prepared_again, restore
from hubel.checkpoint import generations, load_state
from hubel.data.splits import Splits
from hubel.recipes.schema import NOTHING, Recipe, compose, read_file
from hubel.searching.heirs import giving, heir_of, read_heir, write_heir
from hubel.searching.journal import Journal
from hubel.searching.workshop import Workshop
from hubel.store import RunStore
from hubel.training.loop import NonFinite
from hubel.training.state import monitor
from hubel.watching import SILENT


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial stands when its training was left."""

    epochs: int
    score: float
    seconds: float
    ended: str = ""
    """Why it ended by itself: epochs, target, patience, time; "" where it was left at a rung."""
    curve: tuple[tuple[float, float], ...] = ()
    """Of each epoch the best score so far, and the seconds up to its end."""
    crowd: float = 0.0
    """Seconds for a second of computing: what others on the machine cost; 0 where it was too short to tell."""


NO_LOGS = {"logs": {"metrics.csv": 0, "events.jsonl": 0}}
"""Of a run of which nothing was saved: what it told so far does not count."""


class Diverged(Exception):
    """A trial that cannot go on: its numbers left the finite ones, or memory ran out."""


@dataclass(kw_only=True)
class Running:
    """A trial and its folder, ready to train."""

    store: RunStore
    ready: Ready
    state: Mapping[str, Any] | None = None
    """What was saved beside its tensors, where it goes on."""

    def train(self, *, until: int, left: float | None) -> Outcome:
        """Train to `until` epochs, or until `left` seconds are over. Raises Stopped, Diverged, SaveFailed."""
        training, store = self.ready.training, self.store
        training.allowed = None if left is None else training.seconds + max(0.05, left)
        wall, busy = time.perf_counter(), time.process_time()
        reins = Reins(store, lambda settings: going_on(store.folder, settings))
        try:
            with kept(store, self.ready, SILENT, reins, self.state) as run:
                summary = run.to_its_end(until)
                if summary is not None:
                    store.write_json("summary.json", summary)
        except NonFinite as error:
            raise Diverged(error.what) from error
        except (MemoryError, RuntimeError) as error:
            if not runtime.out_of_memory(error):
                raise
            raise Diverged("memory ran out") from error
        return Outcome(
            curve=curve_of(training.history),
            epochs=training.epoch, score=score_of(training.best), seconds=training.seconds,
            ended="" if summary is None else str(summary["reason"]),
            crowd=crowd_of(time.perf_counter() - wall, time.process_time() - busy),
        )  # fmt: skip


def begin(
    workshop: Workshop, recipe: Recipe, journal: Journal, *, by_default: bool = False, values: Mapping[str, Any]
) -> Running:  # fmt: skip
    """A new run folder in that of the search, and its training.

    `by_default`: as `hubel train` would, a trained start included; `values` may say whose weights it begins with.
    """
    heir = heir_of(values, journal)
    if (by_default and workshop.transfers) or recipe.transfer.from_ not in (None, NOTHING):
        ready = make_ready(recipe, SILENT)
    else:
        ready = workshop.ready(recipe, giving(heir, journal.store.folder, workshop, recipe.train.seed))
    store = create(ready, recipe)
    if heir is not None:
        write_heir(store, heir)
    return Running(store=store, ready=ready)


def go_on(workshop: Workshop, folder: Path) -> Running:
    """A trial where its last saved state stands; from its beginning where none was saved. Raises ArtefactError."""
    store = RunStore.open(folder)
    if store.exists("transfer.json") and not generations(store):
        ready = make_ready(compose(read_file(folder / "config.yaml")), SILENT)
        return Running(store=store, ready=ready, state=NO_LOGS)
    if store.exists("transfer.json"):
        splits = Splits.from_dict(store.read_json("split.json", limit=1 << 30))
        ready, state = restore(store, splits, going_on(folder, {}), SILENT)
        return Running(store=store, ready=ready, state=state)
    recipe = workshop.as_begun(compose(read_file(folder / "config.yaml")))
    if not generations(store):
        give = giving(read_heir(store), folder.parent, workshop, recipe.train.seed)
        return Running(store=store, ready=workshop.ready(recipe, give), state=NO_LOGS)
    ready = workshop.ready(recipe)
    saved = load_state(store)
    ready.training.restore(saved.tensors, saved.meta["training"])
    logs = {str(name): int(size) for name, size in saved.meta["logs"].items()}
    return Running(store=store, ready=ready, state={**saved.meta, "logs": logs})


def data_of(workshop: Workshop, store: RunStore) -> Prepared:
    """The data of a trial, as it was trained."""
    recipe = compose(read_file(store.folder / "config.yaml"))
    if not store.exists("transfer.json"):
        return workshop.prepared(workshop.as_begun(recipe))
    splits = Splits.from_dict(store.read_json("split.json", limit=1 << 30))
    return prepared_again(store, recipe, splits, SILENT)


def crowd_of(wall: float, busy: float) -> float:
    """Seconds for a second of computing, which others on the same cores make more; 0 where it was too short to tell.

    >>> crowd_of(3.0, 1.5), crowd_of(0.5, 0.1)
    (2.0, 0.0)
    """
    return wall / max(1e-3, busy) if wall >= 2.0 else 0.0


def curve_of(history: Sequence[Mapping[str, float]]) -> tuple[tuple[float, float], ...]:
    """Of each epoch the best score so far, and the seconds up to its end.

    >>> curve_of([{"val_accuracy": 0.9, "seconds": 1.0}, {"val_accuracy": 0.8, "seconds": 2.0}])
    ((0.9, 1.0), (0.9, 2.0))
    """
    best = list(accumulate((score_of(row) for row in history), max))
    return tuple((score, float(row.get("seconds", 0.0))) for score, row in zip(best, history, strict=True))


def score_of(best: Mapping[str, float]) -> float:
    """What trials are compared by, higher is better: validation accuracy, or minus the validation loss.

    >>> score_of({"val_accuracy": 0.9, "val_loss": 0.3}), score_of({"val_loss": 0.3})
    (0.9, -0.3)
    """
    key = monitor(best)
    return -best[key] if key.endswith("_loss") else best[key]
