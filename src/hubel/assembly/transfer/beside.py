"""The time that a head leaves: a second net is trained in it, and both answer as one run.

A training that is stopped in between is whole up to there. The second net's folder says beside which run it was
trained, so that `hubel train --resume` goes on with it and joins both in the end, as if nothing had happened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubel.assembly.follow import Stopped
from hubel.assembly.ready import Ready
from hubel.assembly.transfer.second import is_ahead, second
from hubel.errors import HubelError
from hubel.recipes.schema import Recipe
from hubel.records.ledger import RunRecord
from hubel.store import RunStore
from hubel.watching import Watcher
from hubel.words import duration

BESIDE = "beside.json"
"""In the folder of a second net: beside which run it was trained, and, once there is one, the run that both are."""
Begin = Callable[..., Any]
"""Trains by a recipe; what comes back says its `folder`."""
Join = Callable[..., Path]
"""Makes one run of several folders; its folder."""


def with_time_left(begin: Begin, join: Join, recipe: Recipe, watch: Watcher, *, doctor: bool) -> Path:
    """A training; and where it was a head's and leaves time, a second net and both as one, or whichever is better."""
    since = time.perf_counter()
    run = RunRecord(begin(recipe, watch, doctor=doctor).folder)
    further = second(recipe, RunStore.open(run.folder), time.perf_counter() - since, watch)
    if further is None:
        return run.folder
    left = duration(further.train.time or 0)
    watch.remark(f"{run.folder} is whole; in the {left} left, a second net learns as a whole (--unfreeze head: none)")
    try:
        other = RunRecord(begin(further, watch, said=recipe, beside=run.folder).folder)
    except HubelError as error:
        joins = ", which then joins both" if isinstance(error, Stopped) else ""
        error.add(f"; {run.folder}, whose head alone has learnt, is whole", joins)
        raise
    return joined(join, run, other, recipe.run.name, watch)


def begun_beside(folder: Path, first: Path, ready: Ready) -> None:
    """Write down in the `folder` of a second net beside which run it is trained, and what is known from there."""
    store = RunStore(folder)
    store.write_json(BESIDE, {"run": first.name})
    store.write_json("transfer.json", ready.facts | known_from(first, ready))


def known_from(first: Path, ready: Ready) -> dict[str, Any]:
    """What need not be computed again beside the `first` run: what the net that both start from says by itself.

    {} where that net, the data or how they are divided are no longer those of then.
    """
    store = RunStore.open(first)
    facts, data = store.read_json("transfer.json"), store.read_json("data.json", limit=1 << 30)
    then = (facts["sha256"], data["digest"], data["split_digest"])
    now = (ready.facts.get("sha256"), ready.prepared.manifest.digest, ready.prepared.splits.digest)
    return {"beforehand": facts["beforehand"]} if then == now and facts.get("beforehand") else {}


def is_single(run: RunRecord) -> bool:
    """Is it a second net that was trained to its end, and not joined with the first one yet?"""
    known = _known(run)
    return run.status == "finished" and "run" in known and "joined" not in known


def with_first(join: Join, folder: Path, watch: Watcher) -> Path:
    """A run that was gone on with; where it is a second net that is not joined with the first yet, both as one."""
    run = RunRecord(folder)
    if not is_single(run):
        return folder
    first = run.folder.parent / Path(str(_known(run)["run"])).name
    if first.is_dir():
        return joined(join, RunRecord(first), run, run.recipe["run"]["name"], watch)
    watch.remark(f"{run.folder} was trained beside {first}, which is gone: it stays alone")
    return folder


def _known(run: RunRecord) -> dict[str, Any]:
    store = RunStore.open(run.folder)
    found = store.read_json(BESIDE) if store.exists(BESIDE) else {}
    return found if isinstance(found, dict) else {}


def joined(join: Join, run: RunRecord, other: RunRecord, name: str | None, watch: Watcher) -> Path:
    """Both as one run, each with the same weight; one of them, where it alone is better by more than chance."""
    why = f"the time that the head of {run.folder} left was given to a second net, {other.folder}, which learnt as a "
    why += "whole; both answer together, each as much"
    device = str(other.recipe["train"]["device"])
    with telling(f"{run.folder} and {other.folder} are whole; hubel train --resume {other.folder} joins them", watch):
        made = join([run.folder, other.folder], name=name or "", why=why, device=device, watch=watch)
    RunStore.open(other.folder).write_json(BESIDE, {"run": run.folder.name, "joined": made.name})
    alone = max((run, other), key=lambda each: float(each.summary["best"]["val_accuracy"]))
    if not is_ahead(RunStore.open(alone.folder), RunStore.open(made)):
        return made
    watch.remark(f"{alone.folder} alone is right on more validation samples than both together, by more than chance")
    return alone.folder


@contextmanager
def telling(text: str, watch: Watcher) -> Iterator[None]:
    """Say what is whole, and what to do, where the block is left by an error or by Ctrl-C."""
    try:
        yield
    except (HubelError, KeyboardInterrupt):
        watch.remark(text)
        raise
