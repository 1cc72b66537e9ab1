"""A head fitted to what a frozen net sees: the net is run once, and what enters its head is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from hubel import runtime
from hubel.assembly.prepare import Prepared
from hubel.assembly.transfer.fitted import check_fitted, tell_unused
from hubel.data.batches import batches
from hubel.events import EpochDone, Event
from hubel.recipes.schema import Recipe
from hubel.training.features import PLAIN, Features, Request, Seen, collect, head_scale, views_of, weights_digest
from hubel.training.heads import fit_head
from hubel.training.kept import digest_of
from hubel.training.loop import Training, fit, forward_precision
from hubel.watching import Watcher


def only_head(prepared: Prepared, model: nn.Module) -> bool:
    """Does the head alone learn, and is it one that can be fitted to cached features?"""
    part = prepared.recipe.transfer
    return part.from_ is not None and part.unfreeze in ("head", 0) and scale_of(prepared, model) is not None


def fits_all(prepared: Prepared, model: nn.Module, asked: Recipe, watch: Watcher) -> bool:
    """`only_head`; where it is so, what the recipe cannot have is refused, and what was `asked` in vain is said."""
    if not only_head(prepared, model):
        return False
    check_fitted(prepared.recipe)
    tell_unused(asked, prepared.recipe, watch)
    return True


def scale_of(prepared: Prepared, model: nn.Module) -> float | None:
    """The a of logits = a · head(features), by a look at a few pictures; None for heads that need the whole net, and
    for tasks in which a head is asked for more than a word on the whole sample.
    """
    if not prepared.task.fits_head:
        return None
    rows = prepared.ids("train")[:4]
    device = next(model.parameters()).device
    batch = next(
        batches(prepared.decoded, rows, preprocessing=prepared.preprocessing, batch_size=len(rows), device=device)
    )
    return head_scale(model, batch.images)


def look(prepared: Prepared, model: nn.Module, watch: Watcher, seen: Seen | None = None) -> Features:
    """What enters the head of `model` for the training and validation pictures: from the cache, else computed once.

    `seen`: what the net has seen of the training pictures already, with another head.
    """
    recipe = prepared.recipe
    device = runtime.pick_device(recipe.train.device)
    precision = forward_precision(recipe.train.precision, device)
    train, val = prepared.ids("train"), prepared.splits.val
    preprocessing = prepared.preprocessing
    request = Request(
        weights=weights_digest(model, without=str(model.head)),
        architecture=json.dumps([recipe.model.model, recipe.model.model_options], sort_keys=True, default=str),
        data=prepared.decoded.digest,
        rows=digest_of(train, val),
        preprocessing="" if preprocessing is None else json.dumps(preprocessing.to_dict(), sort_keys=True),
        precision=str(precision),
        views=views_of(recipe.transfer.feature_views or 1, recipe.augment.augment or ()),
        seed=recipe.train.seed,
        device=device.type,
    )
    known = None if seen is None else seen.entering(model)
    watch.stage("running the frozen net once")
    return collect(
        model, prepared.decoded, train, val,
        request=request, preprocessing=preprocessing, device=device, precision=precision,
        channels_last=recipe.train.channels_last and preprocessing is not None, progress=watch.progress,
        labels=prepared.decoded.targets if prepared.task.several else None,
        known=known if request.views[0] == PLAIN else None,
    )  # fmt: skip


def events(training: Training, prepared: Prepared, watch: Watcher, seen: Seen | None = None) -> Iterator[Event]:
    """The events of a run: of the loop, or of fitting a head where nothing else learns."""
    part = training.recipe.transfer
    scale = scale_of(prepared, training.model) if part.from_ is not None and part.unfreeze in ("head", 0) else None
    if scale is None:
        return fit(training)
    features = look(prepared.with_recipe(training.recipe), training.model, watch, seen)
    return fit_head(training, features, scale, penalty=part.penalty)


def warm(
    training: Training, prepared: Prepared, facts: dict[str, Any], watch: Watcher, seen: Seen | None = None
) -> float:
    """Fit the head before anything else learns, so that a random one does not spoil what was learnt; seconds it took.

    Kumar et al., Fine-Tuning can Distort Pretrained Features, arXiv:2202.10054. Heads that cannot be fitted to features
    stay as they are.
    """
    started = time.perf_counter()
    scale = scale_of(prepared, training.model)
    if scale is None:
        whose = "of this net needs the whole net" if prepared.task.fits_head else "is asked for more than labels"
        watch.remark(f"the head {whose}: it learns in the loop from the start")
        return 0.0
    name = facts.get("frozen", {}).get("precision", prepared.recipe.train.precision)
    features = look(prepared.with_recipe(prepared.recipe.change(precision=name)), training.model, watch, seen)
    best: dict[str, torch.Tensor] = {}
    head = training.model.get_submodule(str(training.model.head))
    rows = []
    for event in fit_head(training, features, scale, penalty=prepared.recipe.transfer.penalty):
        if isinstance(event, EpochDone):
            rows.append({key: event.row[key] for key in ("penalty", "val_loss", "val_accuracy") if key in event.row})
            if event.best:
                best = {name: value.detach().clone() for name, value in head.state_dict().items()}
    head.load_state_dict(best)
    facts["head_before"] = rows
    return time.perf_counter() - started
