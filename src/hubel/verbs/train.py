"""Train: recipe in, run folder out. The loop computes; this verb reads, writes and tells."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.checks import by_name, check_names
from hubel.assembly.onward import take_up, to_resume
from hubel.assembly.prepare import Prepared, prepare, prepare_together
from hubel.assembly.probing import probed
from hubel.assembly.together import agree, computing
from hubel.assembly.transfer.head import events, only_head, warm
from hubel.assembly.transfer.plan import in_words, learnt, planned, stage_rows
from hubel.assembly.transfer.source import adopt, check_kind, find_source
from hubel.assembly.trials import allow, paced
from hubel.assembly.wire import assemble, batch_size
from hubel.checkpoint import ModelSpec, load_state
from hubel.data.splits import NAMES, Splits
from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.events import Finished, MicroBatchHalved, Skipped, ThreadsChanged
from hubel.faces.progress import shows_progress
from hubel.recipes.continuing import Segment, asked, continued
from hubel.recipes.schema import Recipe, compose, flatten, read_environment, read_file
from hubel.records.folder import begin_segment, create_folder, reasons_of
from hubel.records.own_data import placed
from hubel.runtime import processes, rank, world
from hubel.store import RunStore, SaveFailed, shown
from hubel.training.energy import Meter
from hubel.training.logbook import Logbook, RankLog, Subject, without_nan
from hubel.training.loop import NonFinite, Training, fit
from hubel.training.resume import Signals, differences
from hubel.verbs.conclude import conclude
from hubel.verbs.run import Run
from hubel.watching import SILENT, Plan, Watcher

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


def layered(data: str | Path | None, config: str | Path | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What file, environment and settings say, later ones above earlier ones, by short names."""
    found = flatten(read_file(config) if config is not None else {}) | flatten(read_environment())
    return found | flatten(by_name(settings)) | ({} if data is None else {"data": str(data)})


def requested(given: Mapping[str, Any]) -> Recipe:
    """The recipe that is asked for; nothing open is chosen yet. Raises UsageError where it cannot be."""
    recipe = compose(given)
    if not recipe.data.data:
        raise UsageError("a data source is needed", hint="hubel train digits, or hubel train path/to/folder")
    check_names(recipe)
    return recipe


