"""How alike new pictures are to those a net was trained on: linear classifiers on what its stages see."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import nn

from hubel.assembly.prepare import Prepared
from hubel.data.batches import batches, reading_size
from hubel.data.splits import limited
from hubel.training.features import stage_features
from hubel.training.transfer import FOLDS, STUDIED, Probe, cross_validated
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
    """Training samples, each judged by a classifier that was fitted to others."""
    seconds: float = 0.0
    """What the frozen net took for one of them."""


def study(prepared: Prepared, model: nn.Module, watch: Watcher) -> Study:
    """Look at the training part with a frozen net; empty where samples have no class each, or are hardly any."""
    manifest = prepared.manifest
    train = prepared.ids("train")
    if not prepared.task.counts or len(train) < 2 * FOLDS:
        return Study()
    rows = limited(train, manifest.labels[train], STUDIED)
    watch.stage("looking how alike the new pictures are")
    names = stages_of(model)
    count = min(PROBED, len(names))
    chosen = [names[len(names) - 1 - round(i * (len(names) - 1) / max(1, count - 1))] for i in range(count)][::-1]
    reading = batches(
        prepared.decoded, rows, preprocessing=prepared.preprocessing, batch_size=reading_size(prepared.decoded),
        device=next(model.parameters()).device,
        channels_last=prepared.recipe.train.channels_last and prepared.preprocessing is not None,
    )  # fmt: skip
    started = time.perf_counter()
    features = stage_features(model, (batch.images for batch in reading), names)
    seconds = (time.perf_counter() - started) / len(rows)
    labels = torch.from_numpy(manifest.labels[rows])

    def accuracy(*stages: str) -> float:
        return cross_validated(torch.cat([features[stage] for stage in stages], dim=1), labels)

    seen = [stage for stage in names if stage in features]
    dense = isinstance(model.get_submodule(str(model.head)), nn.Linear)
    return Study(
        probes=tuple(Probe(stage=stage, accuracy=accuracy(stage)) for stage in chosen if stage in seen),
        together=accuracy(*seen) if dense and len(seen) > 1 else None,
        samples=len(rows),
        seconds=seconds,
    )


def stages_of(model: nn.Module) -> list[str]:
    """Names of the stages, from the first."""
    return [str(name) for name in model.stages]  # type: ignore[union-attr]
