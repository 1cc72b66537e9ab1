"""Classes of unequal size: how a recipe evens them out, and what a net then takes for granted about their shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.assembly.prepare import Prepared
from hubel.data.batches import batches, class_order
from hubel.data.decode import Decoded
from hubel.data.sampling import resampled, shares_of
from hubel.data.turned import TURNS, turn_batches, turned_order
from hubel.errors import DataError, UsageError
from hubel.nn.losses import LogitAdjusted
from hubel.recipes.schema import Recipe
from hubel.types import Batch
from hubel.watching import Watcher
from hubel.words import percent, plural

SHOWN = 6
"""Classes whose shares are told one by one; of more, the most and the least frequent."""


def class_weights(recipe: Recipe, labels: np.ndarray, classes: int) -> torch.Tensor | None:
    """Weights that make every class count alike: N / (K n_k), 0 for a class without training samples; None for none."""
    if recipe.loss.class_weights == "none" or not classes:
        return None
    counts = np.bincount(labels, minlength=classes)
    weights = np.where(counts > 0, len(labels) / (len(counts) * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def adjusted(loss: nn.Module, recipe: Recipe, labels: np.ndarray, classes: int) -> nn.Module:
    """The loss with the logits moved by the classes' log shares, where the recipe says so."""
    if not recipe.loss.logit_adjustment:
        return loss
    counts = np.bincount(labels, minlength=classes)
    return LogitAdjusted(loss, counts / max(1, counts.sum()), recipe.loss.logit_adjustment)


def drawn(
    recipe: Recipe,
    decoded: Decoded,
    rows: np.ndarray,
    labels: np.ndarray,
    epoch: int,
    *,
    shape: tuple[int, int] | None = None,
    **settings: Any,
) -> Iterator[Batch]:
    """The batches of an epoch, `rows` shuffled or as the recipe's sampler draws them; `settings` as for `batches`.

    With a `shape` each has so many classes, and so many samples of each (`class_batches`).
    """
    if shape is not None and recipe.augment.turned_classes:
        classes, each = shape
        order, turns, names = turned_order(
            rows, decoded.labels, classes=classes, each=each, seed=recipe.train.seed, epoch=epoch
        )
        found = batches(decoded, rows, seed=recipe.train.seed, epoch=epoch, order=order, names=names, **settings)
        return turn_batches(
            found, turns, size=classes * each, start=settings["start_step"], shard=settings["shard"],
            classes=int(decoded.labels.max()) + 1,
        )  # fmt: skip
    if shape is not None:
        order = class_order(rows, decoded.labels, classes=shape[0], each=shape[1], seed=recipe.train.seed, epoch=epoch)
        return batches(decoded, rows, seed=recipe.train.seed, epoch=epoch, order=order, **settings)
    seed, sampler = recipe.train.seed, recipe.loss.sampler
    if sampler == "none":
        return batches(decoded, rows, seed=seed, epoch=epoch, shuffle=True, **settings)
    order, names = resampled(rows, labels, sampler, seed=seed, epoch=epoch)
    return batches(decoded, order, seed=seed, epoch=epoch, names=names, **settings)


def class_batches(prepared: Prepared, rows: np.ndarray, size: int) -> tuple[int, int]:
    """Classes a batch, and samples of each: at least four samples where there are so many, of as many classes as fit.

    Raises DataError where fewer than two classes have two samples to learn from, UsageError where classes are to be
    learnt turned and cannot be.
    """
    check_turns(prepared)
    counts = np.bincount(prepared.manifest.labels[rows])
    several = int((counts > 1).sum())
    if several < 2:
        raise DataError(
            f"{plural(several, 'class')} of the training part has two pictures or more, and two are needed to learn "
            "what is near",
            hint="add pictures, or leave more of them to learn from: --test-fraction 0.1",
        )
    if prepared.recipe.augment.turned_classes:
        several *= TURNS
    classes = min(several, max(2, size // 4))
    return classes, max(2, min(size // classes, int(counts.max())))


def check_turns(prepared: Prepared) -> None:
    """Raise UsageError where classes are to be learnt turned, and pictures are not square or turned without a word."""
    recipe, seen = prepared.recipe, prepared.preprocessing
    if not recipe.augment.turned_classes:
        return
    if seen is None or seen.height != seen.width:
        what = "samples that are no pictures" if seen is None else f"{seen.height} x {seen.width} pixels"
        raise UsageError(
            f"turned classes need square pictures, got {what}",
            hint="--no-turned-classes" + ("" if seen is None else f", or --img-size {min(seen.height, seen.width)}"),
        )
    turning = [word for word in recipe.augment.augment or () if word.partition("=")[0] == "quarter-turns"]
    if turning:
        raise UsageError(
            "quarter-turns calls a turned picture one of its class, and turned classes call it one of another",
            hint="--no-turned-classes, or leave quarter-turns out of --augment",
        )


def effective_prior(recipe: Recipe, counts: np.ndarray) -> np.ndarray:
    """K: how frequent the net takes each class to be, from `counts` of the training pictures.

    Weights and a sampler train it on other shares than there are; an adjustment by τ leaves π^(1 − τ) of them.

    >>> from hubel.recipes.schema import compose
    >>> effective_prior(compose({"logit_adjustment": 0.5}), np.array([900, 100])).round(2).tolist()
    [0.75, 0.25]
    """
    prior = counts / max(1, counts.sum())
    there = counts > 0
    if recipe.loss.class_weights == "balanced":
        return shares_of(counts, "balanced")
    if recipe.loss.sampler != "none":
        return shares_of(counts, recipe.loss.sampler)
    moved = np.where(there, np.maximum(prior, 1e-12) ** (1 - recipe.loss.logit_adjustment), 0.0)
    return np.asarray(moved / max(1e-12, moved.sum()))


def tell_balance(prepared: Prepared, watch: Watcher) -> Prepared:
    """Say what classes of unequal size are evened out to, on the screen and as the reason of the setting."""
    recipe = prepared.recipe
    part = {"class_weights": "none", "sampler": "none", "logit_adjustment": 0.0}
    said = [name for name, usual in part.items() if getattr(recipe.loss, name) != usual]
    if not said or prepared.manifest.regression:
        return prepared
    names, labels = prepared.class_names, prepared.manifest.labels[prepared.ids("train")]
    counts = np.bincount(labels, minlength=len(names))
    before, after = counts / max(1, counts.sum()), effective_prior(recipe, counts)
    order = np.argsort(-counts, kind="stable")
    shown = order if len(order) <= SHOWN else np.array([order[0], order[-1]])
    shares = ", ".join(f"{names[k]} {percent(float(before[k]), 1)} as {percent(float(after[k]), 1)}" for k in shown)
    told = f"effective prior, by {said[0].replace('_', ' ')}: {shares}"
    watch.remark(told)
    return replace(prepared, chosen=prepared.chosen.change({said[0]: told}))
