"""Changes that flip a decision, patches that keep one, and what spoilt and moved pictures do, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hubel.explainers.anchors import KeptPatches
from hubel.figures.curves import curves
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.robustness.attacks import AttackedPicture
from hubel.robustness.corruptions import CORRUPTIONS
from hubel.robustness.measuring import Robustness
from hubel.robustness.moving import Curve, StageShift


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


def draw_severities(found: Robustness) -> Figure:
    """Accuracy against severity, a line a kind of corruption; severity 0 are the pictures as they are."""
    kinds: dict[str, list[str]] = {}
    for name in found.corruptions:
        kinds.setdefault(CORRUPTIONS.get(name).kind, []).append(name)
    series = {
        kind: [
            found.clean.accuracy,
            *(
                float(
                    np.mean([cell.accuracy for name in names for cell in found.of(name) if cell.severity == severity])
                )
                for severity in found.severities
            ),
        ]
        for kind, names in kinds.items()
    }
    return curves(
        series, x=[0, *found.severities], title="Accuracy by severity", x_label="severity", share=True, width=420
    )


def draw_moved(found: Curve, clean: float) -> Figure:
    """Accuracy and consistency against how far pictures were changed."""
    series = {"the answer stays": found.consistency, "the answer is right": found.accuracy}
    return curves(series, x=found.at, title=found.name, x_label=found.unit, share=True, width=340)


def draw_stage_shifts(found: Sequence[StageShift]) -> Figure:
    """How far each stage is from moving along, against the shift; of many stages a few, evenly taken."""
    step = -(-len(found) // 8)
    series = {stage.stage: stage.distance for stage in found[::step]}
    title = "Distance of φ(shifted) from shifted φ"
    return curves(series, x=found[0].at, title=title, x_label="pixels", steep=False, width=460)


def draw_spoilt(pictures: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """Pictures side by side, each with what was done to it underneath."""
    side = max(96, min(160, 4 * max(next(iter(pictures.values())).shape[1:])))
    return tiles(list(pictures.values()), labels=list(pictures), side=side, columns=6, alt=title, caption=title)
