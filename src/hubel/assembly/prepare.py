"""From a recipe to data that is ready: source, scan, splits, open settings chosen, pictures decoded.

Training, evaluation and every later reader of a run's own data come this way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from hubel import runtime
from hubel.assembly.choices import Facts, complete, validation_share
from hubel.data.choose import choose_preprocessing, tell_levels
from hubel.data.decode import Decoded, channel_statistics, decode
from hubel.data.decode import prepare as scan_and_decode
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan, conclude
from hubel.data.sources import open_source
from hubel.data.splits import Splits, limited, split
from hubel.errors import DataError
from hubel.models import CARDS
from hubel.models.pretrained import published
from hubel.recipes.schema import Recipe
from hubel.watching import SILENT, Watcher

NO_PICTURES = Preprocessing(height=1, width=1)
"""What `decode` is given for points, which it passes through."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything about the data that a run needs."""

    recipe: Recipe
    """With every open setting chosen."""
    reasons: dict[str, str]
    """Why, by setting."""
    scan: Scan
    splits: Splits
    decoded: Decoded
    preprocessing: Preprocessing | None
    """None for points."""
    seconds: float
    """Time it took."""

    @property
    def manifest(self) -> Manifest:
        """The samples that are used."""
        return self.scan.manifest

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the outputs; empty in regression."""
        return self.manifest.class_names

    def ids(self, name: str) -> np.ndarray:
        """Rows of a split; the training rows as `limit` of the recipe has it."""
        rows = self.splits.ids(name)
        if name == "train" and self.recipe.data.limit is not None and len(rows) > self.recipe.data.limit:
            return limited(rows, self.manifest.labels[rows], self.recipe.data.limit)
        return rows

    def names(self) -> list[str]:
        """What each sample is called in a list of predictions."""
        return [self.manifest.name(row) for row in range(len(self.manifest))]


def prepare(recipe: Recipe, watch: Watcher = SILENT, *, splits: Splits | None = None) -> Prepared:
    """Scan, decode, split, choose what is open. With `splits`, those are used, after a check that they fit the data."""
    started = time.perf_counter()
    watch.stage("reading the data")
    listed = open_source(recipe.data.data, data_dir=recipe.data.data_dir, progress=watch.progress)
    reasons: dict[str, str] = {}
    if listed.kind == "points":
        scanned = conclude(listed, None)
        decoded = decode(scanned.manifest, NO_PICTURES)
        preprocessing = None
    else:
        preprocessing = geometry(recipe, listed, reasons)
        scanned, decoded = scan_and_decode(listed, preprocessing, workers=recipe.data.workers, progress=watch.progress)
        levels = tell_levels(preprocessing.levels, {look.mode for look in scanned.looks})
        if levels:
            watch.remark(levels)
    tell_problems(scanned, recipe, watch)
    if recipe.data.val_fraction is None:
        divided = int((scanned.manifest.given_split != "test").sum())
        most = 0.99 - recipe.data.test_fraction  # where the test takes nearly all, something is left to learn from
        share, reasons["val_fraction"] = validation_share(divided, scanned.manifest.num_classes)
        recipe = recipe.change(val_fraction=max(0.0, min(share, most)))
    if splits is None:
        part = recipe.data
        assert part.val_fraction is not None
        splits = split(scanned.manifest, val=part.val_fraction, test=part.test_fraction, seed=part.split_seed)
    else:
        splits.verify(scanned.manifest)
    train = splits.train
    if len(train) < 2:
        raise DataError(f"at least two training samples are needed, got {len(train)}", hint="add pictures")
    if preprocessing is not None:
        given = recipe.data.mean, recipe.data.std
        if recipe.model.pretrained:  # published weights expect the scale of their own training
            expected = published(recipe.model.model or "")
            mean, std = (values[: preprocessing.channels] for values in (expected.mean, expected.std))
        else:
            mean, std = channel_statistics(decoded, train)
        preprocessing = preprocessing.with_statistics(given[0] or mean, given[1] or std)
        size = (preprocessing.height, preprocessing.width)
        recipe = recipe.change(img_size=size, in_chans=preprocessing.channels, fit=preprocessing.fit)
    manifest = scanned.manifest
    facts = Facts(
        kind="points" if preprocessing is None else "images",
        task="regression" if manifest.regression else "classification",
        samples=min(len(train), recipe.data.limit or len(train)),
        classes=manifest.num_classes,
        side=0 if preprocessing is None else min(preprocessing.height, preprocessing.width),
        channels=decoded.images.shape[1],
        accelerator=runtime.pick_device(recipe.train.device).type != "cpu",
        reused=recipe.transfer.from_ is not None,
    )
    recipe, chosen = complete(recipe, facts)
    return Prepared(
        recipe=recipe,
        reasons=reasons | chosen,
        scan=scanned,
        splits=splits,
        decoded=decoded,
        preprocessing=preprocessing,
        seconds=time.perf_counter() - started,
    )


def geometry(recipe: Recipe, listed: Manifest, reasons: dict[str, str]) -> Preprocessing:
    """Size, channels and fit as the recipe says, else from the pictures, else what the model needs at least."""
    part = recipe.data
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
        card = CARDS.get(recipe.model.model or "")
        if card is not None and min(found.height, found.width) < card.min_size:
            reasons["img_size"] = f"the smallest that {card.name} takes"
            found = replace(found, height=card.min_size, width=card.min_size)
    if part.in_chans is None:
        reasons["in_chans"] = "colour pictures" if found.channels == 3 else "all pictures are grey"
    if part.fit is None:
        lost = {
            "crop": "hardly anything is cut off",
            "pad": "nothing is cut off or bent",
            "squash": "nothing is cut off",
        }
        reasons["fit"] = lost[found.fit]
    return found


def tell_problems(scanned: Scan, recipe: Recipe, watch: Watcher, shown: int = 3) -> None:
    """The first few problems of the scan as remarks, and where to find the others."""
    for problem in scanned.problems[:shown]:
        watch.remark(f"{problem.path}: {problem.reason}" + (" (left out)" if problem.left_out else ""))
    if len(scanned.problems) > shown:
        watch.remark(f"and {len(scanned.problems) - shown:,} more remarks: hubel data {recipe.data.data}")
