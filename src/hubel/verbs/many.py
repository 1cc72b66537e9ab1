"""A series trained: its members one after the other, from where it stopped; then what they came to."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hubel.assembly.follow import Stopped
from hubel.assembly.in_series import check_left, check_series
from hubel.assembly.requests import foreseen, requested
from hubel.assembly.together import computing
from hubel.checkpoint import generations
from hubel.errors import UsageError
from hubel.recipes.continuing import HERE
from hubel.recipes.schema import Recipe
from hubel.records.ledger import find_run, find_series
from hubel.records.series import (
    KINDS,
    SeriesRecord,
    chosen_by,
    create_series,
    read_series,
    sweep_unbegun,
    unfinished_series,
)
from hubel.report.pages.series import Member, render_series
from hubel.store import RunStore
from hubel.verbs.evaluate import write_results
from hubel.verbs.series import Series, judged_together, spread_of
from hubel.verbs.train import begin, go_on
from hubel.watching import Once, Watcher
from hubel.words import plural

__all__ = ["Series", "in_series"]

MOST = 100
"""Members of a series at most."""


def in_series(
    resume: str | PathLike[str] | None, said: Mapping[str, int], given: Mapping[str, Any], watch: Watcher
) -> Series:
    """Several runs in one folder: a new series of so many as is `said` by its kind, or the one that is to `resume`."""
    found = None if resume in (None, "auto") else find_series(str(resume))
    kind = next(iter(said), "")
    if found is not None and said:
        raise UsageError(f"{found} has its number of runs already", hint=f"leave --{kind} out")
    if found is not None:
        return go_on_series(found, given, watch)
    if resume is not None and resume != "auto":
        raise UsageError(
            f"{find_run(resume)} is one run, and --{kind} is for a series of them",
            hint="--resume SERIES, or leave one of the two out",
        )
    if len(said) > 1:
        raise UsageError("folds and seeds are two kinds of series", hint="leave --folds or --seeds out")
    return train_series(requested(given), kind, said[kind], watch, resume=resume == "auto")


def planned(kind: str, count: int, recipe: Recipe) -> list[dict[str, Any]]:
    """The settings of each member. Raises UsageError for a number of them that cannot be."""
    if not 2 <= count <= MOST:
        raise UsageError(f"{kind} must be from 2 to {MOST}, got {count}", hint=f"--{kind} 5 is usual")
    if kind == "curve":
        from hubel.verbs.curve import planned_parts

        return planned_parts(count, recipe.train.seed)
    if kind == "folds":
        return [{"fold": f"{number}/{count}"} for number in range(1, count + 1)]
    return [{"seed": recipe.train.seed + number} for number in range(count)]


def train_series(recipe: Recipe, kind: str, count: int, watch: Watcher, *, resume: bool = False) -> Series:
    """Train a new series, or with `resume` go on with the latest unfinished one of the same data and recipe."""
    members = planned(kind, count, recipe)
    check_series(recipe, kind, members[0])
    found = unfinished_series(recipe, kind, members) if resume else None
    if found is None:
        if resume:
            watch.remark("no unfinished series to resume: starting a new one")
        watch = Once(watch)
        with computing(recipe):  # what is wrong with the data is said before a folder is made
            ready = foreseen(recipe.change(**members[0]), watch)
        check_left(ready)
        found = create_series(recipe, kind, members)
    return to_its_end(found, watch)


def go_on_series(folder: Path, given: Mapping[str, Any], watch: Watcher) -> Series:
    """Go on with a series where it stopped; of settings it takes those that say where and how it is computed."""
    record = read_series(folder)
    others = [name for name in given if name not in HERE]
    if others:
        raise UsageError(
            f"a series goes on as it was begun: {others[0].rstrip('_')} cannot be changed",
            hint=f"leave --{others[0].rstrip('_').replace('_', '-')} out, or begin another series",
        )
    if record.finished:
        watch.remark(f"{folder} has finished already: nothing to resume")
        return Series(folder)
    return to_its_end(record, watch, given)


def to_its_end(series: SeriesRecord, watch: Watcher, given: Mapping[str, Any] | None = None) -> Series:
    """Train what is left of a series, and conclude it. Raises Stopped, which names the series, when asked to stop."""
    store, watch = RunStore.open(series.folder), Once(watch)
    total, word = len(series.members), KINDS[series.kind]
    with store.lock():
        store.sweep()
        sweep_unbegun(series)
        try:
            for place, member in enumerate(series.members):
                run = series.runs().get(place)
                if run is not None and run.status == "finished":
                    continue
                told = ", ".join(f"{name} {value}" for name, value in member.items())
                watch.remark(f"run {place + 1} of {total}: {told.replace('_', ' ')}")
                if run is not None and generations(RunStore.open(run.folder)):
                    go_on(run.folder, watch, given)
                else:
                    recipe = series.recipe.change(**member, out=str(series.folder), name=word, **(given or {}))
                    with computing(recipe):
                        begin(recipe, watch)
        except Stopped as stopped:
            stopped.what = f"{stopped.what}; {place} of {plural(total, 'run')} of the series are finished"
            stopped.hint, stopped.folder = f"go on: {series.onward}", series.folder
            raise
        watch.stage("measuring all together")
        if series.kind == "curve":
            from hubel.verbs.curve import conclude_curve

            conclude_curve(store, series)
        else:
            conclude_series(store, Series(series.folder))
    watch.done()
    return Series(series.folder)


def conclude_series(store: RunStore, series: Series) -> None:
    """Pooled answers, the page, and last of all the summary, which says that the series is finished."""
    runs, kind = series.runs, series.record.kind
    spread = spread_of(kind, runs)
    together = judged_together(kind, runs)
    if together is not None:
        write_results(store, together)
    told = "" if kind == "folds" or together is None else f"All {len(runs)} together: {together.sentence}"
    rows = [
        Member(
            name=run.name,
            told=", ".join(str(value) for value in member.values()),
            value=value,
            chosen=chosen_by(run.summary),
            epochs=int(run.row()["epochs"]),
            seconds=float(run.row()["seconds"] or 0),
            samples=RunStore.open(run.folder).read_json("data.json", limit=1 << 30)["samples"],
        )
        for run, member, value in zip(runs, series.record.members, spread.values, strict=True)
    ]
    page = render_series(series.record.name, series.record.recipe.data.data, spread, together, rows)
    store.write_text("report.html", page)
    validated = [row.chosen for row in rows if row.chosen is not None] if spread.metric == "accuracy" else []
    store.write_json(
        "summary.json",
        {
            "status": "finished",
            "sentence": spread.sentence,
            "together": told,
            **spread.to_dict(),
            "val_accuracy": float(np.mean(validated)) if validated else None,
            "test_accuracy": spread.mean if spread.metric == "accuracy" else None,
            "seconds": sum(row.seconds for row in rows),
        },
    )
