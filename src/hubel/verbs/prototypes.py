"""Prototypes: the most typical samples of each class in feature space, and those they do not explain."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier
from hubel.faces.progress import shows_progress
from hubel.features.prototypes import ClassExamples, class_examples
from hubel.records.nets import class_index
from hubel.records.samples import samples_of
from hubel.verbs.features import read_features
from hubel.watching import SILENT, Watcher


@shows_progress
def prototypes(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    label: str | int | None = None,
    count: int = 5,
    criticisms: int = 3,
    stage: str | int | None = None,
    split: str = "train",
    limit: int = 1000,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> list[ClassExamples]:
    """Prototypes and criticisms of one class, or of every class that has samples; at most `limit` samples of each."""
    samples = samples_of(run, data, split=split, device=device, watch=watch)
    names = samples.manifest.class_names
    wanted = range(len(names)) if label is None else [class_index(names, label)]
    watch.stage("reading features")
    table = read_features(samples, stage)

    def pictures(rows: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(samples.decoded.images[samples.rows[rows]])

    return class_examples(table, pictures, wanted, count=count, criticisms=criticisms, limit=limit)
