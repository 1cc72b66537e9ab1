"""Which task a recipe means: as it says, else by its net, its loss and its data; and what has no use in it.

>>> from hubel.recipes.schema import compose
>>> asked(Chosen(recipe=compose({"data": "photos", "model": "autoencoder"}))).reasons["task"]
'autoencoder learns by nothing else'
"""

from __future__ import annotations

from hubel.data.augment import build_augment, check_moves_masks
from hubel.data.lists import in_lists
from hubel.data.manifest import Manifest
from hubel.errors import UsageError
from hubel.models import CARDS
from hubel.nn.losses import LOSSES
from hubel.recipes.chosen import Chosen
from hubel.recipes.schema import NOTHING, Recipe, compose, flatten
from hubel.records.own_data import MASKED
from hubel.runtime import world
from hubel.tasks import CLASSIFY, REGRESS, TASKS, Task

__all__ = ["Task", "asked", "by_data", "check_settings", "settled", "task_of"]

CLASSES_ONLY = (
    "pretrained", "teacher", "teacher_sha256", "temperature", "teacher_weight", "label_smoothing", "class_weights",
    "mixup", "cutmix", "views", "sampler", "logit_adjustment", "jsd", "baseline",
)  # fmt: skip
"""Settings that mean something only where labels are learnt."""
STARTED = ("from_", "from_sha256", "compare_start", "unfreeze")
"""Settings of a net that starts from a trained one."""
FITTED = ("penalty", "feature_views")
"""Settings of a head that is fitted to what a frozen net sees."""


def asked(begun: Chosen) -> Chosen:
    """With the task that net or loss alone decide about, before any data are read; as it is where they do not."""
    recipe = begun.recipe
    if recipe.train.task is not None or recipe.pretext.method is not None:
        return begun
    name, loss = recipe.model.model or "", recipe.loss.loss
    known = CARDS.get(name) if name in CARDS else None
    if known is not None and known.task != CLASSIFY.name:
        return begun.take(f"{name} learns by nothing else", task=known.task)
    if loss is not None and LOSSES.get(loss).task:
        return begun.take(f"the loss {loss} is made for it", task=LOSSES.get(loss).task)
    return begun


def settled(begun: Chosen, manifest: Manifest) -> Chosen:
    """With the task, chosen from the data where it is open. Raises DataError for data that do not fit it, UsageError
    for settings that would be without effect.
    """
    begun = asked(begun)
    if begun.recipe.pretext.method is not None:
        return begun
    again = begun.recipe.train.task is None  # then data may have to be opened anew, as their task reads them
    if again:
        task, why = by_data(manifest)
        begun = begun.take(why, task=task.name)
    task = task_of(begun.recipe, manifest)
    begun = _with_net(begun, task)
    if not again:
        task.check_data(manifest)
    check_settings(begun.recipe, task)
    if task.name in MASKED:
        check_moves_masks(build_augment(begun.recipe.augment.augment or "none"))
    if task.learns_all:
        begun = begun.take("every sample is learnt", val_fraction=0.0, test_fraction=0.0)
    return begun


def _with_net(begun: Chosen, task: Task) -> Chosen:
    """With the net of the task where none is named, and with one that is as the backbone of what the task needs."""
    name = begun.recipe.model.model
    if name is None and task.model:
        return begun.take(task.why_model, model=task.model)
    if not task.wraps or name in (None, task.wraps) or name not in CARDS:
        return begun
    if begun.recipe.model.model_options:
        raise UsageError(
            f"the task {task.name} puts {name} under {task.wraps}, and then it takes no options",
            hint=f"--model {task.wraps} --model-option backbone={name}, or leave --model-option out",
        )
    return begun.take(f"{task.wraps} around {name}", model=task.wraps, model_options={"backbone": name})


def by_data(manifest: Manifest) -> tuple[Task, str]:
    """The task that data ask for, and why."""
    if manifest.masks is not None:
        return TASKS.get("segment"), "every picture has a mask"
    listed = in_lists(manifest)
    if listed is not None:
        return TASKS.get("multilabel"), f"labels are lists, such as {listed}"
    if manifest.regression:
        return REGRESS, "the target is a number"
    return CLASSIFY, "every sample has a class"


def task_of(recipe: Recipe, manifest: Manifest) -> Task:
    """The task of a recipe; of one that says none (an older run, one that learns without labels) what its data ask."""
    name = recipe.train.task
    return TASKS.get(name) if name is not None else REGRESS if manifest.regression else CLASSIFY


def check_settings(recipe: Recipe, task: Task) -> None:
    """Raise UsageError for settings that would be without effect in this task, and for several processes where it is
    not made for them.
    """
    given, usual = flatten(recipe), flatten(compose({}))
    idle = {} if task.labels else dict.fromkeys(CLASSES_ONLY, "which is for classes and numbers")
    if not task.fits_head:
        idle |= dict.fromkeys(FITTED, "since no head is fitted to what a frozen net sees of a whole picture")
    if task.wraps:
        idle["head"] = f"since {task.wraps} has an embedding in the place of a head"
    if task.unstarted:
        idle |= dict.fromkeys(STARTED, task.unstarted)
    if not task.by_class:
        idle["turned_classes"] = "whose classes are what is learnt" if task.labels else "which learns no classes"
    for name, why in (idle | {name: why for name, (_, why) in task.unused.items()}).items():
        fine = (usual[name], *((NOTHING,) if name == "from_" else ()), *_off(name))
        if given[name] not in fine:
            flag = f"--{name.rstrip('_').replace('_', '-')}"
            raise UsageError(f"the task {task.name} has no use for {name.rstrip('_')}, {why}", hint=f"leave {flag} out")
    if recipe.train.target is not None and not task.score:
        raise UsageError(
            f"target is a score to reach, and the task {task.name} has none but its loss", hint="leave --target out"
        )
    if world() > 1 and not task.shared:
        raise UsageError(f"the task {task.name} takes one process, got {world()}", hint="leave torchrun or --on out")


def _off(name: str) -> tuple[object, ...]:
    """Values by which a setting says that it is off."""
    if name in ("label_smoothing", "mixup", "cutmix", "val_fraction", "test_fraction"):
        return (0.0,)
    return {"views": ("none",), "turned_classes": (False,), "baseline": (False,)}.get(name, ())
