"""The probes before a run: a learning rate and a batch size from real steps on copies, with the reason for each."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

from torch import nn

from hubel.assembly.choices import usual_rate
from hubel.assembly.prepare import Prepared
from hubel.assembly.wire import assemble
from hubel.errors import HubelError
from hubel.recipes.schema import Recipe
from hubel.runtime import world
from hubel.training.probes import BatchProbe, RateProbe, batch_sizes, rate_range
from hubel.types import Batch
from hubel.watching import Watcher
from hubel.words import plural

STEPS_AN_EPOCH = 16
"""Fewer updates an epoch than that are too few, however fast they are: the probe looks at no larger batches."""
SMALLEST = 16


def probe_rate(recipe: Recipe, prepared: Prepared, model: nn.Module, watch: Watcher, *, steps: int = 100) -> RateProbe:
    """The learning-rate range test with the recipe's own net, data, augmentation, optimiser and loss."""
    watch.stage("probing learning rates")
    run = assemble(recipe.change(epochs=1, time=None), prepared, copy.deepcopy(model))
    return rate_range(run, steps=steps, progress=watch.progress)


def probe_batch(
    recipe: Recipe,
    prepared: Prepared,
    model: nn.Module,
    watch: Watcher,
    *,
    largest: int | None = None,
) -> BatchProbe:
    """Throughput and memory at batch sizes up to `largest` (None: as many as leave STEPS_AN_EPOCH updates an epoch)."""
    samples = len(prepared.ids("train"))
    most = max(min(SMALLEST, samples), samples // STEPS_AN_EPOCH) if largest is None else min(largest, samples)
    plain = recipe.change(epochs=1, time=None, micro_batch=None)

    def feed(size: int) -> Iterator[Batch]:
        trial = assemble(plain.change(batch_size=size), prepared, copy.deepcopy(model))
        for epoch in range(3):  # a size near the number of samples has one batch an epoch
            yield from trial.batches(epoch, 0)

    watch.stage("probing batch sizes")
    run = assemble(plain.change(batch_size=min(SMALLEST, samples)), prepared, copy.deepcopy(model))
    return batch_sizes(run, feed, first=min(SMALLEST, most), largest=most)


def probed(prepared: Prepared, model: nn.Module, watch: Watcher) -> Prepared:
    """The data with a recipe in which what `probe` names has been measured; what cannot be stays as the rules chose.

    A rate that the rules chose follows the batch size. The recipe that is saved holds the numbers and probes no more.
    """
    wanted = prepared.recipe.train.probe or ()
    if not wanted:
        return prepared
    prepared = prepared.with_recipe(prepared.recipe.change(probe=None))
    if world() > 1:
        watch.remark("several processes: the probes are left out, and the rules have chosen")
        return prepared
    if "batch_size" in wanted:
        prepared = _size(prepared, model, watch)
    return _rate(prepared, model, watch) if "lr" in wanted else prepared


def _size(prepared: Prepared, model: nn.Module, watch: Watcher) -> Prepared:
    """With the batch size that the probe suggests, and the rate that follows from it where the rules chose one."""
    recipe, chosen = prepared.recipe, prepared.chosen
    try:
        found = probe_batch(recipe, prepared, model, watch)
    except HubelError as error:
        watch.remark(f"the batch size was not probed, {recipe.train.batch_size} stays: {error.what}")
        return prepared
    if found.suggestion is None:
        watch.remark(f"no batch size was found, {recipe.train.batch_size} stays: {found.reason}")
        return prepared
    point = next(point for point in found.points if point.size == found.suggestion)
    reason = f"measured: {point.images_per_second:,.0f} images/s; {found.reason}"
    watch.remark(f"batch size {found.suggestion}, {reason}")
    chosen = chosen.take(reason, batch_size=found.suggestion)
    ruled = "lr" in chosen.reasons and recipe.optimizer.optimizer is not None and prepared.preprocessing is not None
    if ruled and recipe.transfer.from_ is None and recipe.train.preset != "paper":
        rate, why = usual_rate(recipe.optimizer.optimizer or "", found.suggestion)
        chosen = chosen.take(why, lr=rate)
    return replace(prepared, chosen=chosen)


def _rate(prepared: Prepared, model: nn.Module, watch: Watcher) -> Prepared:
    """With the learning rate that the range test suggests."""
    recipe = prepared.recipe
    try:
        found = probe_rate(recipe, prepared, model, watch)
    except HubelError as error:
        watch.remark(f"the learning rate was not probed, {recipe.optimizer.lr:g} stays: {error.what}")
        return prepared
    if found.suggestion is None:
        watch.remark(f"no learning rate was found, {recipe.optimizer.lr:g} stays: {found.reason}")
        return prepared
    reason = f"measured on {plural(len(found.rates), 'step')}: in the valley of the range test; {found.reason}"
    watch.remark(f"learning rate {found.suggestion:g}, {reason}")
    return replace(prepared, chosen=prepared.chosen.take(reason, lr=found.suggestion))
