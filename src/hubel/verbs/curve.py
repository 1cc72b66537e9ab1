"""Curve: trainings on nested parts of the data, and what twice as many pictures would bring."""

from __future__ import annotations

import csv
import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hubel.assembly.requests import foreseen, layered, requested
from hubel.assembly.together import computing
from hubel.checkpoint import load as load_checkpoint
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation.growing import SHARES, Curve, doubts_before, grow, nothing_told
from hubel.faces.progress import shows_progress
from hubel.recipes.continuing import HERE
from hubel.records.ledger import find_series
from hubel.records.own_data import own_data
from hubel.records.series import SeriesRecord, read_series
from hubel.report.pages.curve import render_curve
from hubel.store import RunStore
from hubel.verbs.many import to_its_end, train_series
from hubel.watching import SILENT, Once, Watcher

PAGE = "curve.html"
__all__ = ["Curve", "curve"]


@shows_progress
def curve(
    data: str | PathLike[str] | None = None,
    *,
    seeds: int = 3,
    config: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Curve:
    """Train on 1/8, 1/4, 1/2 and all of the training pictures, and say what twice as many would bring.

    `data` and `settings` are those of `hubel.train`; each size is trained from `seeds` seeds, which also choose the
    parts: a smaller lies in a larger. The test is the same for all. `data` may also be the folder of a curve, which is
    gone on with where it stopped, or shown again.

    From too few pictures nothing is trained: the result's `doubts` say why. Raises as `hubel.train`; UsageError for
    data whose answers are numbers.
    """
    folder = None if data is None else find_series(data)
    if folder is not None:
        return again(folder, settings, watch)
    recipe = requested(layered(data if data is None else str(data), config, settings))
    if recipe.data.train_fraction is not None or recipe.data.limit is not None:
        raise UsageError(
            "a curve chooses the parts of the training pictures itself",
            hint="leave --limit and --train-fraction out",
        )
    if not 2 <= seeds <= 20:
        raise UsageError(f"seeds must be from 2 to 20, got {seeds}", hint="--seeds 3 is usual")
    watch = Once(watch)
    with computing(recipe):
        ready = foreseen(recipe, watch)
    if not (ready.task.labels or ready.task.several) or ready.manifest.regression:
        what = "these data have numbers for labels" if ready.task.labels else f"the task here is {ready.task.name}"
        raise UsageError(f"a curve counts what is named right, and {what}",
                         hint="hubel train DATA --train-fraction 0.5 trains on a part")  # fmt: skip
    train, tested, manifest = ready.splits.train, len(ready.splits.test), ready.manifest
    known = manifest.targets if manifest.several and manifest.targets is not None else manifest.labels
    doubts = doubts_before(known[train], tested, ready.class_names)
    if doubts:
        return nothing_told(ready.manifest.source, len(train), tested, doubts)
    return read_curve(train_series(recipe, "curve", seeds, watch).folder)


def again(folder: Path, settings: dict[str, Any], watch: Watcher) -> Curve:
    """The curve in a folder: trained to its end, if it was stopped, and read."""
    record = read_series(folder)
    if record.kind != "curve":
        raise UsageError(
            f"{folder} is a series over {record.kind}, and no curve",
            hint=f"hubel train --resume {folder}, or name data",
        )
    others = [name for name in settings if name not in HERE]
    if others:
        raise UsageError(
            f"a curve goes on as it was begun: {others[0].rstrip('_')} cannot be changed",
            hint=f"leave --{others[0].rstrip('_').replace('_', '-')} out, or name the data to begin another",
        )
    if not record.finished:
        to_its_end(record, watch, settings)
    return read_curve(folder)


def read_curve(folder: Path) -> Curve:
    """The curve of the finished runs in `folder`, fitted anew. Raises ArtefactError where some are missing."""
    record = read_series(folder)
    runs = record.runs()
    missing = [place for place in range(len(record.members)) if place not in runs or runs[place].status != "finished"]
    if missing:
        whole = f"{len(record.members) - len(missing)} of {len(record.members)} runs of {folder} are finished, not all"
        raise ArtefactError(whole, hint=record.onward)
    last = runs[len(record.members) - 1].folder
    own = own_data(last, load_checkpoint(last, "best"))
    labels, test = own.scan.manifest.labels, own.ids("test")
    right, sizes, ranked = [], [], []
    for place in range(len(record.members)):
        store = RunStore.open(runs[place].folder)
        head, *rows = csv.reader(store.read_bytes("predictions.csv").decode("utf-8", "replace").splitlines())
        at = head.index("right")  # the first: labels, which follow, may be called anything
        known = {int(row[0]): row[at] == "1" for row in rows}
        if set(known) != set(test.tolist()):
            raise ArtefactError(f"{runs[place].folder} was tested on other pictures", hint="begin another curve")
        right.append([known[row] for row in test.tolist()])
        sizes.append(int(store.read_json("data.json", limit=1 << 30)["samples"]["train"]))
        if own.scan.manifest.several:
            ranked.append(float(store.read_json("evaluation.json", limit=1 << 30)["mean_ap"]))
    names = () if ranked else own.scan.manifest.class_names  # of several labels none is the picture's class
    counts = np.bincount(labels[own.ids("train")], minlength=len(names))
    return grow(
        np.array(right), sizes, labels[test], counts.tolist() if names else (), names, data=record.recipe.data.data,
        folder=str(folder), mean_aps_M=ranked,
    )  # fmt: skip


def conclude_curve(store: RunStore, record: SeriesRecord) -> None:
    """The page, the numbers, and last of all the summary, which says that it is finished."""
    found = read_curve(record.folder)
    store.write_text(PAGE, render_curve(found))
    store.write_text("curve.json", json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n")
    seconds = sum(float(run.row()["seconds"] or 0) for run in record.runs().values())
    store.write_json(
        "summary.json",
        {
            "status": "finished", "sentence": found.sentence, "together": found.advice, "test_accuracy": found.now,
            "seconds": seconds,
        },
    )  # fmt: skip


def planned_parts(seeds: int, first: int) -> list[dict[str, Any]]:
    """The settings of each member of a curve: the smallest parts first, so that something is known early."""
    return [{"train_fraction": share, "seed": first + number} for share in SHARES for number in range(seeds)]
