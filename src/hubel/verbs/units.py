"""Units: the patches of the data that excite each unit of a layer most, and a picture that would even more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubel.checkpoint import Classifier
from hubel.faces.progress import shows_progress
from hubel.features.units import Units, show_units, top_patches
from hubel.records.nets import stage_name
from hubel.records.samples import samples_of
from hubel.watching import SILENT, Watcher


@shows_progress
def units(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    stage: str | int | None = None,
    split: str = "train",
    which: Sequence[int] = (),
    k: int = 8,
    made: bool = True,
    steps: int = 128,
    limit: int | None = None,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Units:
    """One pass over a `split` of the run's data, or over other `data`; memory holds k places for each unit, no more.

    `which` units are shown (the first twelve unless given); with `made`, a picture is made for each by gradient ascent.
    """
    samples = samples_of(run, data, split=split, limit=limit, device=device, watch=watch)
    model = samples.classifier.model
    watch.stage("looking through the data")
    top = top_patches(model, samples.batches(), stage_name(model, stage), k=k)
    if made:
        watch.stage("making pictures")
    return show_units(
        model, top, which, pictures=samples.decoded.images, name=samples.name,
        made=samples.classifier.preprocessing if made else None, steps=steps,
    )  # fmt: skip
