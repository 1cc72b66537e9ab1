"""Train: recipe in, run folder out. The loop computes; this verb reads, writes and tells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import torch.distributed as dist

from hubel import runtime
from hubel.assembly.begin import Ready, make_ready, restore
from hubel.assembly.onward import to_resume
from hubel.assembly.prepare import Prepared, prepare
from hubel.assembly.requests import layered, requested, resolve
from hubel.assembly.together import computing
from hubel.assembly.transfer.head import events
from hubel.assembly.transfer.plan import learnt
from hubel.data.splits import NAMES, Splits
from hubel.errors import HubelError
from hubel.events import Finished, MicroBatchHalved, Skipped, ThreadsChanged
from hubel.faces.progress import shows_progress
from hubel.recipes.continuing import Segment, asked, continued
from hubel.recipes.schema import Recipe, compose, read_file
from hubel.records.folder import begin_segment, create_folder
from hubel.records.own_data import placed
from hubel.runtime import processes, rank, world
from hubel.store import RunStore, SaveFailed
from hubel.training.energy import Meter
from hubel.training.logbook import Logbook, RankLog
from hubel.training.loop import NonFinite, fit
from hubel.training.resume import Signals
from hubel.verbs.conclude import conclude
from hubel.verbs.run import Run
from hubel.watching import SILENT, Watcher
from hubel.words import plain

__all__ = ["Stopped", "resolve", "train"]

ROLLBACKS = 3
"""How often a run may go back to its last saved state before it gives up."""


class Stopped(HubelError):
    """A signal asked the run to stop; it can be resumed."""

    def __init__(self, run: Run, signal: str, code: int) -> None:
        super().__init__(
            f"stopped by {signal}; everything so far is saved in {run.folder}",
            hint=f"go on: hubel train --resume {run.folder}",
        )
        self.run = run
        self.exit_code = code


@shows_progress
def train(
    data: str | Path | None = None,
    *,
    config: str | Path | None = None,
    resume: str | PathLike[str] | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Run:
    """Train a classifier and return its run.

    `data` names a source, a folder or a table of files; `config` is a recipe file; `settings` are those of the recipe
    by their short names (`model="resnet18", epochs=20, lr=0.01`). `resume` goes on with a run: settings beside it that
    can be taken up on the way (more epochs, another rate) begin a new segment, others are refused. "auto" goes on with
    the latest unfinished run of the same data and recipe, if there is any.
    `verbose` shows progress; None does so where somebody looks (terminal, notebook).

    Raises UsageError, DataError, NonFinite, SaveFailed; Stopped when a signal asked for the end.
    """
    given = layered(data, config, settings)
    with processes():
        watch = watch if rank() == 0 else SILENT  # several processes speak with one voice
        if resume is not None:
            found, beside = to_resume(fspath(resume), given, watch)
            if found is not None:
                return go_on(found, watch, beside)
            watch.remark("no unfinished run to resume: starting a new one")
        recipe = requested(given)
        with computing(recipe):
            return begin(recipe, watch)


def begin(recipe: Recipe, watch: Watcher) -> Run:
    """Start a new run in a folder of its own."""
    ready = make_ready(recipe, watch)
    folder = [str(create(ready, recipe).folder)] if rank() == 0 else [""]
    if world() > 1:
        dist.broadcast_object_list(folder)
    return follow(RunStore(folder[0]), ready, watch)


def create(ready: Ready, said: Recipe) -> RunStore:
    """The run's folder, with all that is known before the first step; `said` is the recipe as the user gave it."""
    prepared = ready.prepared
    store = create_folder(
        prepared.chosen,
        prepared.manifest,
        prepared.splits,
        samples=ready.samples,
        problems=prepared.scan.problems,
        state_bytes=ready.state_bytes,
        device=ready.training.device,
        asked=asked(said),
    )
    if ready.facts:
        store.write_json("transfer.json", ready.facts)
    return store


def go_on(folder: Path, watch: Watcher, given: Mapping[str, Any] | None = None) -> Run:
    """Resume a run where its last saved state stands, to the same bits as if it had never stopped.

    What is `given` and differs from the run's recipe begins a new segment; a finished run can be lengthened so. Raises
    UsageError for a setting that the run is made of, and where nothing would be left to train.
    """
    given = dict(given or {})
    store = RunStore.open(folder)
    recipe = placed(folder, compose(read_file(folder / "config.yaml")), given.pop("data_root", None))
    splits = Splits.from_dict(store.read_json("split.json", limit=1 << 30))
    segment = continued(recipe, given, folder)
    if Run(folder).status == "finished" and not segment.learns_otherwise:
        if store.exists("report.html"):
            watch.remark(f"{folder} has finished already: nothing to resume; --epochs or --time lengthens it")
        else:
            write_report(store, recipe, splits, watch)
        return Run(folder)
    with computing(segment.recipe):
        ready, state = restore(store, segment.recipe, splits, segment, watch)
        return follow(store, ready, watch, state=state, segment=segment)


