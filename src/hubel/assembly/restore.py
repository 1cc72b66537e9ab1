"""A run that goes on: its training as it stood when its state was last saved, ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.onward import going_on, take_up
from hubel.assembly.prepare import Prepared, prepare_together
from hubel.assembly.ready import Ready
from hubel.assembly.together import agree
from hubel.assembly.transfer.head import only_head
from hubel.assembly.wire import assemble, batch_size
from hubel.checkpoint import load_state
from hubel.data.splits import NAMES, Splits
from hubel.errors import DAMAGED, ArtefactError, HubelError
from hubel.recipes.continuing import Segment
from hubel.recipes.schema import Recipe, compose, read_file
from hubel.records.folder import edits_of, reasons_of
from hubel.records.own_data import placed
from hubel.store import RunStore, shown
from hubel.training.resume import differences
from hubel.watching import Watcher


def restore(store: RunStore, splits: Splits, segment: Segment, watch: Watcher) -> tuple[Ready, dict[str, Any]]:
    """The training of a run where its last saved state stands, and what was saved beside the tensors.

    Raises ArtefactError where no state can be read, or where it does not fit the recipe.
    """
    state, recipe = load_state(store), segment.recipe
    for reason in state.skipped:
        watch.remark(f"a damaged state was passed over: {reason}")
    here = runtime.environment(runtime.pick_device(recipe.train.device))
    for difference in differences(began_with(store), here):
        watch.remark(f"not the same bits as without the stop: {difference}")
    prepared = prepared_again(store, recipe, splits, watch)
    recipe = prepared.recipe  # whole also where somebody took a line out of config.yaml
    model, spec = build(prepared)
    agree(recipe, model, batch_size(recipe, prepared.samples), watch)
    training = assemble(recipe, prepared, model)
    try:
        training.restore(state.tensors, state.meta["training"])
        logs = {str(name): int(size) for name, size in state.meta["logs"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ArtefactError(
            f"the saved state of {store.folder} does not fit its recipe: {shown(str(error))}",
            hint="config.yaml was changed since, or state/ is of another run",
        ) from error
    if prepared.lesson is not None and store.exists("teacher.json"):
        prepared.lesson.compare(store.read_json("teacher.json"), recipe, prepared.ids("train"), training.device)
    prepared = replace(prepared, chosen=prepared.chosen.change(reasons_of(store, segment, training.epoch)))
    if segment.changed:
        take_up(training, segment, fits_head=only_head(prepared, model))
        watch.remark(f"from epoch {training.epoch + 1} on: {segment}")
    watch.remark(f"resuming {store.folder} at epoch {training.epoch + 1}")
    return Ready(training=training, prepared=prepared, spec=spec), {**state.meta, "logs": logs}


def splits_of(store: RunStore) -> Splits:
    """Who was learnt from and who was measured, as the run wrote it down. Raises DataError for a changed file."""
    return Splits.from_dict(store.read_json("split.json", limit=1 << 30))


def of_training(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says of the training, without what was measured after it."""
    return {key: value for key, value in summary.items() if key not in NAMES}


def prepared_again(store: RunStore, recipe: Recipe, splits: Splits, watch: Watcher) -> Prepared:
    """The data of a run as it was begun with them: its own split, and exactly its own edits of the labels."""
    return prepare_together(recipe, watch, splits, edits_of(store))


def data_of(
    folder: Path, watch: Watcher, *, data_root: str | Path | None = None, changes: Mapping[str, Any] | None = None
) -> Prepared:
    """The data that the run in `folder` was trained on, divided as they were; its recipe with `changes`."""
    store = RunStore.open(folder)
    recipe = placed(folder, compose(read_file(folder / "config.yaml")), data_root).change(**changes or {})
    return prepared_again(store, recipe, splits_of(store), watch)


def began_with(store: RunStore) -> dict[str, Any]:
    """The environment that the run was begun in, as far as it is known."""
    found = store.read_json("env.json")
    if not isinstance(found, dict):
        raise ArtefactError(f"{store.path('env.json')} must be an object, got {shown(found)}", hint=DAMAGED)
    return found


def altered(
    store: RunStore, settings: Mapping[str, Any], refuse: Callable[[HubelError], object], watch: Watcher
) -> tuple[Ready, dict[str, Any], Segment]:
    """The training of a run that goes on with `settings`, from the state it saved; as it was where they are refused."""
    splits = splits_of(store)
    segment = going_on(store.folder, settings)
    try:
        return *restore(store, splits, segment, watch), segment
    except HubelError as error:  # it goes on as it was, rather than to end for an order
        refuse(error)
        segment = going_on(store.folder, {})
        return *restore(store, splits, segment, watch), segment
