"""A few pictures of each class, as a net gets to see them, and as augmentation varies them."""

from __future__ import annotations

import os

import numpy as np
import torch

from hubel.data.augment import build_augment, preview
from hubel.data.decode import read_images
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing

MOST_CLASSES, MOST_EACH = 20, 12


def glimpses(manifest: Manifest, preprocessing: Preprocessing) -> dict[str, list[np.ndarray]]:
    """Up to 12 pictures C H W uint8 of up to 20 classes, evenly spread; numbers from the smallest to the largest."""
    rows: dict[str, list[np.ndarray]] = {}
    for label in _some_classes(manifest):
        of_class = np.flatnonzero(manifest.labels == label) if manifest.num_classes else np.argsort(manifest.labels)
        spread = np.unique(np.linspace(0, len(of_class) - 1, MOST_EACH).astype(int))
        name = manifest.class_names[label] if manifest.num_classes else "smallest to largest"
        rows[name] = _seen(manifest, of_class[spread], preprocessing)
    return rows


def varied(
    manifest: Manifest, preprocessing: Preprocessing, augment: str, *, seed: int = 0
) -> dict[str, list[np.ndarray]]:
    """One picture of up to 20 classes: as the net sees it, then as the chain `augment` varies it in the first epochs.

    Raises UnknownName and UsageError like `build_augment`.
    """
    chain, classes = build_augment(augment), _some_classes(manifest)
    ids = [int(np.argmax(manifest.labels == label)) if manifest.num_classes else 0 for label in classes]
    seen = _seen(manifest, np.array(ids), preprocessing)
    rows = preview(torch.from_numpy(np.stack(seen)), chain, torch.tensor(ids), seed=seed, epochs=MOST_EACH - 1)
    names = manifest.class_names if manifest.num_classes else ("the first",)
    return {names[label]: [seen[row], *rows[row]] for row, label in enumerate(classes)}


def _some_classes(manifest: Manifest) -> list[int]:
    return list(np.unique(np.linspace(0, max(manifest.num_classes - 1, 0), MOST_CLASSES).astype(int)).tolist())


def _seen(manifest: Manifest, rows: np.ndarray, preprocessing: Preprocessing) -> list[np.ndarray]:
    if manifest.arrays is not None:
        return [preprocessing.array(manifest.arrays[row]) for row in rows]
    assert manifest.paths is not None
    images, _, _ = read_images([os.path.join(manifest.root, manifest.files[row]) for row in rows], preprocessing)
    return list(images)