def write_report(store: RunStore, recipe: Recipe, splits: Splits, watch: Watcher) -> None:
    """The report of a finished run that has none, since it could not be drawn at the end."""
    watch.remark(f"{store.folder} has finished already, without a report: writing it")
    summary = {key: value for key, value in Run(store.folder).summary.items() if key not in NAMES}
    with computing(recipe), store.lock():
        conclude(store, prepare(recipe, watch, splits=splits), summary, watch)


def follow(
    store: RunStore,
    ready: Ready,
    watch: Watcher,
    state: Mapping[str, Any] | None = None,
    segment: Segment | None = None,
) -> Run:
    """Run the loop to its end, logging and saving; then measure the best weights and write the report.

    `state`: what was saved beside the tensors, when the run is resumed; `segment`: what is new from here on.
    """
    run, training, prepared = Run(store.folder), ready.training, ready.prepared
    if rank() > 0:
        # Signals come to all processes at once. The first must not lose us in the middle of an exchange: it stops
        # between two steps and saves, and when it is gone our next exchange fails.
        log = RankLog(store, training.device)
        with Signals() as signals:
            try:
                for event in fit(training):
                    log.event(event)
            except RuntimeError:
                if not signals.received:
                    raise
                log.line({"event": "stopped", "reason": signals.received})
                raise Stopped(run, signals.received, signals.exit_code) from None
        return run
    watch.training(ready.plan(str(store.folder)))
    meter = Meter(
        processor=str(runtime.environment()["device_name"]),
        intensity=training.recipe.run.grid_intensity,
        watch_gpus=training.device.type == "cuda",
        processes=world(),
        spent=(state or {}).get("energy"),
    )
    with store.lock(), Signals() as signals, meter:
        store.sweep()
        for name, size in (state or {}).get("logs", {}).items():
            store.rewind(name, size)
        if segment is not None and segment.changed:
            begin_segment(store, segment, epoch=training.epoch, step=training.step, best=plain(training.best))
        book = Logbook(store, training, ready.subject, meter, watch)
        try:
            finished = pursue(book, prepared, watch, signals)
            book.save(finished=finished is not None)
        except (NonFinite, SaveFailed) as error:
            store.sweep()
            with suppress(SaveFailed):  # the disk may still be full; the error itself is the news
                stopped = {"status": "stopped", "reason": error.what, "best": plain(training.best)}
                store.write_json("summary.json", stopped)
            raise
        store.sweep()  # the room of the oldest state is not needed any more
        if finished is None:
            stopped = {"status": "stopped", "reason": signals.received, "best": plain(training.best)}
            store.write_json("summary.json", stopped)
            watch.done()
            raise Stopped(run, signals.received, signals.exit_code)
        watch.stage("measuring and writing the report")
        summary: dict[str, Any] = {
            "status": "finished",
            "reason": finished.reason,
            "epochs": finished.epochs,
            "seconds": finished.seconds,
            "preparation_seconds": prepared.seconds,
            "parameters": sum(p.numel() for p in training.model.parameters()),
            **learnt(training),
            "best": plain(training.best),
            "energy": meter.energy().to_dict(),
        }
        conclude(store, prepared, summary, watch)
    watch.done()
    return run


def pursue(book: Logbook, prepared: Prepared, watch: Watcher, signals: Signals) -> Finished | None:
    """Read the loop's events until it ends; None if a signal asked to stop. Rolls back where the recipe says so."""
    training = book.training
    for attempt in range(ROLLBACKS + 1):
        try:
            for event in events(training, prepared, watch):
                book.event(event)
                watch.event(event)
                if isinstance(event, (Skipped, MicroBatchHalved, ThreadsChanged)):
                    watch.remark(event.told)
                if isinstance(event, Finished):
                    return event
                if signals.received:
                    return None
        except NonFinite as error:
            if training.recipe.train.on_nonfinite != "rollback" or attempt == ROLLBACKS:
                raise
            book.roll_back(error)
            watch.remark(f"{error.what}; back to step {training.step}, that step will be left out")
    return None
