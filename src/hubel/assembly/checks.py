"""What can be refused before any picture is read: names that no registry holds, settings that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from hubel import runtime
from hubel.assembly.choices import check_loss
from hubel.assembly.wire import augmentations
from hubel.data.augment import build_augment
from hubel.errors import UsageError
from hubel.models import CARDS, card, resolve
from hubel.models.files import known_as
from hubel.models.own import adopt
from hubel.nn.init import check_initialisation
from hubel.nn.optimisers import OPTIMISERS
from hubel.recipes.schema import Recipe, compose, flatten
from hubel.tasks import CLASSIFY, TASKS
from hubel.training.schedules import build_schedule

SHORT = {"rnn": "rnn_rows", "lstm": "lstm_rows", "gru": "gru_rows"}
"""What recurrent nets are called everywhere, which here read a picture row by row, too."""


def by_name(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with a name for the net: a list of layers becomes a model's options, a module or its class is made
    known for this process, and a file of nets that is named is run."""
    model = settings.get("model")
    if model is None:
        return dict(settings)
    if isinstance(model, str):
        return {**settings, "model": known_as(model if model in CARDS else SHORT.get(model, model))}
    if isinstance(model, Sequence) and not isinstance(model, nn.Module):
        name, options = resolve(model, settings.get("model_options", {}))
        return {**settings, "model": name, "model_options": options}
    if isinstance(model, nn.Module) or (isinstance(model, type) and issubclass(model, nn.Module)):
        return {**settings, "model": adopt(model)}
    raise UsageError(
        f"model must be a name, a list of layers, a torch.nn.Module or its class, got a {type(model).__name__}",
        hint="hubel models lists the names",
    )


def check_names(recipe: Recipe) -> None:
    """Raise UsageError for a name that no registry holds: before any picture is read, not after."""
    for setting in recipe.train.probe or ():
        given = flatten(recipe)[setting]
        if given is not None:
            flag = f"--{setting.replace('_', '-')}"
            raise UsageError(f"{setting} is given ({given}) and to be probed", hint=f"leave out {flag} or --probe")
    name = recipe.model.model
    if name is not None:
        _check_task(name, recipe.train.task)
    if recipe.optimizer.optimizer is not None:
        settings = OPTIMISERS.get(recipe.optimizer.optimizer).settings
        if recipe.optimizer.momentum is not None and "momentum" not in settings:
            having = ", ".join(name for name in OPTIMISERS.names() if "momentum" in OPTIMISERS.get(name).settings)
            raise UsageError(
                f"{recipe.optimizer.optimizer!r} has no momentum of its own to set",
                hint=f"leave --momentum out, or take one of {having}",
            )
        if recipe.optimizer.betas is not None and "betas" not in settings:
            having = ", ".join(name for name in OPTIMISERS.names() if "betas" in OPTIMISERS.get(name).settings)
            raise UsageError(
                f"betas are the decay rates of two moments, and {recipe.optimizer.optimizer!r} keeps no two",
                hint=f"leave --betas out, or take one of {having}",
            )
    _check_taught(recipe)
    check_pretext(recipe)
    if recipe.model.initialise is not None:
        check_initialisation(recipe.model.initialise, recipe.model.initialise_options)
    check_loss(recipe)
    if recipe.schedule.schedule is not None:
        build_schedule(recipe.schedule.schedule, total_steps=10, **recipe.schedule.schedule_options)
    build_augment(augmentations(recipe))
    runtime.pick_device(recipe.train.device)


def _check_taught(recipe: Recipe) -> None:
    """Raise UsageError for what is said of a teacher's answers where there is no teacher."""
    part = recipe.distillation
    alone = [name for name in ("teacher_sha256", "temperature", "teacher_weight") if getattr(part, name) is not None]
    if alone and part.teacher is None:
        raise UsageError(
            f"{alone[0]} needs a teacher", hint=f"--teacher RUN, or leave --{alone[0].replace('_', '-')} out"
        )


def check_pretext(recipe: Recipe) -> None:
    """Raise UsageError for settings that have no meaning without labels, or would be without effect.

    >>> from hubel.recipes.schema import compose
    >>> check_pretext(compose({"method": "rotation", "mixup": 0.2}))
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: mixup needs labels, and hubel pretrain learns without
      leave --mixup out, or use hubel train
    """
    part, given = recipe.pretext, flatten(recipe)
    if part.method is None:
        idle = next((name for name in ("probe_data", "target_decay") if given[name] is not None), None)
        if idle:
            raise UsageError(f"{idle} is for learning without labels", hint="hubel pretrain does, or leave it out")
        return
    usual = flatten(compose({}))
    idle = next((name for name in NEED_LABELS if given[name] != usual[name]), None)
    if idle:
        flag = f"--{idle.rstrip('_').replace('_', '-')}"
        raise UsageError(
            f"{idle.rstrip('_')} needs labels, and hubel pretrain learns without",
            hint=f"leave {flag} out, or use hubel train",
        )
    words = {word.partition("=")[0] for word in recipe.augment.augment or ()}
    wrong = sorted(words & TURNING) if part.method == "rotation" else []
    if wrong:
        raise UsageError(
            f"{wrong[0]} turns pictures or stands them on their heads, and which way up they are is to be learnt",
            hint=f"leave {wrong[0]} out of --augment, or take --method byol",
        )
    if part.method == "rotation" and part.target_decay is not None:
        raise UsageError("rotation has no copy that follows", hint="leave --target-decay out, or take --method byol")
    if part.method == "byol" and recipe.train.compile:
        raise UsageError(
            "byol reads features where they enter the head, which a compiled net does not show",
            hint="leave --compile out, or take --method rotation",
        )


NEED_LABELS = (
    "from_", "pretrained", "loss", "label_smoothing", "class_weights", "sampler", "logit_adjustment", "jsd",
    "mixup", "cutmix", "turned_classes", "views", "unfreeze", "head",
    "penalty", "feature_views", "teacher", "teacher_sha256", "temperature", "teacher_weight",
    "task",
)  # fmt: skip
"""Settings that mean nothing where no labels are learnt."""
TURNING = {"quarter-turns", "vertical-flip", "trivial", "strong"}
"""Augmentations after which nobody could say how a picture stood."""


def _check_task(model: str, task: str | None) -> None:
    """Raise UnknownName, and UsageError for a net of which parts would never learn from classes."""
    known = card(model)
    if known.task != CLASSIFY.name and task not in (None, known.task):
        raise UsageError(
            f"{model} needs the task {known.task}, and {task} is asked for: parts of it would never learn",
            hint=f"leave --task out, or take another net: {TASKS.get(task).nets}",
        )
