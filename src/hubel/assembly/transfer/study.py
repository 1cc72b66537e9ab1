"""How alike new pictures are to those a net was trained on: linear classifiers on what its stages see."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from hubel.assembly.prepare import Prepared
from hubel.data.batches import batches
from hubel.data.splits import limited
from hubel.training.features import BATCH, stage_features
from hubel.training.transfer import STUDIED, Probe, probe
from hubel.watching import Watcher

PROBED = 6
"""Stages that are probed at most, evenly spread over the depth, the last one among them."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """How well linear classifiers do on what a frozen net sees of the new data."""

    probes: tuple[Probe, ...] = ()
    """Of single stages, from the first."""
    together: float | None = None
    """Accuracy on all stages at once; None for a net whose head cannot see them."""
    samples: int = 0
    """Validation samples these were measured on."""


def study(prepared: Prepared, model: nn.Module, watch: Watcher) -> Study:
    """Look at the new data with a frozen net; empty in regression, or where nothing is held out."""
    manifest = prepared.manifest
    val = prepared.splits.val
    if manifest.regression or len(val) < 2:
        return Study()
    rows = {
        "train": limited(prepared.ids("train"), manifest.labels[prepared.ids("train")], STUDIED),
        "val": limited(val, manifest.labels[val], STUDIED),
    }
    watch.stage("looking how alike the new pictures are")
    names = stages_of(model)
    count = min(PROBED, len(names))
    chosen = [names[len(names) - 1 - round(i * (len(names) - 1) / max(1, count - 1))] for i in range(count)][::-1]
    device = next(model.parameters()).device
    found = {}
    for split, ids in rows.items():
        reading = batches(prepared.decoded, ids, preprocessing=prepared.preprocessing, batch_size=BATCH, device=device)
        found[split] = stage_features(model, (batch.images for batch in reading), names)
    labels = {split: torch.from_numpy(manifest.labels[ids]) for split, ids in rows.items()}

    def accuracy(*stages: str) -> float:
        inputs = {split: torch.cat([features[stage] for stage in stages], dim=1) for split, features in found.items()}
        return probe(inputs["train"], labels["train"], inputs["val"], labels["val"])

    seen = [stage for stage in names if stage in found["train"]]
    dense = isinstance(model.get_submodule(str(model.head)), nn.Linear)
    return Study(
        probes=tuple(Probe(stage=stage, accuracy=accuracy(stage)) for stage in chosen if stage in seen),
        together=accuracy(*seen) if dense and len(seen) > 1 else None,
        samples=len(rows["val"]),
    )


def stages_of(model: nn.Module) -> list[str]:
    """Names of the stages, from the first."""
    return [str(name) for name in model.stages]  # type: ignore[union-attr]
