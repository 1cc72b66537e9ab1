"""Counterfactual: the smallest change that flips the decision; and its opposite, the patches that alone keep it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hubel.checkpoint import Classifier
from hubel.explainers.anchors import KeptPatches
from hubel.explainers.anchors import anchor as keep
from hubel.faces.progress import shows_progress
from hubel.records.samples import samples_of
from hubel.records.subjects import see_picture
from hubel.robustness.attacks import AttackedPicture
from hubel.verbs.attack import attack
from hubel.watching import SILENT, Watcher


def counterfactual(
    run: str | Path | Classifier,
    picture: Any,
    *,
    target: str | int | None = None,
    steps: int = 50,
    device: str = "auto",
) -> AttackedPicture:
    """The nearest picture, in Euclidean distance of pixels, that the net puts into another class (DeepFool).

    Of a net that says several labels: of which one label, `target` or else the most probable, is said no more, or is.
    """
    return attack(run, picture, method="flip", target=target, steps=steps, device=device)


@shows_progress
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
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> KeptPatches:
    """Patches that keep the decision on `precision` of other backgrounds: pictures of the run's data, or of `data`.

    `target`: the class that is to be kept, else the predicted one. Of a net that says several labels it names the label
    whose decision is kept, said or not; else that is the most probable one.
    """
    seen = see_picture(run, picture, device=device, several=True)
    net, names = seen.decision(target) if seen.several else (seen.model, seen.class_names)
    samples = samples_of(run, data, split=split, limit=160, device=device, seed=seed, several=True, watch=watch)
    backgrounds = torch.cat([batch.images for batch in samples.batches()])
    watch.stage("looking for patches")
    found = keep(
        net, seen.image, backgrounds, target=None if seen.several else seen.index(target), cells=cells,
        precision=precision, seed=seed,
    )  # fmt: skip
    return KeptPatches(anchor=found, pixels=seen.pixels, label=names[found.target])
