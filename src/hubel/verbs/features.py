"""Features: what a layer says about every sample, written down for other classifiers."""

from __future__ import annotations

from pathlib import Path

from hubel.checkpoint import Classifier
from hubel.faces.progress import shows_progress
from hubel.features.table import FeatureTable
from hubel.records.nets import last_stage, stage_name
from hubel.records.samples import POINTS, Samples, samples_of
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher


@shows_progress
def features(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    stage: str | int | None = None,
    split: str = "train",
    limit: int | None = None,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> FeatureTable:
    """The features of a `split` of the run's data, or of all of other `data`: maps are averaged over their places."""
    samples = samples_of(run, data, split=split, limit=limit, device=device, watch=watch)
    watch.stage("reading features")
    return read_features(samples, stage)


def read_features(samples: Samples, stage: str | int | None = None, *, points: bool = False) -> FeatureTable:
    """The features of samples at a stage, the last one unless given; with `points` where its answers lie, if any do."""
    model = samples.classifier.model
    usual = POINTS if points and samples.classifier.placing is not None else last_stage(model)
    layer = stage_name(model, stage) or usual
    return FeatureTable(
        layer=layer,
        values=samples.features(layer),
        labels=samples.labels,
        names=tuple(samples.name(int(row)) for row in samples.rows),
        class_names=samples.manifest.class_names,
        targets=samples.targets,
    )


def write_features(table: FeatureTable, path: str | Path) -> Path:
    """Write the table as .npz, whole or not at all; returns where it is."""
    path = Path(path).with_suffix(".npz")
    path.parent.mkdir(parents=True, exist_ok=True)
    RunStore.open(path.parent).write_bytes(path.name, table.to_npz())
    return path
