"""Counterfactual: the smallest change that flips the decision; and its opposite, the patches that alone keep it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.explainers.anchors import Anchor
from hubel.explainers.anchors import anchor as keep
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.records.subjects import Look, look, samples_of
from hubel.verbs.attack import Attacked, attack
from hubel.watching import SILENT, Watcher


def counterfactual(run: str | Path | Classifier, picture: Any, *, steps: int = 50, device: str = "auto") -> Attacked:
    """The nearest picture, in Euclidean distance of pixels, that the net puts into another class (DeepFool)."""
    return attack(run, picture, method="flip", steps=steps, device=device)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The patches of a picture that keep its class."""

    anchor: Anchor
    look: Look

    @property
    def sentence(self) -> str:
        """The result in words."""
        name = self.look.class_names[self.anchor.target]
        return (
            f"{self.anchor.coverage:.0%} of the picture keep the decision {name} in {self.anchor.precision:.0%} of the "
            "cases in which the rest is another picture."
        )


def anchor(
    run: str | Path | Classifier,
    picture: Any,
    data: str | Path | None = None,
    *,
    target: str | int | None = None,
    cells: int = 7,
    precision: float = 0.95,
    split: str = "train",
    seed: int = 0,
    device: str = "auto",
    watch: Watcher = SILENT,
) -> Kept:
    """Patches that keep the decision on `precision` of other backgrounds: pictures of the run's data, or of `data`."""
    seen = look(run, picture, device=device)
    samples = samples_of(run, data, split=split, limit=160, device=device, seed=seed, watch=watch)
    backgrounds = torch.cat([batch.images for batch in samples.batches()])
    watch.stage("looking for patches")
    found = keep(
        seen.model, seen.image, backgrounds, target=seen.index(target), cells=cells, precision=precision, seed=seed
    )
    return Kept(anchor=found, look=seen)


def drawn(found: Kept) -> Figure:
    """The picture, and the picture with all but the anchor greyed."""
    faded = (found.look.pixels * 0.15 + 255 * 0.8).round().astype(np.uint8)
    shown = [found.look.pixels, np.where(found.anchor.mask, found.look.pixels, faded)]
    return tiles(
        shown, labels=["the picture", "what keeps the class"], side=260, alt=found.sentence, caption=found.sentence
    )
