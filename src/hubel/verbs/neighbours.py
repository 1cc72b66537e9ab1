"""Neighbours: the training pictures nearest to a picture, by the net's features and, beside it, by the bare pixels.

For a whole split: how often the neighbours are of the right class, in both ways, and by lot.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from hubel.checkpoint import Classifier
from hubel.evaluation.metric_learning import embedded
from hubel.faces.progress import shows_progress
from hubel.features.neighbours import Agreement, NeighboursFound, find_neighbours, measure_agreement
from hubel.features.table import FeatureTable
from hubel.inference import features
from hubel.nn.modes import evaluating
from hubel.records.samples import Samples, samples_of
from hubel.records.subjects import see_picture
from hubel.tasks import TASKS
from hubel.types import Batch
from hubel.verbs.features import read_features, table_of
from hubel.watching import SILENT, Watcher

POINTS = "points on the sphere"
"""The layer of a table of what a net answers, where that is a place."""


@shows_progress
def neighbours(
    run: str | Path | Classifier,
    picture: Any,
    data: str | Path | None = None,
    *,
    k: int = 8,
    stage: str | int | None = None,
    split: str = "train",
    limit: int | None = None,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> NeighboursFound:
    """The k samples of a `split` of the run's data (or of other `data`) nearest to a picture, in two ways.

    Features are those of a `stage`; if none is named, of the last one, or the points of a net that lays pictures on a
    sphere.
    """
    seen = see_picture(run, picture, device=device, answers=False, several=True)
    samples = samples_of(run, data, split=split, limit=limit, device=device, several=True, watch=watch)
    watch.stage("reading features")
    table = _table(samples, stage)
    if table.layer == POINTS:
        net = TASKS.get(samples.classifier.task).answering(samples.classifier.model)
        with evaluating(net), torch.no_grad():
            own = net(seen.image[None]).cpu().numpy()
    else:
        one = [Batch(seen.image[None], seen.image.new_zeros(1), seen.image.new_zeros(1))]
        own = features(seen.model, one, table.layer)
    return find_neighbours(seen.pixels, own, table, samples.pixels, k=k)


def _table(samples: Samples, stage: str | int | None) -> FeatureTable:
    """What samples are like to the net: its answers, where these are places, else what a stage says."""
    net = samples.classifier
    if stage is not None or net.task not in TASKS or not TASKS.get(net.task).places:
        return read_features(samples, stage)
    points = embedded(net, samples.decoded, samples.rows, samples.device)
    return table_of(samples, POINTS, points)


@shows_progress
def agreement(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    k: int = 5,
    stage: str | int | None = None,
    split: str = "train",
    limit: int | None = 10_000,
    queries: int = 1000,
    seed: int = 0,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Agreement:
    """Search the neighbours of `queries` test samples in a `split` of the run's data, or in other `data`.

    Both parts are drawn by `seed` where they are larger than their limit.
    """
    same: dict[str, Any] = {"device": device, "seed": seed, "several": True, "watch": watch}
    asked = samples_of(run, split="test", limit=queries, **same)
    samples = samples_of(run, data, split=split, limit=limit, **same)
    watch.stage("reading features")
    first, second = ((_table(part, stage), part.pixels) for part in (asked, samples))
    return measure_agreement(first, second, k=k, watch=watch)
