"""Features: what a layer says about every sample, written down for other classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier
from hubel.records.nets import last_stage, stage_name
from hubel.records.subjects import samples_of
from hubel.watching import SILENT, Watcher


@dataclass(frozen=True, kw_only=True)
class Features:
    """A table of features."""

    layer: str
    values: np.ndarray
    """N F float32."""
    labels: np.ndarray
    """N int64."""
    names: tuple[str, ...]
    """N: what each sample is called."""
    class_names: tuple[str, ...]

    def save(self, path: str | Path) -> Path:
        """Write an .npz that `numpy.load` reads without pickle: features, labels, names, class_names, layer."""
        path = Path(path).with_suffix(".npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path, features=self.values, labels=self.labels, names=np.array(self.names, dtype=np.str_),
            class_names=np.array(self.class_names, dtype=np.str_), layer=np.array(self.layer, dtype=np.str_),
        )  # fmt: skip
        return path


def features(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    stage: str | int | None = None,
    split: str = "train",
    limit: int | None = None,
    device: str = "auto",
    watch: Watcher = SILENT,
) -> Features:
    """The features of a `split` of the run's data, or of all of other `data`: maps are averaged over their places."""
    samples = samples_of(run, data, split=split, limit=limit, device=device, watch=watch)
    model = samples.classifier.model
    layer = stage_name(model, stage) or last_stage(model)
    watch.stage("reading features")
    return Features(
        layer=layer,
        values=samples.features(layer),
        labels=samples.labels,
        names=tuple(samples.name(int(row)) for row in samples.rows),
        class_names=samples.manifest.class_names,
    )