def resolve(
    data: str | Path | None = None,
    *,
    config: str | Path | None = None,
    resume: str | PathLike[str] | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Recipe:
    """The recipe that `train` would follow with these arguments, every open setting chosen from the data.

    Nothing is trained or written; what only a trial on the net can tell (a probed rate, an epoch's time) stays open.
    """
    given = layered(data, config, settings)
    if resume is not None:
        found, beside = to_resume(fspath(resume), given, watch)
        if found is not None:
            return continued(compose(read_file(found / "config.yaml")), beside, found).recipe
    recipe = requested(given)
    if recipe.transfer.from_ is None:
        return prepare(recipe, watch).recipe
    return prepare(adopt(recipe, find_source(str(recipe.transfer.from_))), watch).recipe


def begin(recipe: Recipe, watch: Watcher) -> Run:
    """Start a new run in a folder of its own: data, net, trials, wiring."""
    if recipe.transfer.from_ is not None:
        return begin_from(recipe, watch)
    since = time.perf_counter()
    prepared = prepare_together(recipe, watch)
    watch.stage("building the model")
    model, spec = build(prepared)
    prepared = probed(prepared, model, watch)
    agree(prepared.recipe, model, batch_size(prepared.recipe, len(prepared.ids("train"))), watch)
    prepared = paced(prepared, model, watch, since)
    training = assemble(prepared.recipe, prepared, model)
    allow(training, prepared, time.perf_counter() - since, watch)
    folder = [str(create(prepared, training, recipe).folder)] if rank() == 0 else [""]
    if world() > 1:
        dist.broadcast_object_list(folder)
    return follow(RunStore(folder[0]), training, prepared, spec, watch)


def begin_from(recipe: Recipe, watch: Watcher) -> Run:
    """Start a new run from a trained net: its weights, a plan what learns again, and a head fitted to what it sees."""
    if world() > 1:
        raise UsageError("a run that starts --from a trained net takes one process", hint="leave torchrun out")
    since = time.perf_counter()
    watch.stage("reading the net to start from")
    source = find_source(str(recipe.transfer.from_))
    prepared = prepare(adopt(recipe, source), watch)
    check_kind(prepared, source)
    watch.stage("building the model")
    model, spec, prepared, facts = planned(prepared, source, watch)
    spent = 0.0
    if not only_head(prepared, model):
        prepared, spent = settle(prepared, model, facts, watch)
        facts["stages"] = stage_rows(model, prepared.recipe)
    training = assemble(prepared.recipe, prepared, model)
    training.seconds = spent
    allow(training, prepared, time.perf_counter() - since - spent, watch)
    store = create(prepared, training, recipe)
    store.write_json("transfer.json", facts)
    return follow(store, training, prepared, spec, watch)


def settle(prepared: Prepared, model: nn.Module, facts: dict[str, Any], watch: Watcher) -> tuple[Prepared, float]:
    """Fit the head before the rest learns, then probe and pace what is left of the time; also the seconds it took."""
    recipe = prepared.recipe
    head = assemble(recipe.change(unfreeze="head", ema=0.0), prepared, model)
    spent = warm(head, prepared, facts, watch)
    # An epoch is timed with all learning that will ever learn, and what the head has taken is gone.
    left = None if recipe.train.time is None else max(1.0, recipe.train.time - spent)
    most = "all" if recipe.transfer.unfreeze == "gradual" else recipe.transfer.unfreeze
    whole = prepared.with_recipe(recipe.change(unfreeze=most, time=left))
    whole = paced(probed(whole, model, watch), model, watch)
    return whole.with_recipe(whole.recipe.change(unfreeze=recipe.transfer.unfreeze, time=recipe.train.time)), spent


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
    recipe = segment.recipe
    with computing(recipe):
        state = load_state(store)
        for reason in state.skipped:
            watch.remark(f"a damaged state was passed over: {reason}")
        here = runtime.environment(runtime.pick_device(recipe.train.device))
        for difference in differences(_environment(store), here):
            watch.remark(f"not the same bits as without the stop: {difference}")
        prepared = prepare_together(recipe, watch, splits)
        recipe = prepared.recipe  # whole also where somebody took a line out of config.yaml
        model, spec = build(prepared)
        agree(recipe, model, batch_size(recipe, len(prepared.ids("train"))), watch)
        training = assemble(recipe, prepared, model)
        try:
            training.restore(state.tensors, state.meta["training"])
            logs = {str(name): int(size) for name, size in state.meta["logs"].items()}
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ArtefactError(
                f"the saved state of {folder} does not fit its recipe: {shown(str(error))}",
                hint="config.yaml was changed since, or state/ is of another run",
            ) from error
        prepared = replace(prepared, chosen=prepared.chosen.change(reasons_of(store, segment, training.epoch)))
        if segment.changed:
            take_up(training, segment, fits_head=only_head(prepared, model))
            watch.remark(f"from epoch {training.epoch + 1} on: {segment}")
        watch.remark(f"resuming {folder} at epoch {training.epoch + 1}")
        return follow(store, training, prepared, spec, watch, state={**state.meta, "logs": logs}, segment=segment)


def write_report(store: RunStore, recipe: Recipe, splits: Splits, watch: Watcher) -> None:
    """The report of a finished run that has none, since it could not be drawn at the end."""
    watch.remark(f"{store.folder} has finished already, without a report: writing it")
    summary = {key: value for key, value in Run(store.folder).summary.items() if key not in NAMES}
    with computing(recipe), store.lock():
        conclude(store, prepare(recipe, watch, splits=splits), summary, watch)


def _environment(store: RunStore) -> dict[str, Any]:
    """What the run was begun with, as far as it is known."""
    found = store.read_json("env.json")
    if not isinstance(found, dict):
        raise ArtefactError(f"{store.path('env.json')} must be an object, got {shown(found)}")
    return found


def create(prepared: Prepared, training: Training, said: Recipe) -> RunStore:
    """The run's folder, with all that is known before the first step; `said` is the recipe as the user gave it."""
    tensors, _ = training.state()
    return create_folder(
        prepared.chosen,
        prepared.manifest,
        prepared.splits,
        samples={name: len(prepared.ids(name)) for name in ("train", "val", "test")},
        problems=prepared.scan.problems,
        state_bytes=sum(value.numel() * value.element_size() for value in tensors.values()),
        device=training.device,
        asked=asked(said),
    )


def subject_of(prepared: Prepared, spec: ModelSpec) -> Subject:
    """What the weights belong to."""
    first = prepared.ids("train")[:16]
    return Subject(
        spec=spec,
        preprocessing=prepared.preprocessing,
        class_names=prepared.class_names,
        data_digest=prepared.manifest.digest,
        first=torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[first])),
    )


