"""Predict: a trained run and pictures in, classes with probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier
from hubel.deploy.ensemble import classify_together
from hubel.deploy.prediction import Prediction, Predictions, classify
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.faces.progress import shows_progress
from hubel.records.nets import load
from hubel.watching import SILENT, Watcher

__all__ = ["Prediction", "Predictions", "predict", "predict_proba"]


@shows_progress
def predict(
    run: str | PathLike[str] | Classifier | Sequence[str | PathLike[str] | Classifier],
    pictures: Any,
    *,
    which: str = "best",
    views: str | None = None,
    device: str = "auto",
    batch_size: int = 64,
    fast: bool | None = None,
    follow_links: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Predictions:
    """Classify pictures: a path, a folder, bytes, an open file, a PIL image, an array or tensor, or many of these.

    Folders are searched as training searches them: hidden folders and litter are passed over, links are followed only
    with `follow_links`. A link that is named itself is what it leads to.

    `run` is a run (its folder, its name), a weights folder, a classifier, or several of these that answer together
    (the mean of their probabilities, and how much they disagree); arrays are H W, H W C or N H W C, tensors
    C H W or B C H W, of bytes or of numbers 0 to 1. One picture makes a list of one. `which` weights: "best" or "last".

    `views` of each are averaged: those the run was measured with if not given, "none" for one look. `fast` makes the
    net ready first; None does so from 100 pictures on. `verbose` shows progress; None does where somebody looks.

    Unreadable files are named in `.problems` of the result. Raises ArtefactError for the run, DataError when no picture
    can be read, UsageError for what is none.
    """
    settings: dict[str, Any] = {
        "views": views, "device": device, "batch_size": batch_size, "fast": fast, "follow_links": follow_links,
        "watch": watch,
    }  # fmt: skip
    nets = [run] if isinstance(run, (str, PathLike, Classifier)) else list(run)
    if not nets:
        raise UsageError("no net was given to answer", hint="predict([run, run], pictures)")
    members = [net if isinstance(net, Classifier) else load(net, which=which) for net in nets]
    watch.stage("classifying")
    if len(members) > 1:
        return classify_together(members, pictures, **settings)
    return classify(members[0], pictures, **settings)


def predict_proba(run: str | PathLike[str] | Classifier, pictures: Any, **settings: Any) -> np.ndarray:
    """Probabilities N K (float64, rows sum to 1), a row a picture, in the order of `class_names`.

    `settings` are those of `predict`. Raises DataError where a picture cannot be read, since its row would be missing,
    and ArtefactError for a run that predicts a number.
    """
    classifier = run if isinstance(run, Classifier) else load(run, which=settings.pop("which", "best"))
    if not classifier.class_names:
        raise ArtefactError(
            f"this run ({classifier.spec.architecture}) predicts a number, which has no probability",
            hint="predict(...)[0].value",
        )
    found = predict(classifier, pictures, **settings)
    if found.problems:
        first = found.problems[0]
        lost = f"{len(found.problems)} of {len(found.problems) + len(found)} pictures cannot be read"
        raise DataError(
            f"{lost}, so rows would be missing; first: {first.path}: {first.reason}",
            hint="leave them out, or use predict, which names them in .problems",
        )
    return found.probabilities
