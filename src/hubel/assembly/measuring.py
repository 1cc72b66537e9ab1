"""The numbers of an epoch: a net on held-out samples, in the arithmetic of the training, shared out over processes; and
where what it says of its training samples is summed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from hubel.assembly.prepare import Prepared
from hubel.assembly.together import share_statistics
from hubel.data.batches import batches, reading_size
from hubel.nn.modes import evaluating
from hubel.recipes.schema import Recipe
from hubel.runtime import average, rank, world
from hubel.tasks import Task
from hubel.training.dynamics import Dynamics
from hubel.training.loop import forward_precision


def measure(model: nn.Module, prepared: Prepared, name: str, device: torch.device) -> dict[str, float]:
    """The numbers of the task on a split, for every epoch. {} if the split is empty."""
    rows = prepared.splits.ids(name)
    if not len(rows):
        return {}
    mine = rows[rank() :: world()]
    share_statistics(model)
    reading = batches(
        prepared.decoded, mine, preprocessing=prepared.preprocessing, batch_size=reading_size(prepared.decoded),
        device=device,
        channels_last=prepared.recipe.train.channels_last,
    )  # fmt: skip
    if not len(mine):  # fewer samples than processes: this one only listens
        return {f"{name}_{key}": value for key, value in average(prepared.task.nothing(), 0, device).items()}
    tally = prepared.task.tally()
    forward = in_precision(prepared.task.answering(model), prepared.recipe, device)
    with evaluating(model), torch.inference_mode():
        for batch in reading:
            tally.add(forward(batch.images), batch)
    numbers = tally.numbers()
    return {f"{name}_{key}": value for key, value in average(numbers, len(mine), device).items()}


def in_precision(model: nn.Module, recipe: Recipe, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """The forward pass in the arithmetic of the training: the numbers of an epoch cost no more than they must."""
    precision = forward_precision(recipe.train.precision, device)
    if precision == torch.float32:
        return model
    return torch.autocast(device.type, dtype=precision)(model)


def followed(recipe: Recipe, prepared: Prepared, task: Task, steps: int, device: torch.device) -> Dynamics | None:
    """Where to sum what the net says of its samples; None where they have no classes of their own, or too many, and
    where several processes learn, of which each sees a part."""
    samples, classes = len(prepared.manifest), prepared.manifest.num_classes
    own = task.counts and recipe.pretext.method is None
    if not own or world() > 1 or not Dynamics.fits(samples, classes):
        return None
    return Dynamics(samples, classes, epochs=recipe.train.epochs or 1, steps_per_epoch=steps, device=device)