def follow(
    store: RunStore,
    training: Training,
    prepared: Prepared,
    spec: ModelSpec,
    watch: Watcher,
    state: Mapping[str, Any] | None = None,
    segment: Segment | None = None,
) -> Run:
    """Run the loop to its end, logging and saving; then measure the best weights and write the report.

    `state`: what was saved beside the tensors, when the run is resumed; `segment`: what is new from here on.
    """
    run = Run(store.folder)
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
    watch.training(plan(store, training, prepared, spec))
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
            begin_segment(store, segment, epoch=training.epoch, step=training.step, best=without_nan(training.best))
        book = Logbook(store, training, subject_of(prepared, spec), meter, watch)
        try:
            finished = pursue(book, prepared, watch, signals)
            book.save(finished=finished is not None)
        except (NonFinite, SaveFailed) as error:
            store.sweep()
            with suppress(SaveFailed):  # the disk may still be full; the error itself is the news
                stopped = {"status": "stopped", "reason": error.what, "best": without_nan(training.best)}
                store.write_json("summary.json", stopped)
            raise
        store.sweep()  # the room of the oldest state is not needed any more
        if finished is None:
            stopped = {"status": "stopped", "reason": signals.received, "best": without_nan(training.best)}
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
            "best": without_nan(training.best),
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
                    watch.remark(said(event))
                if isinstance(event, Finished):
                    return event
                if signals.received:
                    return None
        except NonFinite as error:
            if training.recipe.train.on_nonfinite != "rollback" or attempt == ROLLBACKS:
                raise
            roll_back(book, error)
            watch.remark(f"{error.what}; back to step {training.step}, that step will be left out")
    return None


def roll_back(book: Logbook, error: NonFinite) -> None:
    """Back to the last saved state, with the offending step marked to be left out: the same on every replay."""
    training = book.training
    skipped = training.skipped | {error.updates}
    try:
        state = load_state(book.store)
    except ArtefactError:
        raise error from None
    training.restore(state.tensors, state.meta["training"])
    training.skipped |= skipped
    book.kept = None  # better weights than those of the state belong to epochs that are run again,
    book.waiting.clear()  # and so do the lines
    for name, size in state.meta["logs"].items():
        book.store.rewind(name, size)
    book.store.append_line("events.jsonl", f'{{"event": "rollback", "step": {error.updates}}}')


def said(event: Skipped | MicroBatchHalved | ThreadsChanged) -> str:
    """A remark about an event."""
    if isinstance(event, ThreadsChanged):
        return event.reason
    if isinstance(event, Skipped):
        return f"epoch {event.epoch + 1}, step {event.step} was left out: {event.reason}"
    return f"memory ran out: the batch is now taken in parts of {event.micro_batch}, with the same result"


def plan(store: RunStore, training: Training, prepared: Prepared, spec: ModelSpec) -> Plan:
    """What a face shows before the first step."""
    recipe = training.recipe
    return Plan(
        run=str(store.folder),
        data=prepared.manifest.source,
        samples={name: len(prepared.ids(name)) for name in ("train", "val", "test")},
        classes=prepared.manifest.num_classes,
        shape=None if prepared.preprocessing is None else prepared.preprocessing.shape,
        model=spec.architecture,
        parameters=sum(p.numel() for p in training.model.parameters()),
        transfer=in_words(training),
        fits_head=only_head(prepared, training.model),
        epochs=recipe.train.epochs or 1,
        epoch=training.epoch,
        steps=training.steps_per_epoch,
        batch_size=batch_size(recipe, len(prepared.ids("train"))),
        optimizer=recipe.optimizer.optimizer or "",
        lr=recipe.optimizer.lr or 0.0,
        device=str(training.device),
        threads=torch.get_num_threads(),
        processes=world(),
        reasons=prepared.reasons,
    )
