"""Batches and measurements of a training without labels: pictures in four turns, or two views of each.

Rotation: every picture of a batch comes in all four turns (Gidaris et al., arXiv:1803.07728, section 3.1.1: all at
once learn better than one by lot), after it was varied, since a mirror image of a turned picture is turned otherwise.
Byol: two views of each picture, drawn as augmentation is anywhere, from (seed, epoch, sample).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from hubel.assembly.prepare import Prepared
from hubel.data.augment import Augment
from hubel.data.batches import batches, reading_size
from hubel.data.unlabelled import some_of
from hubel.inference import predict
from hubel.metrics.classification import top_k
from hubel.metrics.probability import log_loss
from hubel.nn.modes import evaluating
from hubel.recipes.schema import Recipe
from hubel.runtime import average, mix, rank, world
from hubel.training.objectives import Byol, Learner, Objective, found_again, represented, spread, usual_decay
from hubel.types import Batch

Feeder = Callable[[int, int], Iterator[Batch]]
"""(epoch, first step) -> batches."""
Reader = Callable[[nn.Module], dict[str, float]]
"""Model -> numbers of an epoch."""
SEARCHED = 1_000
"""Validation pictures at most among which a picture's other view is looked for: the number says how hard that is."""


def objective_of(recipe: Recipe, prepared: Prepared, model: nn.Module, updates: int) -> Objective | None:
    """What is minimised besides a loss of logits, for the net on its device; None where that is all.

    `updates`: of the whole run, by which the copy follows where the recipe leaves that open.
    """
    if recipe.pretext.method != "byol":
        return None
    device = next(model.parameters()).device
    image = torch.zeros(1, *prepared.decoded.images.shape[1:], device=device)
    decay = recipe.pretext.target_decay
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(recipe.train.seed, 1) % (1 << 62))  # its layers are a function of the seed
        return Byol(model, image, usual_decay(updates) if decay is None else decay)


def in_four_turns(found: Iterator[Batch]) -> Iterator[Batch]:
    """Each picture of a batch B in all four turns, one after the other: 4B, labelled by the turn."""
    for batch in found:
        images = torch.stack([batch.images.rot90(turn, (2, 3)) for turn in range(4)], dim=1).flatten(0, 1)
        labels = torch.arange(4, device=batch.labels.device).repeat(len(batch))
        yield Batch(images, labels, batch.ids.repeat_interleave(4))


def in_pairs(augment: Augment) -> Callable[..., torch.Tensor]:
    """An augmentation that answers with two views of each image: B C H W -> 2B C H W, those of one side by side."""

    def views(images: torch.Tensor, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        both = [augment(images, ids, seed=seed, epoch=2 * epoch + view) for view in (0, 1)]
        return torch.stack(both, dim=1).flatten(0, 1)

    return views


def paired(found: Iterator[Batch]) -> Iterator[Batch]:
    """Batches of 2B images that belong to B samples as images B 2 C H W."""
    for batch in found:
        yield replace(batch, images=batch.images.unflatten(0, (len(batch), 2)))


def training_batches(
    recipe: Recipe, prepared: Prepared, rows: np.ndarray, size: int, augment: Augment, device: torch.device
) -> Callable[[int, int], Iterator[Batch]]:
    """(epoch, first step) -> batches of `size` pictures, as the method wants them."""
    byol = recipe.pretext.method == "byol"
    vary = in_pairs(augment) if byol else augment if augment.steps else None

    def make(epoch: int, start: int) -> Iterator[Batch]:
        found = batches(
            prepared.decoded, rows, preprocessing=prepared.preprocessing, batch_size=size, seed=recipe.train.seed,
            epoch=epoch, shuffle=True, augment=vary, device=device, channels_last=recipe.train.channels_last,
            drop_last=True, start_step=start, shard=(rank(), world()),
        )  # fmt: skip
        return paired(found) if byol else in_four_turns(found)

    return make


def wired(
    recipe: Recipe,
    prepared: Prepared,
    rows: np.ndarray,
    size: int,
    augment: Augment,
    objective: Objective | None,
    device: torch.device,
) -> tuple[Feeder, Reader]:
    """What feeds a training without labels with `size` pictures a step, and what measures its net."""
    feeder = training_batches(recipe, prepared, rows, size, augment, device)
    if isinstance(objective, Byol):
        views = partial(measure_views, objective=objective, prepared=prepared, augment=augment, device=device)
        return feeder, views
    return feeder, partial(measure_turns, prepared=prepared, device=device)


def measure_turns(model: nn.Module, prepared: Prepared, device: torch.device) -> dict[str, float]:
    """Loss and accuracy of telling the turns of the validation pictures; {} where none are held out."""
    mine = prepared.splits.val[rank() :: world()]
    if not len(prepared.splits.val):
        return {}
    numbers = {"loss": 0.0, "accuracy": 0.0}
    if len(mine):
        size = max(1, reading_size(prepared.decoded) // 4)
        reading = batches(
            prepared.decoded, mine, preprocessing=prepared.preprocessing, batch_size=size, device=device,
            channels_last=prepared.recipe.train.channels_last,
        )  # fmt: skip
        found = predict(model, in_four_turns(reading))
        numbers = {"loss": log_loss(found.logits, found.labels), "accuracy": top_k(found.logits, found.labels, 1)}
    return {f"val_{name}": value for name, value in average(numbers, len(mine), device).items()}


def measure_views(
    model: nn.Module, objective: Byol, prepared: Prepared, augment: Augment, device: torch.device
) -> dict[str, float]:
    """Loss between two views of held-out pictures, how many are found again by the other view, and how far features
    spread. The views are the same in every epoch. Without a validation part the spread of training pictures alone.
    """
    recipe, val = prepared.recipe, prepared.splits.val
    pool = val if len(val) else prepared.ids("train")
    rows = some_of(pool, SEARCHED, seed=recipe.data.split_seed)[rank() :: world()]
    reading = batches(
        prepared.decoded, rows, preprocessing=prepared.preprocessing, seed=recipe.data.split_seed,
        batch_size=max(1, reading_size(prepared.decoded) // 2), augment=in_pairs(augment), device=device,
        channels_last=recipe.train.channels_last,
    )  # fmt: skip
    losses, firsts, seconds, projected = [], [], [], []
    learner = Learner(model, objective)
    with evaluating(learner), torch.no_grad():
        for batch in paired(reading):
            losses.append(learner(batch.images).cpu())
            first, second = (represented(model, batch.images[:, view]).float() for view in (0, 1))
            projected.append(objective.projector(first).cpu())
            firsts.append(first.cpu())
            seconds.append(second.cpu())
    numbers = {"val_loss": 0.0, "val_accuracy": 0.0, "spread": 0.0}
    if losses:
        numbers = {
            "val_loss": float(torch.cat(losses).mean()),
            "val_accuracy": found_again(torch.cat(firsts), torch.cat(seconds)),
            "spread": spread(torch.cat(projected)),
        }
    found = average(numbers, len(rows), device)
    return found if len(val) else {"spread": found["spread"]}
