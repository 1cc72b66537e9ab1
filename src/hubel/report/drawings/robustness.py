"""Changes that flip a decision, and patches that keep one, drawn."""

from __future__ import annotations

import numpy as np

from hubel.explainers.anchors import KeptPatches
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.robustness.attacks import AttackedPicture


def draw_attacked_picture(found: AttackedPicture) -> Figure:
    """The picture, the change (enlarged so that it can be seen, grey is none), and what the net gets."""
    change = found.changed - found.pixels.astype(np.float64) / 255
    largest = float(np.abs(change).max()) or 1.0
    shown = [
        found.pixels,
        np.clip(127.5 + 127.5 * change / largest, 0, 255).round().astype(np.uint8),
        np.clip(255 * found.changed, 0, 255).round().astype(np.uint8),
    ]
    labels = [f"{name} {share:.0%}" for name, share in (found.before, found.after)]
    labels.insert(1, f"change x {1 / (2 * largest):.0f}")
    return tiles(shown, labels=labels, side=220, columns=3, alt=found.sentence, caption=found.sentence)


def draw_kept_patches(found: KeptPatches) -> Figure:
    """The picture, and the picture with all but the anchor greyed."""
    faded = (found.pixels * 0.15 + 255 * 0.8).round().astype(np.uint8)
    shown = [found.pixels, np.where(found.anchor.mask, found.pixels, faded)]
    return tiles(
        shown, labels=["the picture", "what keeps the class"], side=260, alt=found.sentence, caption=found.sentence
    )
