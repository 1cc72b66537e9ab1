"""From a recipe to a training that is ready to run, and all that is known of it: one list of steps for every beginning.

Data, net, what a trained net brings, trials, wiring: `make_ready`. A run that goes on comes back to the same place by
`restore`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.onward import take_up
from hubel.assembly.prepare import Prepared, prepare, prepare_together
from hubel.assembly.probing import probed
from hubel.assembly.together import agree
from hubel.assembly.transfer.head import only_head, warm
from hubel.assembly.transfer.plan import in_words, planned, stage_rows
from hubel.assembly.transfer.source import adopt, check_kind, find_source
from hubel.assembly.trials import allow, paced
from hubel.assembly.wire import assemble, batch_size
from hubel.checkpoint import ModelSpec, load_state
from hubel.data.splits import Splits
from hubel.errors import DAMAGED, ArtefactError, UsageError
from hubel.recipes.continuing import Segment
from hubel.recipes.schema import Recipe
from hubel.records.folder import reasons_of
from hubel.runtime import world
from hubel.store import RunStore, shown
from hubel.training.logbook import Subject
from hubel.training.loop import Training
from hubel.training.resume import differences
from hubel.watching import Plan, Watcher


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A training that only has to be run, and what belongs to it."""

    training: Training
    prepared: Prepared
    spec: ModelSpec
    facts: dict[str, Any] = field(default_factory=dict)
    """What was taken over from another net, for transfer.json; {} for a net that starts from nothing."""

    @property
    def subject(self) -> Subject:
        """What the weights belong to."""
        prepared = self.prepared
        first = prepared.ids("train")[:16]
        return Subject(
            spec=self.spec,
            preprocessing=prepared.preprocessing,
            class_names=prepared.class_names,
            data_digest=prepared.manifest.digest,
            first=torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[first])),
        )

    @property
    def samples(self) -> dict[str, int]:
        """By split."""
        return {name: len(self.prepared.ids(name)) for name in ("train", "val", "test")}

    @property
    def state_bytes(self) -> int:
        """What a saved state takes."""
        return sum(value.numel() * value.element_size() for value in self.training.state()[0].values())

    def plan(self, run: str) -> Plan:
        """What a face shows before the first step of the run in folder `run`."""
        training, prepared = self.training, self.prepared
        recipe = training.recipe
        return Plan(
            run=run,
            data=prepared.manifest.source,
            samples=self.samples,
            classes=prepared.manifest.num_classes,
            shape=None if prepared.preprocessing is None else prepared.preprocessing.shape,
            model=self.spec.architecture,
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


def make_ready(recipe: Recipe, watch: Watcher) -> Ready:
    """A training for a new run. Raises UsageError, DataError, ArtefactError."""
    if recipe.transfer.from_ is not None:
        return make_ready_from(recipe, watch)
    since = time.perf_counter()
    prepared = prepare_together(recipe, watch)
    watch.stage("building the model")
    model, spec = build(prepared)
    prepared = probed(prepared, model, watch)
    agree(prepared.recipe, model, batch_size(prepared.recipe, len(prepared.ids("train"))), watch)
    prepared = paced(prepared, model, watch, since)
    training = assemble(prepared.recipe, prepared, model)
    allow(training, prepared, time.perf_counter() - since, watch)
    return Ready(training=training, prepared=prepared, spec=spec)


def make_ready_from(recipe: Recipe, watch: Watcher) -> Ready:
    """A training from a trained net: its weights, a plan what learns again, and a head fitted to what it sees."""
    if world() > 1:
        raise UsageError(
            f"a run that starts --from a trained net takes one process, got {world()}", hint="leave torchrun out"
        )
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
    return Ready(training=training, prepared=prepared, spec=spec, facts=facts)


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


def restore(
    store: RunStore, recipe: Recipe, splits: Splits, segment: Segment, watch: Watcher
) -> tuple[Ready, dict[str, Any]]:
    """The training of a run where its last saved state stands, and what was saved beside the tensors.

    Raises ArtefactError where no state can be read, or where it does not fit the recipe.
    """
    state = load_state(store)
    for reason in state.skipped:
        watch.remark(f"a damaged state was passed over: {reason}")
    here = runtime.environment(runtime.pick_device(recipe.train.device))
    for difference in differences(began_with(store), here):
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
            f"the saved state of {store.folder} does not fit its recipe: {shown(str(error))}",
            hint="config.yaml was changed since, or state/ is of another run",
        ) from error
    prepared = replace(prepared, chosen=prepared.chosen.change(reasons_of(store, segment, training.epoch)))
    if segment.changed:
        take_up(training, segment, fits_head=only_head(prepared, model))
        watch.remark(f"from epoch {training.epoch + 1} on: {segment}")
    watch.remark(f"resuming {store.folder} at epoch {training.epoch + 1}")
    return Ready(training=training, prepared=prepared, spec=spec), {**state.meta, "logs": logs}


def began_with(store: RunStore) -> dict[str, Any]:
    """The environment that the run was begun in, as far as it is known."""
    found = store.read_json("env.json")
    if not isinstance(found, dict):
        raise ArtefactError(f"{store.path('env.json')} must be an object, got {shown(found)}", hint=DAMAGED)
    return found
