"""From a recipe to a training that is ready to run: one list of steps for every beginning.

Data, net, what a trained net brings, trials, wiring: `make_ready`. A run that goes on comes to the same place by
`hubel.assembly.restore`.
"""

from __future__ import annotations

import time
from typing import Any

from torch import nn

from hubel.assembly.balance import tell_balance
from hubel.assembly.build import build, described
from hubel.assembly.prepare import Prepared, prepare, prepare_together
from hubel.assembly.probing import probed
from hubel.assembly.ready import Ready, create
from hubel.assembly.together import agree
from hubel.assembly.transfer.head import fits_all, warm
from hubel.assembly.transfer.plan import planned, stage_rows
from hubel.assembly.transfer.rival import outdone
from hubel.assembly.transfer.source import check_kind
from hubel.assembly.transfer.start import Start, start, transferred
from hubel.assembly.trials import allow, paced
from hubel.assembly.wire import assemble, batch_size
from hubel.errors import UsageError
from hubel.recipes.schema import NOTHING, Recipe
from hubel.runtime import world
from hubel.training.features import Seen
from hubel.watching import SILENT, Held, Once, Watcher

__all__ = ["Ready", "create", "described", "make_ready", "make_ready_from", "settle", "unaided"]


def make_ready(recipe: Recipe, watch: Watcher) -> Ready:
    """A training for a new run. Raises UsageError, DataError, ArtefactError."""
    since = time.perf_counter()
    begun = start(recipe, watch)
    if begun.source is not None:
        watch = Once(watch) if begun.by_default else watch  # the same pictures may be prepared twice
        ready = make_ready_from(begun, watch, since)
        if isinstance(ready, Ready):
            return ready
        watch.remark(f"from nothing: {ready}")
        begun = begun.withdrawn(ready)
    prepared = tell_balance(prepare_together(begun.chosen, watch), watch)
    watch.stage("building the model")
    model, spec = build(prepared)
    prepared = probed(prepared, model, watch)
    agree(prepared.recipe, model, batch_size(prepared.recipe, prepared.samples), watch)
    prepared = paced(prepared, model, watch, since)
    training = assemble(prepared.recipe, prepared, model)
    allow(training, prepared, time.perf_counter() - since, watch)
    return Ready(training=training, prepared=prepared, spec=spec, advice=begun.advice)


def make_ready_from(begun: Start, watch: Watcher, since: float) -> Ready | str:
    """A training from a trained net: its weights, a plan what learns again, and a head fitted to what it sees.

    Where the start was chosen by default, and the small net that would else be trained does better at once: the reason.
    """
    if world() > 1:
        raise UsageError(
            f"a run that starts --from a trained net takes one process, got {world()}",
            hint="leave torchrun or --on out",
        )
    prepared = tell_balance(prepare(begun.chosen, watch), watch)
    source = begun.source
    assert source is not None
    check_kind(prepared, source)
    watch.stage("building the model")
    held = Held(watch)
    model, spec, prepared, facts, seen = planned(prepared, source, held, by_default=begun.by_default)
    facts["why"] = begun.chosen.reasons.get("from", "")
    if begun.by_default and not transferred(begun.asked):  # who says how it is thawed wants it
        better = outdone(begun.asked, facts, watch)
        if better:
            return better
    if begun.by_default:
        watch.remark(f"starts from {source.name}: {facts['why']}")
    held.release()
    spent = 0.0
    if not fits_all(prepared, model, begun.asked, watch):
        prepared, spent = settle(prepared, model, facts, watch, seen)
        facts["stages"] = stage_rows(model, prepared.recipe)
    training = assemble(prepared.recipe, prepared, model)
    training.seconds = spent
    allow(training, prepared, time.perf_counter() - since - spent, watch)
    return Ready(training=training, prepared=prepared, spec=spec, facts=facts, seen=seen)


def unaided(recipe: Recipe) -> Recipe:
    """The same training from nothing, to compare with; raises UsageError for a recipe that does so anyway."""
    nothing = dict.fromkeys(transferred(recipe))
    if start(recipe.change(**nothing), SILENT).source is None:
        raise UsageError(
            f"compare_start needs a trained net to start from, and {recipe.data.data} starts from nothing",
            hint="--from RUN, or leave --compare-start out",
        )
    name = recipe.run.name and f"{recipe.run.name}-0"
    return recipe.change(from_=NOTHING, compare_start=False, name=name, **nothing)


def settle(
    prepared: Prepared, model: nn.Module, facts: dict[str, Any], watch: Watcher, seen: Seen | None = None
) -> tuple[Prepared, float]:
    """Fit the head before the rest learns, then probe and pace what is left of the time; also the seconds it took."""
    recipe = prepared.recipe
    head = assemble(recipe.change(unfreeze="head", ema=0.0), prepared, model)
    spent = warm(head, prepared, facts, watch, seen)
    # An epoch is timed with all learning that will ever learn, and what the head has taken is gone.
    left = None if recipe.train.time is None else max(1.0, recipe.train.time - spent)
    most = "all" if recipe.transfer.unfreeze == "gradual" else recipe.transfer.unfreeze
    whole = prepared.with_recipe(recipe.change(unfreeze=most, time=left))
    whole = paced(probed(whole, model, watch), model, watch)
    return whole.with_recipe(whole.recipe.change(unfreeze=recipe.transfer.unfreeze, time=recipe.train.time)), spent
