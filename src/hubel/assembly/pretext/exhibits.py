"""A few training pictures for the report: as the net sees them, and as it is asked about them."""

from __future__ import annotations

import numpy as np
import torch

from hubel.assembly.prepare import Prepared
from hubel.assembly.pretext.feed import in_pairs
from hubel.assembly.wire import augmentations
from hubel.data.augment import as_float, build_augment
from hubel.data.splits import limited
from hubel.data.unlabelled import four_ways

COUNT = 24


def exhibits(prepared: Prepared) -> tuple[list[np.ndarray], list[int], str]:
    """(pictures C H W uint8, their labels where they have some, what they are); nothing for points."""
    rows, method = prepared.ids("train"), prepared.recipe.pretext.method
    if prepared.preprocessing is None:
        return [], [], ""
    images, labels = prepared.decoded.images, prepared.manifest.labels
    if method == "rotation":
        turned = four_ways(np.ascontiguousarray(images[rows[: COUNT // 4]]))
        caption = "What the net is asked: which of these four turns is it? Each training picture comes in all of them."
        return list(turned), [turn % 4 for turn in range(len(turned))], caption
    if method == "byol":
        caption = "What the net is asked: by one of two neighbours, to say how a copy of it sees the other."
        return _pairs(prepared, rows[: COUNT // 2]), [], caption
    caption = "What the net really sees: a few training pictures after decoding and resizing."
    if prepared.manifest.regression:
        return [images[row] for row in rows[:COUNT]], [], caption
    shown = limited(rows, labels[rows], min(COUNT, len(rows)))
    return [images[row] for row in shown], labels[shown].tolist(), caption


def _pairs(prepared: Prepared, rows: np.ndarray) -> list[np.ndarray]:
    """Two views of each, as in the first epoch."""
    augment = in_pairs(build_augment(augmentations(prepared.recipe)))
    pictures = torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[rows]))
    views = as_float(augment(pictures, torch.from_numpy(rows), seed=prepared.recipe.train.seed, epoch=0))
    return list(views.clamp(0, 1).mul(255).round().to(torch.uint8).numpy())
