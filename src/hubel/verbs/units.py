"""Units: the patches of the data that excite each unit of a layer most, and a picture that would even more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier
from hubel.features.units import TopPatches, maximise, top_patches
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.records.nets import stage_name
from hubel.records.subjects import samples_of
from hubel.watching import SILENT, Watcher


@dataclass(frozen=True, kw_only=True)
class Units:
    """What some units of a layer look for."""

    top: TopPatches
    """Of all units of the layer."""
    units: tuple[int, ...]
    """Those that are shown: the first ones, or those asked for."""
    patches: tuple[tuple[np.ndarray, ...], ...]
    """For each shown unit, its k patches as C h w uint8, most exciting first."""
    names: tuple[tuple[str, ...], ...]
    """For each shown unit, the samples the patches are from."""
    maximal: np.ndarray | None
    """For each shown unit, a picture C H W uint8 that was made to excite it; None if none was asked for."""


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
    watch: Watcher = SILENT,
) -> Units:
    """One pass over a `split` of the run's data, or over other `data`; memory holds k places for each unit, no more.

    `which` units are shown (the first twelve unless given); with `made`, a picture is made for each by gradient ascent.
    """
    samples = samples_of(run, data, split=split, limit=limit, device=device, watch=watch)
    model, preprocessing = samples.classifier.model, samples.classifier.preprocessing
    assert preprocessing is not None
    watch.stage("looking through the data")
    top = top_patches(model, samples.batches(), stage_name(model, stage), k=k)
    chosen = tuple(which) or tuple(range(min(12, len(top.values))))
    maximal = None
    if made:
        watch.stage("making pictures")
        found = maximise(model, top.layer, chosen, size=preprocessing.shape, steps=steps)
        maximal = np.clip(np.asarray(preprocessing.denormalise(found)) * 255, 0, 255).round().astype(np.uint8)
    patches, names = [], []
    for unit in chosen:
        real = [(int(row), box) for row, box in zip(top.ids[unit], top.boxes[unit], strict=True) if row >= 0]
        patches.append(tuple(samples.decoded.images[row][:, t:b, left:r] for row, (t, left, b, r) in real))
        names.append(tuple(samples.name(row) for row, _ in real))
    return Units(top=top, units=chosen, patches=tuple(patches), names=tuple(names), maximal=maximal)


def drawn(found: Units) -> Figure:
    """A row for each unit: the made picture first, if there is one, then its patches."""
    k = max(len(row) for row in found.patches)
    shown, labels = [], []
    for index, unit in enumerate(found.units):
        row = list(found.patches[index])
        words = [f"{value:.3g}" for value in found.top.values[unit][: len(row)]]
        blank = [np.full((1, 1), 255, np.uint8)] * (k - len(row))
        if found.maximal is not None:
            row, words = [found.maximal[index], *row], ["made", *words]
        words[0] = f"{unit}: {words[0]}"
        shown += row + blank
        labels += words + [""] * len(blank)
    alt = f"{found.top.layer}: the {k} most exciting patches of {len(found.units)} units, a row for each."
    columns = k + (found.maximal is not None)
    return tiles(shown, labels=labels, side=72, columns=columns, alt=alt, caption=alt)
