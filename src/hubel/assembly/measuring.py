"""The numbers of an epoch: a net on held-out samples, in the arithmetic of the training, shared out over processes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from hubel.assembly.prepare import Prepared
from hubel.assembly.together import share_statistics
from hubel.data.batches import batches, reading_size
from hubel.inference import predict
from hubel.metrics.classification import top_k
from hubel.metrics.probability import log_loss
from hubel.recipes.schema import Recipe
from hubel.runtime import average, rank, world
from hubel.training.loop import forward_precision


def measure(model: nn.Module, prepared: Prepared, name: str, device: torch.device) -> dict[str, float]:
    """Loss and accuracy (or squared error) on a split, for every epoch. {} if the split is empty."""
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
        numbers = dict.fromkeys(("loss",) if prepared.manifest.regression else ("loss", "accuracy"), 0.0)
        return {f"{name}_{key}": value for key, value in average(numbers, 0, device).items()}
    found = predict(model, reading, forward=in_precision(model, prepared.recipe, device))
    logits, labels = found.logits, found.labels
    if prepared.manifest.regression:
        numbers = {"loss": float(np.square(logits[:, 0] - labels).mean())}
    else:
        numbers = {"loss": log_loss(logits, labels), "accuracy": top_k(logits, labels, 1)}
    return {f"{name}_{key}": value for key, value in average(numbers, len(mine), device).items()}


def in_precision(model: nn.Module, recipe: Recipe, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """The forward pass in the arithmetic of the training: the numbers of an epoch cost no more than they must."""
    precision = forward_precision(recipe.train.precision, device)
    if precision == torch.float32:
        return model
    return torch.autocast(device.type, dtype=precision)(model)
