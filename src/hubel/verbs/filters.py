"""Filters: the learned kernels of a convolution as tiles."""

from __future__ import annotations

from pathlib import Path

from hubel.checkpoint import Classifier
from hubel.features import units
from hubel.features.units import Filters
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.records.nets import classifier_of


def filters(run: str | Path | Classifier, stage: str | int | None = None) -> Filters:
    """The kernels of a convolution of a run: the first one, the one of a number (from 1 on), or one by name."""
    classifier, _ = classifier_of(run)
    named = stage is not None and not str(stage).isdigit()
    return units.filters(classifier.model, str(stage) if named else None if stage is None else int(stage) - 1)


def drawn(found: Filters, *, count: int = 64) -> Figure:
    """Kernels that read RGB in colour; others channel by channel: a row for each kernel, its first channels in it."""
    kernels = found.weights
    if found.coloured:
        shown = list(kernels[:count])
        labels = [str(number) for number in range(len(shown))]
        columns, how = 8, "in colour"
    elif kernels.shape[1] == 1:
        shown, columns, how = (
            [kernel[0] for kernel in kernels[:count]],
            8,
            "grey is zero, white positive, black negative",
        )
        labels = [str(number) for number in range(len(shown))]
    else:
        columns = min(8, kernels.shape[1])
        rows = max(count // columns, 1)
        shown = [channel for kernel in kernels[:rows] for channel in kernel[:columns]]
        labels = [f"{unit}·{channel}" for unit in range(min(rows, len(kernels))) for channel in range(columns)]
        how = "a row for each kernel, a column for each channel it reads; grey is zero"
    size = "x".join(map(str, kernels.shape[2:]))
    alt = f"{found.layer}: {len(kernels)} kernels {size} over {kernels.shape[1]} channels; {how}."
    signed = not found.coloured
    return tiles(shown, labels=labels, side=48, columns=columns, signed=signed, alt=alt, caption=alt)
