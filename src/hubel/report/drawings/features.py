"""What a net has learnt to see, drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubel.features.neighbours import NeighboursFound
from hubel.features.prototypes import ClassExamples
from hubel.features.space import METHODS, DataMap
from hubel.features.units import Activations, Filters, Units
from hubel.figures.contact_sheet import contact_sheet
from hubel.figures.embedding import embedding
from hubel.figures.theme import Figure
from hubel.figures.tiles import tiles
from hubel.words import plural


def draw_activations(found: Activations, *, count: int = 32) -> Figure:
    """The strongest maps as grey tiles, each with the number of its channel."""
    shown = found.maps[:count]
    size = "x".join(map(str, found.maps.shape[1:]))
    alt = f"{found.layer}: the {len(shown)} strongest of {len(found.maps)} maps {size}; bright is high."
    labels = [f"{unit}: {strength:.2g}" for unit, strength in zip(found.units, found.strength, strict=True)][:count]
    return tiles(list(shown), labels=labels, side=80, columns=8, alt=alt, caption=alt)


def draw_filters(found: Filters, *, count: int = 64) -> Figure:
    """Kernels that read RGB in colour; others channel by channel: a row for each kernel, its first channels in it."""
    kernels = found.weights
    if found.coloured:
        shown = list(kernels[:count])
        labels = [str(number) for number in range(len(shown))]
        columns, how = 8, "in colour"
    elif kernels.shape[1] == 1:
        shown, columns = [kernel[0] for kernel in kernels[:count]], 8
        labels, how = [str(number) for number in range(len(shown))], "grey is zero, white positive, black negative"
    else:
        columns = min(8, kernels.shape[1])
        rows = max(count // columns, 1)
        shown = [channel for kernel in kernels[:rows] for channel in kernel[:columns]]
        labels = [f"{unit}·{channel}" for unit in range(min(rows, len(kernels))) for channel in range(columns)]
        how = "a row for each kernel, a column for each channel it reads; grey is zero"
    size = "x".join(map(str, kernels.shape[2:]))
    alt = f"{found.layer}: {plural(len(kernels), 'kernel')} {size} over {plural(kernels.shape[1], 'channel')}; {how}."
    signed = not found.coloured
    return tiles(shown, labels=labels, side=48, columns=columns, signed=signed, alt=alt, caption=alt)


def draw_units(found: Units) -> Figure:
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
    alt = f"{found.top.layer}: the {k} most exciting patches of {plural(len(found.units), 'unit')}, a row for each."
    columns = k + (found.maximal is not None)
    return tiles(shown, labels=labels, side=72, columns=columns, alt=alt, caption=alt)


def draw_neighbours(found: NeighboursFound) -> Figure:
    """Two rows: by features above, by pixels below; the picture itself stands first in both."""
    shown, labels = [], []
    for part in found.lists:
        shown += [found.picture, *part.pictures]
        labels += [f"by {part.by}", *part.labels]
    columns = 1 + len(found.lists[0].labels)
    return tiles(shown, labels=labels, side=80, columns=columns, alt=found.sentence, caption=found.sentence)


def draw_class_examples(found: Sequence[ClassExamples]) -> Figure:
    """Two rows for each class: typical samples, and those that stand apart."""
    rows: dict[str, list[np.ndarray]] = {}
    for part in found:
        rows[part.label] = list(part.prototype_pictures)
        if len(part.criticism_pictures):
            rows[f"{part.label}, apart"] = list(part.criticism_pictures)
    return contact_sheet(rows, title="Typical samples, and those that stand apart")


def draw_data_map(found: DataMap) -> Figure:
    """The map, with some of the pictures, and the mistakes marked."""
    pictures = list(found.pictures) if found.pictures.ndim == 4 else ()  # points have none
    return embedding(
        found.map.points, found.labels, found.class_names, wrong=found.wrong, pictures=pictures,
        title=f"{METHODS[found.map.method]} of the features", caption=found.sentence,
    )  # fmt: skip
