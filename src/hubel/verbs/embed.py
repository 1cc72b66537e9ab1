"""Embed: a map of a data set in the net's feature space, with pictures, and mistakes marked."""

from __future__ import annotations

from pathlib import Path

from hubel.checkpoint import Classifier
from hubel.faces.progress import shows_progress
from hubel.features.space import DataMap, map_data
from hubel.inference import predict
from hubel.records.nets import stage_name
from hubel.records.samples import samples_of
from hubel.watching import SILENT, Watcher


@shows_progress
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
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> DataMap:
    """t-SNE or PCA of the features of a `split` of the run's data, or of other `data`; of at most `limit` samples."""
    samples = samples_of(
        run, data, split=split, limit=limit, device=device, seed=seed, judged=True, points=True, watch=watch
    )
    model = samples.classifier.model
    watch.stage("reading features")
    found = samples.features(stage_name(model, stage))
    known = samples.classifier.class_names == samples.manifest.class_names  # else it is not asked for their names
    predicted = predict(model, samples.batches()).predicted if known else samples.labels
    watch.stage("drawing the map")
    return map_data(
        found, samples.pixels, samples.labels, predicted, samples.manifest.class_names, method=method, seed=seed
    )
