"""What a recipe leaves open is chosen here from the data, and each choice says why. No other module guesses.

Most numbers are common values, scaled with the data; those for the digits were compared on validation splits
(docs/training.md tells how). A test split was never looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from hubel.assembly.by_task import by_task
from hubel.assembly.forms import check_forms
from hubel.data.augment import mirrors
from hubel.data.mirrors import Mirrors
from hubel.errors import UsageError
from hubel.models import CARDS
from hubel.nn.losses import LOSSES, build_loss
from hubel.nn.optimisers import OPTIMISERS
from hubel.recipes.chosen import Chosen
from hubel.recipes.presets import LONGER, preset_settings
from hubel.recipes.schema import Recipe, flatten
from hubel.records.own_data import ONE_PICTURE
from hubel.tasks import TASKS
from hubel.words import plural


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the choices depend on."""

    kind: Literal["images", "points"]
    task: str
    """By name (`hubel.tasks`)."""
    samples: int
    """Training samples."""
    classes: int
    side: int
    """The smaller side of what the net sees, in pixels; 0 for points."""
    channels: int
    """Channels of what the net sees; features for points."""
    accelerator: bool
    """Is there a GPU?"""
    sides: int = 0
    """Of points that are more than a row of numbers: 2 for signals, 3 for volumes."""
    reused: bool = False
    """Does the run start from a trained net?"""
    method: str = ""
    """What is learnt without labels, rotation or byol; "" where labels are."""
    mirrors: Mirrors | None = None
    """What mirror images of pictures in colour would do, where that was asked."""


# A validation split of so many pictures knows an accuracy of 90 % to 0.6 points; of each class at least so many.
VALIDATION, VALIDATION_PER_CLASS = 2_500, 25
# Samples a run sees in all (CIFAR-10 decided: eighteen epochs), less of grey pictures, which hold less to learn, and
# if the net was trained before; and the bounds on epochs around it.
SEEN, GREY_SEEN, REUSED_SEEN = 860_000, 540_000, 135_000
TWICE_SEEN = 2_000
"""Training samples below which a frozen net looks at mirror images too."""
FEWEST_EPOCHS, MOST_EPOCHS = 8, 40
FEW_STEPS, STEPS, SMALL_BATCH = 300, 500, 128
"""On a CPU, where small batches are as fast, a training that would make fewer than so many steps takes batches so small
that it makes the second number of them, or the third in a batch (docs/training.md has what was compared)."""
# Up to this side, in pixels, a trained net looks at every picture six times.
MANY_VIEWS = 64


_WIDER = {
    2: ("signal_fcn", "convolutions over time, for signals of any length"),
    3: ("voxnet", "convolutions in three directions"),
}
"""By the sides of a sample: the net for signals, and for volumes."""
TAUGHT: tuple[tuple[str, Any, str], ...] = (
    ("temperature", 4.0, "2.5 to 4 serve a small net best (Hinton et al., arXiv:1503.02531, section 3)"),
    ("teacher_weight", 0.9, "labels serve best with a much lower weight than the teacher's answers (section 2)"),
    ("label_smoothing", 0.0, "the teacher's answers are soft labels already"),
)
"""Settings of a run with a teacher."""


