"""Embed: a map of a data set in the net's feature space, with pictures, and mistakes marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier
from hubel.features import space
from hubel.features.space import Embedding
from hubel.figures.embedding import embedding
from hubel.figures.theme import Figure
from hubel.inference import predict
from hubel.records.nets import stage_name
from hubel.records.subjects import samples_of
from hubel.watching import SILENT, Watcher


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """A map, and what is needed to read it."""

    map: Embedding
    pixels_silhouette: float
    """The same measure of separation for the bare pixels."""
    labels: np.ndarray
    """N."""
    wrong: np.ndarray
    """N: does the net say another class?"""
    pictures: np.ndarray
    """N C H W uint8."""
    class_names: tuple[str, ...]


def embed(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    method: str = "tsne",
    stage: str | int | None = None,
    split: str = "test",
    limit: int = 2000,
    seed: int = 0,
    device: str = "auto",
    watch: Watcher = SILENT,
) -> Embedded:
    """t-SNE or PCA of the features of a `split` of the run's data, or of other `data`; of at most `limit` samples."""
    samples = samples_of(run, data, split=split, limit=limit, device=device, seed=seed, watch=watch)
    model = samples.classifier.model
    watch.stage("reading features")
    found = samples.features(stage_name(model, stage))
    predicted = predict(model, samples.batches()).predicted
    watch.stage("drawing the map")
    flat = samples.pixels.reshape(len(samples.rows), -1).astype(np.float32)
    return Embedded(
        map=space.embed(found, method=method, labels=samples.labels, seed=seed),
        pixels_silhouette=space.embed(flat, method="pca", labels=samples.labels, seed=seed).silhouette,
        labels=samples.labels,
        wrong=predicted != samples.labels,
        pictures=samples.pixels,
        class_names=samples.manifest.class_names,
    )


def drawn(found: Embedded) -> Figure:
    """The map as a drawing."""
    name = {"tsne": "t-SNE", "pca": "PCA"}[found.map.method]
    caption = (
        f"{name} of the features. Separation of the classes (silhouette): {found.map.silhouette:.2f} in feature space, "
        f"{found.pixels_silhouette:.2f} in pixels. {int(found.wrong.sum())} of {len(found.wrong)} are mistaken."
    )
    return embedding(
        found.map.points, found.labels, found.class_names, wrong=found.wrong, pictures=list(found.pictures),
        title=f"{name} of the features", caption=caption,
    )  # fmt: skip
