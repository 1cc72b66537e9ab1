"""What a recipe leaves open where no label is learnt, by task: net, loss, augmentation and how long, each with why.

Labels have their rules in `hubel.assembly.choices`, which asks here first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hubel.data.mirrors import Mirrors
from hubel.models import CARDS
from hubel.recipes.schema import Recipe
from hubel.tasks import TASKS, Task

Choice = tuple[str, Any, str]
"""Setting, value, reason."""


def by_task(
    recipe: Recipe,
    task: str,
    *,
    samples: int,
    side: int,
    channels: int,
    classes: int = 2,
    mirrors: Mirrors | None = None,
) -> list[Choice]:
    """Settings of a run whose task is no label; [] for one of labels. `side`: the smaller one, in pixels; 0 for
    what is no picture. `classes`: 0 for numbers. `mirrors`: what mirror images would do, where that was asked."""
    entry = TASKS.get(task)
    if entry.labels:
        return []
    model = recipe.model.model or entry.model
    found: list[Choice] = [
        ("loss", *_loss(entry, model, classes)),
        ("label_smoothing", 0.0, "no label is learnt"),
        ("views", "none", "one look at each picture"),
    ]
    if entry.model:
        found.append(("model", entry.model, entry.why_model))
    if recipe.optimizer.optimizer is None and entry.model:
        found.append(("optimizer", *_RULES.get((task, model), ("adamw", "robust over nets and tasks"))))
    if entry.asks == "segment":
        found.append(("batch_size", min(16, max(2, samples)), "every pixel is learnt from: many small steps"))
    found += [(setting, value, why) for setting, (value, why) in entry.fixed.items()]
    shaped = _SHAPED.get((task, model))
    if shaped is not None and not recipe.model.model_options:
        found.append(("model_options", *shaped(samples, side)))
    if "augment" not in entry.fixed and entry.asks and side:
        found.append(("augment", *_moves(side, channels, mirrors)))
    if entry.asks == "steps":
        found += _read(samples, side)
    return found


def _loss(entry: Task, model: str, classes: int) -> tuple[str, str]:
    card = CARDS.get(model) if model in CARDS else None
    if card is not None and card.loss in entry.losses:
        return card.loss, f"what {model} is derived from"
    return entry.usual_loss(classes), f"usual for the task {entry.name}"


def _unet(samples: int, side: int) -> tuple[dict[str, int], str]:
    """Depth by the picture, width by how many there are: the lowest maps keep 4 to 8 places a side.

    >>> _unet(500, 64), _unet(9_000, 256)[0]
    (({'maps': 16, 'levels': 4}, 'halved 3 times, the picture keeps 8 places a side'), {'maps': 32, 'levels': 5})
    """
    levels = min(5, max(2, side.bit_length() - 3))
    maps = 32 if samples >= 2_000 and side > 64 else 16
    return {"maps": maps, "levels": levels}, (
        f"halved {levels - 1} times, the picture keeps {max(1, side >> (levels - 1))} places a side"
    )


def _siamese(samples: int, side: int) -> tuple[dict[str, Any], str]:
    return {"backbone": "quicknet", "width": 64}, "fast, for pictures of any size; 64 numbers tell many classes apart"


def _sines(samples: int, side: int) -> tuple[dict[str, Any], str]:
    """The paper's 30 for 256 pixels a side, less for fewer: faster sines swing between the pixels, where nobody looks.

    >>> _sines(256 * 256, 0)[0], _sines(64 * 64, 0)[0]
    ({'omega': 30.0}, {'omega': 7.5})
    """
    omega = min(30.0, max(6.0, round(30 * samples**0.5 / 256, 1)))
    return {"omega": omega}, "sines no faster than these pixels can show; 30, the paper's, suits 256 a side"


def _relus(samples: int, side: int) -> tuple[dict[str, Any], str]:
    return {"hidden": [256, 256, 256, 256]}, "as many weights as a SIREN has"


_SHAPED: dict[tuple[str, str], Callable[[int, int], tuple[dict[str, Any], str]]] = {
    ("segment", "unet"): _unet,
    ("embed", "siamese"): _siamese,
    ("field", "siren"): _sines,
    ("field", "mlp"): _relus,
}
"""Task and net -> what its size follows from."""
_RULES = {
    ("segment", "unet"): (
        "muon-sphere",
        "a norm follows almost every filter of this net: fewest epochs to a given overlap",
    )
}
"""Task and net -> optimiser and why, where another one than AdamW was found to be better."""


def _read(samples: int, side: int) -> list[Choice]:
    """Settings of a net that reads step by step: gradients that run through many steps may explode."""
    found: list[Choice] = [("clip_grad", 1.0, "gradients run through every step, and may grow in each")]
    if not side:
        size = min(64, max(8, samples // 20))
        found += [
            ("batch_size", min(samples, size), "few series, of many steps each"),
            ("lr", 0.003, "usual for adamw on recurrent nets"),
            (
                "epochs",
                min(100, max(20, 40_000 // max(1, samples))),
                "about 40,000 series seen in all, where they are few",
            ),
        ]
    return found


def _moves(side: int, channels: int, mirrors: Mirrors | None) -> tuple[tuple[str, ...], str]:
    shift = f"translate={max(1, side // 14)}"
    if channels == 1:
        return (shift,), "shifts only; masks move along"
    if mirrors is not None and mirrors.strangers:
        return (shift,), f"shifts only: {mirrors.told}; masks move along"
    return ("alternating-flip", shift), "mirror images and small shifts; masks move along"
