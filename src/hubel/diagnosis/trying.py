"""The first advice followed: a run's training from its beginning, some steps as it is and as many with the advice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from hubel.assembly.build import build
from hubel.assembly.restore import prepared_again
from hubel.assembly.together import computing
from hubel.assembly.wire import assemble
from hubel.data.splits import Splits
from hubel.diagnosis.finding import CheckUp, Finding, Trial, Tried
from hubel.errors import UsageError
from hubel.recipes.schema import NOTHING, Recipe, compose, read_file
from hubel.records.own_data import placed
from hubel.store import RunStore
from hubel.training.loop import Training
from hubel.training.step import step
from hubel.types import Batch
from hubel.watching import Watcher

STEPS = 50
IDLE = {"epochs", "patience"}
"""Settings that change nothing within a few steps."""


@dataclass(frozen=True)
class _Made:
    losses: list[float]
    numbers: Mapping[str, float]


def try_advice(folder: Path, found: CheckUp, watch: Watcher) -> CheckUp:
    """The check-up with what `STEPS` steps say of its first advice that is a setting; nothing of the run is touched.

    Raises UsageError for a run that started from another net, DataError where its data are gone.
    """
    advice = next((one for one in found.findings if one.settings and not set(one.settings) <= IDLE), None)
    if advice is None:
        watch.remark("no finding suggests a setting that could be tried")
        return found
    store = RunStore.open(folder)
    recipe = placed(folder, compose(read_file(folder / "config.yaml")))
    if recipe.transfer.from_ not in (None, NOTHING):
        raise UsageError(
            f"{folder} started from another net, and --try begins with fresh weights",
            hint=f"hubel train with the advice: {advice.mend}",
        )
    splits = Splits.from_dict(store.read_json("split.json", limit=1 << 30))
    with computing(recipe):
        plain, followed = (_made(store, each, splits, watch) for each in (recipe, recipe.change(**advice.settings)))
    return replace(found, trial=_laid_beside(advice, plain, followed))


def _made(store: RunStore, recipe: Recipe, splits: Splits, watch: Watcher) -> _Made:
    """Steps of a training from its beginning."""
    prepared = prepared_again(store, recipe.change(compile=False), splits, watch)
    model, _ = build(prepared)
    run = assemble(prepared.recipe, prepared, model)
    losses: list[float] = []
    watch.stage("making steps")
    run.forward.train()
    if run.freeze is not None:
        run.freeze(run.model, 0)
    for batch in _endless(run):
        done = step(run, batch)
        losses.append(math.nan if done.fault is not None else float(done.loss))
        watch.progress(len(losses), STEPS)
        if len(losses) == STEPS or done.fault is not None:
            break
    return _Made(losses, run.measure(run.model) if math.isfinite(losses[-1]) else {})


def _endless(run: Training) -> Iterator[Batch]:
    for epoch in count():
        yield from run.batches(epoch, 0)


def _laid_beside(advice: Finding, plain: _Made, followed: _Made) -> Trial:
    def told(made: _Made) -> Tried:
        whole = math.isfinite(made.losses[-1])
        return Tried(
            first=made.losses[0], last=float(np.median(made.losses[-10:])) if whole else math.nan,
            steps=len(made.losses), numbers=dict(made.numbers),
        )  # fmt: skip

    settings: dict[str, Any] = dict(advice.settings)
    return Trial(advice=advice.id, settings=settings, as_it_was=told(plain), followed=told(followed))
