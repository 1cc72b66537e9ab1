"""Prototypes: the most typical samples of each class in feature space, and those they do not explain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier
from hubel.errors import DataError
from hubel.features import prototypes as bench
from hubel.figures.contact_sheet import contact_sheet
from hubel.figures.theme import Figure
from hubel.records.nets import class_index, stage_name
from hubel.records.subjects import samples_of
from hubel.watching import SILENT, Watcher


@dataclass(frozen=True, kw_only=True)
class Typical:
    """One class by examples."""

    label: str
    prototypes: tuple[str, ...]
    """Names of samples."""
    criticisms: tuple[str, ...]
    prototype_pictures: np.ndarray
    """m C H W uint8."""
    criticism_pictures: np.ndarray
    discrepancy: float
    """Squared maximum mean discrepancy between the prototypes and the class."""


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
    watch: Watcher = SILENT,
) -> list[Typical]:
    """Prototypes and criticisms of one class, or of every class that has samples; at most `limit` samples of each."""
    samples = samples_of(run, data, split=split, device=device, watch=watch)
    names = samples.manifest.class_names
    wanted = range(len(names)) if label is None else [class_index(names, label)]
    watch.stage("reading features")
    features = samples.features(stage_name(samples.classifier.model, stage))
    found = []
    for k in wanted:
        rows = np.flatnonzero(samples.labels == k)[:limit]
        if not len(rows):
            continue
        chosen = bench.prototypes(features[rows], count=count, criticisms=criticisms)
        typical, odd = (samples.rows[rows[part]] for part in (chosen.prototypes, chosen.criticisms))
        found.append(
            Typical(
                label=names[k],
                prototypes=tuple(samples.name(int(row)) for row in typical),
                criticisms=tuple(samples.name(int(row)) for row in odd),
                prototype_pictures=np.asarray(samples.decoded.images[typical]),
                criticism_pictures=np.asarray(samples.decoded.images[odd]),
                discrepancy=chosen.discrepancy,
            )
        )
    if not found:
        raise DataError("none of these classes has samples there", hint="choose another split, or give data")
    return found


def drawn(found: list[Typical]) -> Figure:
    """Two rows for each class: typical samples, and those that stand apart."""
    rows: dict[str, list[np.ndarray]] = {}
    for part in found:
        rows[part.label] = list(part.prototype_pictures)
        if len(part.criticism_pictures):
            rows[f"{part.label}, apart"] = list(part.criticism_pictures)
    return contact_sheet(rows, title="Typical samples, and those that stand apart")