def complete(begun: Chosen, facts: Facts) -> Chosen:
    """The recipe with every open setting chosen, and the reason for each choice by setting name.

    >>> from hubel.recipes.schema import compose
    >>> digits = Facts(kind="images", task="classify", samples=1437, classes=10, side=8, channels=1,
    ...                accelerator=False)
    >>> full = complete(Chosen(recipe=compose({"data": "digits", "lr": 0.01})), digits)
    >>> full.recipe.model.model, full.recipe.train.epochs, full.recipe.optimizer.lr
    ('quicknet', 40, 0.01)
    >>> full.reasons["model"]
    'fast, and accurate from scratch'
    """
    recipe = begun.recipe
    chosen: dict[str, Any] = {}
    reasons: dict[str, str] = {}

    def choose(setting: str, present: Any, value: Any, reason: str) -> Any:
        if present is not None:
            return present
        chosen[setting], reasons[setting] = value, reason
        return value

    if facts.reused:
        for setting, value, reason in _reused(recipe, facts):
            choose(setting, flatten(recipe)[setting], value, reason)
        recipe = recipe.change(**chosen)
    for setting, value, reason in _without_labels(recipe, facts):
        choose(setting, flatten(recipe)[setting], value, reason)
    for setting, value, reason in by_task(
        recipe, facts.task, samples=facts.samples, side=facts.side, channels=facts.channels, classes=facts.classes,
        mirrors=facts.mirrors,
    ):  # fmt: skip
        if flatten(recipe)[setting] in (None, {}):
            choose(setting, None, value, reason)
    recipe = recipe.change(**chosen)
    preset = recipe.train.preset or "fast"
    given = flatten(recipe)
    from_preset, why = (
        ({}, "") if facts.kind == "points" else preset_settings(preset, model=given["model"], side=facts.side)
    )
    erase = from_preset.pop("erase", None)
    for setting, value in from_preset.items():
        rule = given["optimizer"] or chosen.get("optimizer")
        if setting == "momentum" and rule and "momentum" not in OPTIMISERS.get(rule).settings:
            continue  # another optimiser was asked for than the paper's
        if given[setting] in (None, {}):
            choose(setting, None, value, why)
    recipe = recipe.change(**chosen)

    train, n = recipe.train, facts.samples
    if facts.kind == "images":
        model = choose("model", recipe.model.model, "quicknet", "fast, and accurate from scratch")
    elif facts.sides:
        choose("model", recipe.model.model, *_WIDER[facts.sides])
        choose("optimizer", recipe.optimizer.optimizer, "adamw", "works untuned on small nets")
        choose("lr", recipe.optimizer.lr, 0.002, "usual for adamw on small convolutional nets")
        choose("batch_size", train.batch_size, min(n, 32, max(8, n // 20)), "few samples of many numbers each")
        choose("epochs", train.epochs, min(100, max(10, 20_000 // max(1, n))), "about 20,000 samples seen in all")
    else:
        choose("model", recipe.model.model, "mlp", "the data are points, not pictures")
    recipe = recipe.change(**chosen)
    train = recipe.train
    if facts.kind == "points":
        choose("optimizer", recipe.optimizer.optimizer, "adamw", "works untuned on small nets")
        choose("lr", recipe.optimizer.lr, 0.01, "usual for adamw on small nets")
        choose("batch_size", train.batch_size, min(32, n), "few samples")
        choose("epochs", train.epochs, 100, "each takes a moment")
    else:
        seen = GREY_SEEN if facts.channels == 1 else SEEN
        epochs = choose("epochs", train.epochs, *_epochs(n, seen, LONGER.get(preset, 1)))
        batch = choose("batch_size", train.batch_size, *_batch_size(facts, epochs, model))
        optimizer = choose("optimizer", recipe.optimizer.optimizer, *_rule(model))
        size = n if batch == "full" else min(batch, n)
        choose("lr", recipe.optimizer.lr, *usual_rate(optimizer, size))
    rule = chosen.get("optimizer") or recipe.optimizer.optimizer or ""
    choose("weight_decay", recipe.optimizer.weight_decay, *_decay(rule))
    choose("schedule", recipe.schedule.schedule, *_schedule(rule))
    choose("warmup_epochs", recipe.schedule.warmup_epochs, 0.0, "one-cycle has its own; others start at the full rate")
    choose("ema", recipe.optimizer.ema, 0.0, "the schedule anneals to nought, which averages already")
    check_loss(recipe, facts.task, facts.classes)
    if recipe.distillation.teacher is not None:
        for setting, value, reason in TAUGHT:
            choose(setting, flatten(recipe)[setting], value, reason)
        recipe = recipe.change(**chosen)
    if facts.kind == "points":
        _check_points(recipe)
    if facts.task == "regress":
        choose("loss", recipe.loss.loss, "mse", "the target is a number")
        choose("label_smoothing", recipe.loss.label_smoothing, 0.0, "labels are numbers")
    else:
        name = recipe.loss.loss or "cross-entropy"
        if facts.method != "byol":
            choose("loss", recipe.loss.loss, name, "the target is a class")
        choose("label_smoothing", recipe.loss.label_smoothing, *_smoothing(facts, name))
    augment = choose("augment", recipe.augment.augment, *_augment(facts, erase))
    if recipe.augment.robust and not any(word.partition("=")[0] == "augmix" for word in augment):
        mixed, why = _mixed(facts)
        augment = (*(word for word in augment if word != "none"), mixed)
        chosen["augment"], reasons["augment"] = augment, f"{reasons.get('augment', 'as was said')}; {why}"
    check_forms(recipe.change(augment=augment), facts.task)
    choose("views", recipe.augment.views, *_views(facts, augment))
    if facts.reused and TASKS.get(facts.task).fits_head:
        choose("feature_views", recipe.transfer.feature_views, *_feature_views(facts, augment))
    if not facts.reused:
        choose("layer_decay", recipe.optimizer.layer_decay, 1.0, "every layer starts from nothing")
    return begun.change(reasons, **chosen)


def _reused(recipe: Recipe, facts: Facts) -> list[tuple[str, Any, str]]:
    """Settings of a run that starts from a trained net: a gentler rule, a lower rate, fewer epochs."""
    epochs = min(20, max(3, round(REUSED_SEEN / max(facts.samples, 1))))
    size = recipe.train.batch_size or _batch_size(facts, recipe.train.epochs or epochs)[0]
    batch = facts.samples if size == "full" else int(size)
    rule = recipe.optimizer.optimizer or "adamw"
    usual = usual_rate(rule, batch)[0]
    rate = (round(usual / 3, 7), "a third of the usual rate, so that what was learnt is not lost")
    if not TASKS.get(facts.task).fits_head:
        rate = usual, "the usual rate, which a head needs that nothing was fitted for; the stages learn at lower ones"
    return [
        ("optimizer", rule, "gentle with weights that are good already"),
        ("lr", *rate),
        ("epochs", epochs, "a trained net starts near its goal"),
        ("schedule", "one-cycle", "warms up, then anneals to nought by the last epoch"),
        ("label_smoothing", 0.0, "what was learnt, and the penalty of the head, guard against over-confidence"),
    ]


def _without_labels(recipe: Recipe, facts: Facts) -> list[tuple[str, Any, str]]:
    """Settings of a run that learns without labels; [] for others."""
    if not facts.method:
        return []
    once = [("views", "none", "a mirror image of a turned picture is turned otherwise")]
    if facts.method == "rotation":
        return [*once, ("label_smoothing", 0.0, "which way up a picture is admits of no doubt")]
    size = recipe.train.batch_size or _batch_size(facts, recipe.train.epochs or _epochs(facts.samples, SEEN, 2)[0])[0]
    batch = facts.samples if size == "full" else int(size)
    rule = recipe.optimizer.optimizer or "adamw"
    return [
        ("views", "none", "nothing is classified"),
        ("label_smoothing", 0.0, "there are no labels"),
        ("optimizer", rule, "the layers of the objective have other shapes than the net's"),
        ("lr", usual_rate(rule, batch)[0], usual_rate(rule, batch)[1]),
        ("epochs", *_epochs(facts.samples, SEEN, 2)),
        ("augment", _strong(facts), "two views of a picture must have what it shows in common, and little else"),
        ("compile", False, "the features are read where they enter the head, which a compiled net does not show"),
    ]  # fmt: skip


def _strong(facts: Facts) -> tuple[str, ...]:
    """Views that are of one picture all the same (Chen et al., arXiv:2002.05709, appendix A, without blur)."""
    if facts.channels == 1:
        return "resized-crop=0.35", "intensity=0.4", "contrast=0.4"
    return "flip", "resized-crop=0.2", "colour=0.4", "greyscale=0.2"


def _feature_views(facts: Facts, augment: tuple[str, ...]) -> tuple[int, str]:
    if mirrors(augment) and facts.samples < TWICE_SEEN:
        return 2, "few pictures: their mirror images double them"
    return 1, "each picture passes through the frozen net once"


def _smoothing(facts: Facts, loss: str) -> tuple[float, str]:
    if not LOSSES.get(loss).smooths:
        return 0.0, f"{loss} does not know it"
    if facts.kind == "images" and facts.classes > 2 and facts.samples >= 20_000:
        return 0.2, "few epochs of many pictures: what is sure of itself soon learns nothing more"
    if facts.kind == "images" and facts.classes > 2:
        return 0.1, "guards against over-confidence"
    return 0.0, "few classes"


def _check_derived(model: str, loss: str | None) -> None:
    """Raise UsageError for a net that learns whole by one loss only, and for such a loss with another net."""
    own = CARDS.get(model).loss if model in CARDS else ""
    if loss is None or loss == own:
        return
    if own:
        raise UsageError(
            f"{model} learns by the loss {own}, and {loss} is asked for: parts of it would never learn",
            hint="leave --loss out, or take another net: --model autoencoder",
        )
    having = [name for name, known in CARDS.items() if known.loss == loss]
    if having:
        raise UsageError(
            f"the loss {loss} is for a net that answers with a distribution, and {model} does not",
            hint=f"--model {' or '.join(having)}",
        )


def check_loss(recipe: Recipe, task: str | None = None, classes: int | None = None) -> None:
    """Raise UsageError where the recipe's loss cannot be what a run minimises; with the `task`, once it is known.

    >>> from hubel.recipes.schema import compose
    >>> check_loss(compose({"loss": "hinge", "mixup": 0.2}))
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: loss 'hinge' needs hard labels, and mix-up and cut-mix make soft ones
      leave --mixup and --cutmix out, or take --loss cross-entropy
    """
    part = recipe.loss
    if task is not None and not TASKS.get(task).labels:
        TASKS.get(task).check_loss(part.loss or TASKS.get(task).usual_loss(classes or 0), classes)
        _check_derived(recipe.model.model or TASKS.get(task).model, part.loss)
        return
    if task == "regress" and part.class_weights != "none":
        raise UsageError("the target is a number, and class weights need classes", hint="leave --class-weights out")
    evened = {"sampler": part.sampler != "none", "logit_adjustment": part.logit_adjustment > 0}
    said = next((name for name, is_said in evened.items() if is_said), "")
    if task == "regress" and said:
        flag = f"--{said.replace('_', '-')}"
        raise UsageError(f"the target is a number, and {flag} needs classes", hint=f"leave {flag} out")
    if part.loss is None:
        return
    entry = LOSSES.get(part.loss)
    if entry.task and task is None:
        return  # which decides about the task, if that is open, and is held against it when the data are known
    if task == "regress" and not entry.numbers:
        having = ", ".join(name for name in LOSSES if LOSSES.get(name).numbers)
        raise UsageError(f"the target is a number, and loss {part.loss!r} is made for classes", hint=f"take {having}")
    if not entry.trains:
        raise UsageError(
            f"loss {part.loss!r} takes {entry.takes}, and a classifier gives logits for labels",
            hint="--teacher RUN trains with it, beside any other --loss"
            if "answers" in entry.takes
            else "take --loss cross-entropy; those that take logits: hubel components losses",
        )
    if not entry.soft and (recipe.augment.mixup or recipe.augment.cutmix):
        raise UsageError(
            f"loss {part.loss!r} needs hard labels, and mix-up and cut-mix make soft ones",
            hint="leave --mixup and --cutmix out, or take --loss cross-entropy",
        )
    weights = None if part.class_weights == "none" else [1.0]
    build_loss(part.loss, label_smoothing=part.label_smoothing or 0.0, class_weights=weights, of_logits=True)


def _check_points(recipe: Recipe) -> None:
    """Raise UsageError for what varies pictures or says how they are seen, where the data are points."""
    part = recipe.augment
    varied = [name for name in ("mixup", "cutmix", "robust") if getattr(part, name)]
    varied += ["jsd"] if recipe.loss.jsd else []
    varied += ["augment"] if part.augment not in (None, (), ("none",)) else []
    varied += ["views"] if part.views not in (None, "none") else []
    if recipe.train.task not in ONE_PICTURE and recipe.transfer.from_ is None:  # which brings its own
        seen = ("img_size", "fit", "interpolation", "mean", "std")
        varied += [name for name in seen if getattr(recipe.data, name) is not None]
    if varied:
        flags = ", ".join("--" + name.replace("_", "-") for name in varied)
        verb = "is" if len(varied) == 1 else "are"
        raise UsageError(
            f"the data are no pictures, and {', '.join(varied)} {verb} for pictures", hint=f"leave {flags} out"
        )


def validation_share(n: int, classes: int) -> tuple[float, str]:
    """The part of n samples to choose by, and why.

    >>> [validation_share(n, 10)[0] for n in (1_797, 25_000, 50_000)]
    [0.1, 0.1, 0.05]
    """
    enough = max(VALIDATION, VALIDATION_PER_CLASS * classes)
    if n * 0.1 <= enough:
        return 0.1, "a tenth"
    return round(enough / n, 4), f"{enough:,} tell accuracies apart well enough: the others are better learnt from"


def _batch_size(facts: Facts, epochs: int, model: str = "") -> tuple[int, str]:
    n, side = facts.samples, facts.side
    size, why = _usual_batch(n, side, model)
    # Small batches would leave a GPU idle, and pairs are told apart in large ones.
    if facts.accelerator or facts.method == "byol":
        return size, why
    smaller = enough_steps(size, n, epochs)
    return (smaller, few_steps(size, n, epochs)) if smaller < size else (size, why)


def _usual_batch(n: int, side: int, model: str) -> tuple[int, str]:
    if model in CARDS and "implicit" in CARDS[model].tags and n >= 500:
        return 64, "every pixel is learnt from: many small steps"
    most = 64 if side > 160 else 128 if side > 64 else 1000  # activations of larger pictures need the memory
    if n >= 2_000 and most < 1000:
        return most, f"suits pictures of {side} pixels"
    for size, enough in ((1000, 20_000), (256, 8_000), (128, 2_000), (64, 500), (32, 100)):
        if n >= enough:
            return size, f"suits {plural(n, 'training sample')}"
    return max(2, min(16, n)), "very few training samples"


def enough_steps(size: int, n: int, epochs: int) -> int:
    """The batch size for `epochs` passes over n samples: `size`, or less where it would make few steps.

    >>> [enough_steps(1000, 45_000, epochs) for epochs in (18, 6, 4, 2)]
    [1000, 500, 250, 128]
    """
    if epochs * math.ceil(n / size) >= FEW_STEPS:
        return size
    while size > SMALL_BATCH and epochs * math.ceil(n / size) < STEPS:
        size = max(SMALL_BATCH, size // 2)
    return size


def few_steps(size: int, n: int, epochs: int) -> str:
    """Why the batches are smaller than `size`."""
    steps = epochs * math.ceil(n / size)
    return (
        f"in {plural(epochs, 'epoch')} batches of {size:,} make {plural(steps, 'step')}: more, smaller ones learn more"
    )


def _rule(model: str) -> tuple[str, str]:
    if model == "quicknet":
        return "muon-sphere", "a norm follows every filter of this net: fewest epochs to a given accuracy"
    return "adamw", "robust over nets and data sets"


def _schedule(optimizer: str) -> tuple[str, str]:
    if optimizer == "muon-sphere":
        return "linear", "falls to nought by the last epoch; turning filters need no warm-up"
    return "one-cycle", "warms up, then anneals to nought by the last epoch"


def usual_rate(optimizer: str, batch: int) -> tuple[float, str]:
    """The rate for a batch of so many samples, and why.

    >>> usual_rate("sgd", 256)
    (0.2, '0.1 for a batch of 128, scaled with the batch')
    """
    # Scaled with the square root of the batch for adaptive rules, linearly for SGD (Goyal et al., arXiv 1706.02677).
    if optimizer in ("sgd", "momentum", "nesterov"):
        return round(0.1 * batch / 128, 5), "0.1 for a batch of 128, scaled with the batch"
    if optimizer == "muon-sphere":
        return round(0.12 * (batch / 128) ** (1 / 3), 3), "0.12 for a batch of 128, scaled with its cube root"
    tuned = {"adamw": 0.003, "adam": 0.003, "muon": 0.01}
    if optimizer not in tuned:
        return OPTIMISERS.get(optimizer).lr, "usual for this optimiser"
    base = tuned[optimizer]
    return round(base * (batch / 128) ** 0.5, 5), f"{base} for a batch of 128, scaled with the root of the batch"


def _decay(optimizer: str) -> tuple[float, str]:
    if optimizer in ("adamw", "muon", "muon-sphere"):
        return 0.05, "decoupled decay, usual for this optimiser"
    return 5e-4, "usual for nets with batch norm"


def _epochs(n: int, seen: int, longer: int) -> tuple[int, str]:
    epochs = longer * min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(seen / max(n, 1))))
    return epochs, f"about {plural(epochs * n, 'sample')} seen in all"


def _augment(facts: Facts, erase: str | None) -> tuple[tuple[str, ...], str]:
    if facts.kind == "points":
        return ("none",), "points are not pictures"
    if facts.method == "rotation" and facts.channels == 3:
        return ("flip", f"translate={max(1, facts.side // 14)}"), "mirror images and small shifts stand as they stood"
    more = (erase,) if erase else ()
    shift = f"translate={max(1, facts.side // 14)}"
    if facts.channels == 1:
        return (shift, *more), "shifts only: a mirrored digit or letter is another one"
    if facts.mirrors is not None and facts.mirrors.strangers:
        return (shift, *more), f"shifts only: {facts.mirrors.told}"
    return ("alternating-flip", shift, *more), "mirror images and small shifts do not change what a photograph shows"


def _mixed(facts: Facts) -> tuple[str, str]:
    """What --robust adds: nothing that `hubel robust` measures, for grey pictures no turns and shifts either.

    Nor where pixels are learnt: copies that are moved apart and blended have no mask.
    """
    if facts.channels != 1 and TASKS.get(facts.task).asks == "segment":
        return "augmix=3:3:0", "robust: blended levels and shades, which leave masks where they are"
    if facts.channels == 1:
        return "augmix=3:3:0", "robust: blended levels and shades, none of what hubel robust measures"
    return "augmix", "robust: blended levels, shades and small moves, none of the corruptions of hubel robust"


def _views(facts: Facts, augment: tuple[str, ...]) -> tuple[str, str]:
    if not mirrors(augment):
        return "none", "one look at each picture"
    if facts.side > MANY_VIEWS:
        return "none", f"more looks would cost too much beyond {MANY_VIEWS} pixels"
    return "mirror-shift", "six looks at a small picture cost little and are right more often"
