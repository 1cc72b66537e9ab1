"""How alike new pictures are to those a net was trained on: linear classifiers on what its stages see."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import nn

from hubel.assembly.prepare import Prepared
from hubel.data.batches import batches
from hubel.data.splits import limited
from hubel.training.features import TRIED, WORTH, Arithmetic, Seen, at_once, quicker, stage_features
from hubel.training.state import forward_precision
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
    """What the frozen net takes for one of them in float32."""
    seen: Seen | None = None
    """What it saw of all training samples; None where there are more than it has looked at."""


def arithmetic_of(prepared: Prepared, model: nn.Module) -> Arithmetic:
    """In which the frozen net looks at training pictures: as the recipe says, or as a trial does, where that pays.

    Also of a net that is thawed later, whose training makes a trial of its own.
    """
    recipe, device = prepared.recipe, next(model.parameters()).device
    usual = Arithmetic(precision=forward_precision(recipe.train.precision, device))
    rows = prepared.ids("train")
    pixels = len(rows) * prod(prepared.decoded.images.shape[2:])
    if recipe.train.precision != "auto" or prepared.preprocessing is None or pixels < WORTH:
        return usual
    some = next(
        batches(
            prepared.decoded, rows[:: max(1, len(rows) // TRIED)][:TRIED], preprocessing=prepared.preprocessing,
            batch_size=at_once(prepared.decoded, device), device=device, channels_last=recipe.train.channels_last,
        )
    )  # fmt: skip
    found = quicker(model, some.images)
    return found if found.reason else usual


def study(prepared: Prepared, model: nn.Module, watch: Watcher, how: Arithmetic) -> Study:
    """Look at the training part with a frozen net; empty where samples have no class each, or are hardly any."""
    manifest = prepared.manifest
    train = prepared.ids("train")
    if not prepared.task.counts or len(train) < 2 * FOLDS:
        return Study()
    rows = limited(train, manifest.labels[train], STUDIED)
    watch.stage("looking how alike the new pictures are")
    names, device = stages_of(model), next(model.parameters()).device
    count = min(PROBED, len(names))
    chosen = [names[len(names) - 1 - round(i * (len(names) - 1) / max(1, count - 1))] for i in range(count)][::-1]
    reading = batches(
        prepared.decoded, rows, preprocessing=prepared.preprocessing,
        batch_size=at_once(prepared.decoded, device), device=device,
        channels_last=prepared.recipe.train.channels_last and prepared.preprocessing is not None,
    )  # fmt: skip
    started = time.perf_counter()
    seen = stage_features(model, (batch.images for batch in reading), names, precision=how.precision)
    seconds = how.gain * (time.perf_counter() - started) / len(rows)
    labels = torch.from_numpy(manifest.labels[rows])

    def accuracy(*stages: str) -> float:
        return cross_validated(torch.cat([seen.stages[stage] for stage in stages], dim=1), labels)

    dense = isinstance(model.get_submodule(str(model.head)), nn.Linear)
    return Study(
        probes=tuple(Probe(stage=stage, accuracy=accuracy(stage)) for stage in chosen),
        together=accuracy(*names) if dense and len(names) > 1 else None,
        samples=len(rows),
        seconds=seconds,
        seen=seen if np.array_equal(rows, train) else None,
    )


def stages_of(model: nn.Module) -> list[str]:
    """Names of the stages, from the first."""
    return [str(name) for name in model.stages]  # type: ignore[union-attr]
