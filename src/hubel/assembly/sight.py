"""What a net sees of the pictures: their size, channels and fit, and the scale of each channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hubel.data.choose import choose_preprocessing
from hubel.data.decode import Decoded, channel_statistics
from hubel.data.kinds import taken
from hubel.data.manifest import Manifest
from hubel.data.mirrors import Mirrors, ask_mirrors, ask_outlines
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan
from hubel.errors import UsageError
from hubel.models import CARDS
from hubel.models.pretrained import published
from hubel.recipes.schema import Recipe
from hubel.tasks import Task


def with_statistics(
    preprocessing: Preprocessing, recipe: Recipe, scanned: Scan, decoded: Decoded, train: np.ndarray
) -> Preprocessing:
    """With the mean and deviation of each channel: the recipe's, the published weights', else the training part's; and
    with the kind of file that all pictures are.
    """
    if recipe.model.pretrained:  # published weights expect the scale of their own training
        expected = published(recipe.model.model or "")
        mean, std = (values[: preprocessing.channels] for values in (expected.mean, expected.std))
    else:
        mean, std = channel_statistics(decoded, train)
    known = replace(preprocessing, takes=taken(scanned.looks))
    return known.with_statistics(recipe.data.mean or mean, recipe.data.std or std)


def asked_mirrors(
    preprocessing: Preprocessing | None,
    recipe: Recipe,
    manifest: Manifest,
    decoded: Decoded,
    train: np.ndarray,
    task: Task,
) -> Mirrors | None:
    """What mirror images would do to the classes of pictures in colour, or of their pixels, where the recipe leaves
    that open and the task learns classes; else None.
    """
    if preprocessing is None or preprocessing.channels != 3 or recipe.augment.augment is not None:
        return None
    if manifest.regression or recipe.pretext.method:
        return None
    if not task.labels and manifest.masks is not None and decoded.targets is not None:
        return ask_outlines(decoded.targets, train)
    if not (task.labels or task.by_class):
        return None
    return ask_mirrors(decoded.images, manifest.labels, train)


def geometry(recipe: Recipe, listed: Manifest) -> tuple[Preprocessing, dict[str, str]]:
    """Size, channels and fit as the recipe says, else from the pictures, else what the model needs; and why."""
    part = recipe.data
    reasons: dict[str, str] = {}
    found = choose_preprocessing(
        listed, img_size=part.img_size, channels=part.in_chans, fit=part.fit or "auto",
        interpolation=part.interpolation or "bilinear",
    )  # fmt: skip
    if part.img_size is None and recipe.model.pretrained:
        side = published(recipe.model.model or "").size
        found = replace(found, height=side, width=side)
        reasons["img_size"] = "the size its published weights were trained for"
    elif part.img_size is None:
        reasons["img_size"] = "from the pictures' own sizes"
        name = recipe.model.model or ""
        card = CARDS[name] if name in CARDS else None  # noqa: SIM401 — a registry, whose `get` refuses what is not there
        if card is not None and min(found.height, found.width) < card.min_size:
            reasons["img_size"] = f"the smallest that {card.name} takes"
            found = replace(found, height=card.min_size, width=card.min_size)
    if recipe.pretext.method == "rotation" and found.height != found.width:
        if part.img_size is not None:
            raise UsageError(
                f"a quarter turn needs a square, and --img-size is {found.height}x{found.width}",
                hint=f"--img-size {min(found.height, found.width)}, or --method byol",
            )
        side = min(found.height, found.width)
        reasons["img_size"] = "a square, for quarter turns, as high as the pictures' shorter side"
        found = replace(found, height=side, width=side, fit=part.fit or "crop")
    if part.in_chans is None:
        reasons["in_chans"] = "colour pictures" if found.channels == 3 else "all pictures are grey"
    if part.fit is None:
        lost = {
            "crop": "hardly anything is cut off",
            "pad": "nothing is cut off or bent",
            "squash": "nothing is cut off",
        }
        reasons["fit"] = lost[found.fit]
    return found, reasons
