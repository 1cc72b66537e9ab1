"""Neighbours: the training pictures nearest to a picture, by the net's features and, beside it, by the bare pixels.

For a whole split: how often the neighbours are of the right class, in both ways, and by lot.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubel.checkpoint import Classifier
from hubel.faces.progress import shows_progress
from hubel.features.neighbours import Agreement, NeighboursFound, find_neighbours, measure_agreement
from hubel.records.samples import samples_of
from hubel.records.subjects import see_picture
from hubel.types import Batch
from hubel.verbs.features import read_features
from hubel.watching import SILENT, Watcher


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

    Features are those of a `stage`; if none is named of the last one, or the points of a net that answers with such.
    """
    seen = see_picture(run, picture, device=device, answers=False, several=True)
    samples = samples_of(run, data, split=split, limit=limit, device=device, several=True, watch=watch)
    watch.stage("reading features")
    table = read_features(samples, stage, points=True)
    one = [Batch(seen.image[None], seen.image.new_zeros(1), seen.image.new_zeros(1))]
    return find_neighbours(seen.pixels, samples.features(table.layer, one), table, samples.pixels, k=k)


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
    first, second = ((read_features(part, stage, points=True), part.pixels) for part in (asked, samples))
    return measure_agreement(first, second, k=k, watch=watch)
