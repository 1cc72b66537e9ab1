"""What a recipe leaves open where no label is learnt, by task: net, loss, augmentation and how long, each with why.

Labels have their rules in `hubel.assembly.choices`, which asks here first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hubel.models import CARDS
from hubel.recipes.schema import Recipe
from hubel.tasks import TASKS, Task

Choice = tuple[str, Any, str]
"""Setting, value, reason."""


def by_task(recipe: Recipe, task: str, *, samples: int, side: int, channels: int) -> list[Choice]:
    """Settings of a run whose task is no label; [] for one of labels. `side`: the smaller one, in pixels."""
    entry = TASKS.get(task)
    if entry.labels:
        return []
    model = recipe.model.model or entry.model
    found: list[Choice] = [
        ("loss", *_loss(entry, model)),
        ("label_smoothing", 0.0, "no label is learnt"),
        ("views", "none", "one look at each picture"),
    ]
    if entry.model:
        found.append(("model", entry.model, entry.why_model))
    if recipe.optimizer.optimizer is None and entry.model:
        found.append(("optimizer", "adamw", "robust over nets and tasks"))
    found += [(setting, value, why) for setting, (value, why) in entry.fixed.items()]
    shaped = _SHAPED.get(model)
    if shaped is not None and not recipe.model.model_options:
        found.append(("model_options", *shaped(samples, side)))
    if "augment" not in entry.fixed and entry.asks:
        found.append(("augment", *_moves(side, channels)))
    return found


def _loss(entry: Task, model: str) -> tuple[str, str]:
    card = CARDS.get(model) if model in CARDS else None
    if entry.variational and card is not None and "variational" in card.tags:
        return entry.variational, f"what {model} is derived from"
    return entry.losses[0], f"usual for the task {entry.name}"


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


_SHAPED: dict[str, Callable[[int, int], tuple[dict[str, Any], str]]] = {"unet": _unet, "siamese": _siamese}
"""Nets whose size follows the data."""


def _moves(side: int, channels: int) -> tuple[tuple[str, ...], str]:
    shift = f"translate={max(1, side // 14)}"
    if channels == 1:
        return (shift,), "shifts only; masks move along"
    return ("alternating-flip", shift), "mirror images and small shifts; masks move along"
