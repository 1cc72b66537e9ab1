"""Train: recipe in, run folder out. The loop computes; this verb reads, writes and tells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from hubel.assembly.begin import Ready, create, described, make_ready, unaided
from hubel.assembly.far import Expedition, far, goes_far
from hubel.assembly.follow import Stopped, beside, kept
from hubel.assembly.onward import going_on, is_series, reins_of, to_resume
from hubel.assembly.requests import foresee, layered, requested, resolve
from hubel.assembly.restore import altered, of_training, prepared_again, restore, splits_of
from hubel.assembly.together import computing
from hubel.diagnosis.attending import Attendant, Finding, at_a_glance, check_doctor, check_up, for_one_run
from hubel.faces.progress import shows_progress
from hubel.recipes.continuing import Segment
from hubel.recipes.schema import Recipe
from hubel.runtime import processes as together
from hubel.runtime import rank, told_by_first
from hubel.store import RunStore
from hubel.verbs.conclude import conclude
from hubel.verbs.ensemble import begun_beside, is_single, join, with_first, with_time_left
from hubel.verbs.run import Run
from hubel.watching import SILENT, Watcher

if TYPE_CHECKING:
    from hubel.verbs.many import Series

__all__ = ["Stopped", "described", "foresee", "resolve", "train"]


@overload
def train(
    data: str | Path | None = None,
    *,
    config: str | Path | None = None,
    resume: str | PathLike[str] | None = None,
    folds: None = None,
    seeds: None = None,
    on: str = "here",
    processes: int | None = None,
    doctor: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Run: ...
@overload
def train(
    data: str | Path | None = None,
    *,
    config: str | Path | None = None,
    resume: str | PathLike[str] | None = None,
    folds: int | None = None,
    seeds: int | None = None,
    on: str = "here",
    processes: int | None = None,
    doctor: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Run | Series: ...
@shows_progress
def train(
    data: str | Path | None = None,
    *,
    config: str | Path | None = None,
    resume: str | PathLike[str] | None = None,
    folds: int | None = None,
    seeds: int | None = None,
    on: str = "here",
    processes: int | None = None,
    doctor: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Run | Series:
    """Train a classifier and return its run, or its series of runs where `folds` or `seeds` are said.

    `data` names a source, a folder or a table of files; `config` is a recipe file; `settings` are those of the recipe
    by their short names (`model="resnet18", epochs=20, lr=0.01`). `resume` goes on with a run: settings beside it that
    can be taken up on the way (more epochs, another rate) begin a new segment, others are refused. "auto" goes on with
    the latest unfinished run of the same data and recipe, if there is any.
    `folds` of the data are each the test once, for a net that learns from the others; `seeds` are so many trainings
    that differ in chance alone. Either makes a folder of its own (`hubel.Series`), which `resume` goes on with, too.
    `on`: "here", "local" (a cluster of Ray started here), "ray://HOST:PORT" or "HOST:PORT" (extra `cluster`): so many
    `processes` train this one net, as torchrun's would, each with `threads` cores or a GPU; all places, if not given.
    `doctor` makes a check-up before a new run; what it finds is told and written down, and the training goes on.
    `verbose` shows progress; None does so where somebody looks (terminal, notebook).

    Raises UsageError, DataError, NonFinite, SaveFailed; Stopped when a signal asked for the end; MissingExtra and
    HubelError for a cluster that is not there.
    """
    given = layered(data, config, settings)
    if doctor:
        check_doctor(given, far=on not in (None, "here") or processes is not None)
    several = {kind: count for kind, count in (("folds", folds), ("seeds", seeds)) if count is not None}
    if goes_far(on, processes, several):
        asked = far(given, None if resume is None else fspath(resume), watch, doctor=doctor)
        return Run(Expedition(on, processes, train_as_told, watch).train(asked))
    with together():
        watch = watch if rank() == 0 else SILENT  # several processes speak with one voice
        if several or is_series(resume):
            from hubel.verbs.many import in_series

            for_one_run(doctor)
            return in_series(resume, several, given, watch)
        if resume is not None:
            found, beside = to_resume(fspath(resume), given, watch)
            if found is not None:
                return go_on(found, watch, beside)
            watch.remark("no unfinished run to resume: starting a new one")
        recipe = requested(given)
        with computing(recipe):
            return Run(with_time_left(begin, join, recipe, watch, doctor=doctor))


def train_as_told(job: Mapping[str, Any], watch: Watcher) -> str:
    """Train at a place of a cluster, as one of several processes; the folder of the run."""
    return str(train(**job, watch=watch, verbose=False).folder)


def begin(
    recipe: Recipe, watch: Watcher, *, doctor: bool = False, said: Recipe | None = None, beside: Path | None = None
) -> Run:
    """Start a run in a folder of its own, with a check-up (`doctor`), `beside` another; `said`: what the user said."""
    other = begin(unaided(recipe), watch) if recipe.transfer.compare_start else None
    ready = make_ready(recipe, watch)
    if other is not None and ready.facts:
        ready.facts["from_nothing"] = {"run": str(other.folder), "test": other.summary.get("test")}
    found = check_up(ready, watch) if doctor else at_a_glance(ready)
    folder = str(create(ready, said or recipe).folder) if rank() == 0 else ""
    if beside is not None:
        begun_beside(Path(folder), beside, ready)
    run = follow(RunStore(told_by_first(folder, ready.training.device)), ready, watch, found=found)
    if ready.advice:
        watch.remark(ready.advice)
    if other is not None:
        watch.remark(f"what the start was worth: hubel compare {other.folder} {run.folder}")
    return run


def go_on(folder: Path, watch: Watcher, given: Mapping[str, Any] | None = None) -> Run:
    """Resume a run where its last saved state stands, to the same bits as if it had never stopped.

    What is `given` and differs from the run's recipe begins a new segment; a finished run can be lengthened so. Raises
    UsageError for a setting that the run is made of, and where nothing would be left to train.
    """
    store, run = RunStore.open(folder), Run(folder).require_own_training()
    segment = going_on(folder, given or {})
    splits = splits_of(store)
    if run.status == "finished" and not segment.learns_otherwise:
        if is_single(run):
            with computing(segment.recipe):
                return Run(with_first(join, folder, watch))
        if store.exists("report.html"):
            watch.remark(f"{folder} has finished already: nothing to resume; --epochs or --time lengthens it")
        else:
            write_report(store, segment.recipe, watch)
        return Run(folder)
    with computing(segment.recipe):
        ready, state = restore(store, splits, segment, watch)
        return Run(with_first(join, follow(store, ready, watch, state, segment).folder, watch))


def write_report(store: RunStore, recipe: Recipe, watch: Watcher) -> None:
    """The report of a finished run that has none, since it could not be drawn at the end."""
    watch.remark(f"{store.folder} has finished already, without a report: writing it")
    summary = of_training(Run(store.folder).summary)
    with computing(recipe), store.lock():
        conclude(store, prepared_again(store, recipe, splits_of(store), watch), summary, watch)


def follow(
    store: RunStore,
    ready: Ready,
    watch: Watcher,
    state: Mapping[str, Any] | None = None,
    segment: Segment | None = None,
    found: Sequence[Finding] = (),
) -> Run:
    """Run the loop to its end; then measure the best weights and write the report (`hubel.assembly.follow.kept`)."""
    if rank() > 0:
        while not beside(store, ready):
            settings = json.loads(told_by_first("", ready.training.device))
            ready, _, _ = altered(store, settings, bool, watch)  # the first process tells what is refused
        return Run(store.folder)
    reins = reins_of(store)
    known = {str(one.get("id")) for one in Run(store.folder).findings}
    while True:
        attend = Attendant(ready.training, found, known)
        with kept(store, ready, watch, reins, state, segment, attend) as run:
            summary = run.to_its_end()
            if summary is not None:
                watch.stage("measuring and writing the report")
                conclude(store, ready.prepared, summary, watch)
                break
        known, found = attend.known, ()
        assert reins.altering is not None
        told_by_first(json.dumps(dict(reins.altering.settings)), ready.training.device)  # now that all is saved
        ready, state, segment = altered(store, reins.altering.settings, reins.refuse, watch)
    watch.done()
    return Run(store.folder)
