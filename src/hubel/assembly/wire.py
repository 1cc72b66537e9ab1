"""Model, optimiser, schedule, loss and batches, wired together as a recipe says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.assembly.balance import adjusted, class_batches, class_weights, drawn
from hubel.assembly.forms import FORMS, formed, held_together, varied_by
from hubel.assembly.measuring import followed, measure
from hubel.assembly.prepare import Prepared
from hubel.assembly.pretext import feed
from hubel.assembly.transfer.plan import freezing
from hubel.nn.layout import arrange
from hubel.nn.losses import Distillation, one_hot, softened
from hubel.nn.optimisers import OPTIMISERS, build_optimiser
from hubel.recipes.schema import Recipe
from hubel.runtime import rank, world
from hubel.tasks import REPRESENT
from hubel.training.loop import Training
from hubel.training.objectives import Learner, MeanLoss
from hubel.training.schedules import build_schedule
from hubel.training.step import check_parts
from hubel.training.teaching import Handout
from hubel.types import Batch

MOST_EPOCHS = 1 << 30
"""An epoch so late that everything that ever learns is learning."""


def assemble(recipe: Recipe, prepared: Prepared, model: nn.Module) -> Training:
    """Model, optimiser, schedule, loss and batches, wired together as the recipe says."""
    device = runtime.pick_device(recipe.train.device)
    layout = torch.channels_last if recipe.train.channels_last and prepared.preprocessing else torch.contiguous_format
    model = arrange(model.to(device), layout)
    rows = prepared.ids("train")
    # Of a batch of turned pictures every fourth is another picture.
    size = max(1, batch_size(recipe, prepared.samples) // prepared.turns)
    shape = class_batches(prepared, rows, size) if prepared.task.by_class else None
    size = size if shape is None else shape[0] * shape[1]
    steps = max(1, len(rows) // size)
    assert recipe.optimizer.optimizer is not None, "defaults have chosen"
    assert recipe.optimizer.lr is not None
    assert recipe.schedule.schedule is not None
    freeze = freezing(recipe)
    if freeze is not None:
        freeze(model, MOST_EPOCHS)  # what never learns is none of the optimiser's business
    objective = feed.objective_of(recipe, prepared, model, steps * (recipe.train.epochs or 1))
    optimiser = build_optimiser(
        recipe.optimizer.optimizer,
        model if objective is None else Learner(model, objective),
        lr=recipe.optimizer.lr,
        weight_decay=recipe.optimizer.weight_decay or 0.0,
        layer_decay=recipe.optimizer.layer_decay or 1.0,
        momentum=momentum(recipe),
        betas=recipe.optimizer.betas,
    )
    total = steps * (recipe.train.epochs or 1)
    schedule = build_schedule(
        recipe.schedule.schedule,
        total_steps=total,
        steps_per_epoch=steps,
        warmup_steps=min(total - 1, round(steps * (recipe.schedule.warmup_epochs or 0.0))),
        **recipe.schedule.schedule_options,
    )
    labels, classes = prepared.manifest.labels[rows], prepared.manifest.num_classes
    loss: nn.Module = MeanLoss()
    if objective is None:
        assert recipe.loss.loss is not None, "defaults have chosen"
        loss = prepared.task.build_loss(
            recipe.loss.loss,
            label_smoothing=recipe.loss.label_smoothing or 0.0,
            class_weights=class_weights(recipe, labels, classes),
        )
        loss = adjusted(loss, recipe, labels, classes).to(device)
    loss, answers = taught(loss, recipe, prepared, rows, device)
    forms = FORMS if recipe.loss.jsd else 1
    loss = held_together(loss, recipe, model).to(device)
    hand_out = None if answers is None else Handout(answers, rows, device)
    augment, vary = varied_by(augmentations(recipe), forms)
    along = augment.masks if augment.steps and prepared.manifest.masks is not None else None
    seed = recipe.train.seed

    def training_batches(epoch: int, start: int) -> Iterator[Batch]:
        found = drawn(
            recipe, prepared.decoded, rows, labels, epoch, preprocessing=prepared.preprocessing, batch_size=size,
            augment=vary, along=along, device=device,
            channels_last=recipe.train.channels_last, drop_last=True, start_step=start, shard=(rank(), world()),
            shape=shape,
        )  # fmt: skip
        for batch in formed(found) if forms > 1 else found:
            told = None if hand_out is None else hand_out(batch.ids)
            if not augment.mixes:
                yield batch if told is None else replace(batch, answers=told)
                continue
            targets = batch.labels if told is None else torch.cat([one_hot(batch.labels, told), told], dim=1)
            images, soft = augment.mix(batch.images, targets, classes, batch.ids, seed=seed, epoch=epoch)
            told = None if told is None else soft[:, classes:]
            yield replace(batch, images=images, soft_labels=soft[:, :classes], answers=told)

    task = prepared.task if objective is None else REPRESENT
    feeder: feed.Feeder = training_batches
    reader: feed.Reader = partial(measure, prepared=prepared, name="val", device=device)
    if recipe.pretext.method is not None:
        feeder, reader = feed.wired(recipe, prepared, rows, size, augment, objective, device)
    training = Training(
        recipe=recipe,
        model=model,
        optimiser=optimiser,
        schedule=schedule,
        loss=loss,
        batches=feeder,
        steps_per_epoch=steps,
        measure=reader,
        device=device,
        task=task,
        objective=objective,
        forms=forms,
        freeze=freeze,
        answers=answers,
        dynamics=None if augment.mixes else followed(recipe, prepared, task, steps, device),
    )
    check_parts(training, size, torch.zeros(1, *prepared.decoded.images.shape[1:]))
    return training


def taught(
    loss: nn.Module, recipe: Recipe, prepared: Prepared, rows: np.ndarray, device: torch.device
) -> tuple[nn.Module, torch.Tensor | None]:
    """The loss with a teacher's part in it, and its softened answers (N K, on the CPU) to the samples `rows`."""
    if prepared.lesson is None:
        return loss, None
    temperature, share = recipe.distillation.temperature, recipe.distillation.teacher_weight
    assert temperature is not None, "defaults have chosen"
    assert share is not None
    said = prepared.lesson.answers(recipe, rows, device)
    return Distillation(temperature, share, hard=loss).to(device), softened(said.logits, temperature)


def batch_size(recipe: Recipe, samples: int) -> int:
    """Samples a step: as asked, but never more than there are."""
    wanted = recipe.train.batch_size
    return samples if wanted == "full" or wanted is None else min(wanted, samples)


def augmentations(recipe: Recipe) -> tuple[str, ...]:
    """The chain of augmentations, mix-up and cut-mix last."""
    part = recipe.augment
    mixing = [f"{name}={alpha:g}" for name, alpha in (("mixup", part.mixup), ("cutmix", part.cutmix)) if alpha]
    chain = [word for word in part.augment or () if word != "none"] + mixing
    return tuple(chain) or ("none",)


def momentum(recipe: Recipe) -> float | None:
    """The momentum of the recipe, for optimisers that take one; None elsewhere."""
    takes = "momentum" in OPTIMISERS.get(recipe.optimizer.optimizer or "").settings
    return recipe.optimizer.momentum if takes else None
