"""Three forms of each picture, whose answers are to agree: as it is, and varied twice by AugMix.

Hendrycks et al., arXiv:1912.02781, section 3: what stands before and after augmix in the chain (shifts, mirror images)
is done once, so that the three forms show the same cut of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import nn

from hubel.data.augment import Augment, as_float, build_augment
from hubel.errors import UsageError
from hubel.nn.consistency import Consistent
from hubel.recipes.schema import Recipe
from hubel.types import Batch

FORMS = 3
MIXED = "augmix"


def check_forms(recipe: Recipe, task: str) -> None:
    """Raise UsageError where forms of a picture cannot be held together; the chain of augmentations is chosen."""
    if not recipe.loss.jsd:
        return
    words = [word.partition("=")[0] for word in recipe.augment.augment or ()]
    if task != "classify":
        raise UsageError(f"jsd compares probabilities of classes, and the task is {task}", hint="leave --jsd out")
    if MIXED not in words:
        raise UsageError(
            "jsd holds together what AugMix makes of a picture, and the augmentation has no augmix",
            hint="add --robust, or augmix to --augment",
        )
    mixing = next((name for name in ("mixup", "cutmix") if getattr(recipe.augment, name)), "")
    if mixing:
        raise UsageError(
            f"jsd asks about forms of one picture, and {mixing} makes one of two", hint=f"leave --{mixing} or --jsd out"
        )


def held_together(loss: nn.Module, recipe: Recipe, model: nn.Module) -> nn.Module:
    """The loss with what forms of a picture are apart, where the recipe asks for that; else as it is.

    Raises UsageError for a net with auxiliary heads, which would not learn.
    """
    if not recipe.loss.jsd:
        return loss
    if hasattr(model, "forward_all"):
        raise UsageError(
            f"{recipe.model.model} learns from several heads, and jsd holds the answers of one together",
            hint="leave --jsd out, or take another net: hubel models",
        )
    return Consistent(loss, recipe.loss.jsd, FORMS)


def in_forms(augment: Augment) -> Callable[..., torch.Tensor]:
    """An augmentation that answers with three forms of each image: B C H W -> 3B C H W, those of one side by side."""
    plain = replace(augment, steps=tuple(step for step in augment.steps if step.name != MIXED))
    mixed = replace(augment, steps=tuple(step for step in augment.steps if step.name == MIXED))

    def forms(images: torch.Tensor, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        shown = as_float(plain(images, ids, seed=seed, epoch=epoch))
        varied = [mixed(shown, ids, seed=seed, epoch=2 * epoch + form) for form in (0, 1)]
        return torch.stack([shown, *varied], dim=1).flatten(0, 1)

    return forms


def varied_by(words: Sequence[str], forms: int) -> tuple[Augment, Callable[..., torch.Tensor] | None]:
    """The chain of augmentations, and what batches are varied by: None for nothing, with several forms all of them."""
    augment = build_augment(words)
    return augment, in_forms(augment) if forms > 1 else augment if augment.steps else None


def formed(found: Iterator[Batch]) -> Iterator[Batch]:
    """Batches of 3B images that belong to B samples as images B 3 C H W."""
    for batch in found:
        yield replace(batch, images=batch.images.unflatten(0, (len(batch), FORMS)))
