"""What a report says of a task that is no label: parts of its page, each a heading, a text, drawings and a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hubel.evaluation.reconstruction import Reconstruction
from hubel.evaluation.result import Exhibit, TaskResult
from hubel.evaluation.segmentation import Segmentation
from hubel.figures.areas import areas, tinted
from hubel.figures.bars import bars
from hubel.figures.images import to_hwc
from hubel.figures.theme import Figure
from hubel.words import number, percent, span


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the page."""

    title: str
    text: str
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """By name, as they are saved beside the page."""
    head: Sequence[str] = ()
    """Of the table, the first column to the left."""
    rows: Sequence[Sequence[str]] = ()


def parts_of(result: object) -> tuple[Part, ...]:
    """The parts of the page that tell of a result; () for one of labels, which have pages of their own."""
    if not isinstance(result, TaskResult):
        return ()
    return DRAWN[type(result)](result)


def draw_reconstruction(result: Reconstruction) -> tuple[Part, ...]:
    """Pictures beside their reconstructions, by class, and the worst."""
    found = [
        Part(
            title="Given back",
            text="Above what the net saw, below what it gave back through its code: pictures evenly spread over the "
            f"{result.split} split, and how far each is off in decibels (20 is coarse, 30 is good, 40 hard to tell).",
            figures={"given_back": _pairs(result.usual, "pictures above their reconstructions")},
        )
    ]
    rows = result.by_class()
    if len(rows) > 1:
        found.append(
            Part(
                title="Class by class",
                text="The net looks at no label; that some classes are given back worse says where its code is short.",
                figures={
                    "by_class": bars([row[2] for row in rows[:30]], [row[0] for row in rows[:30]], title="PSNR in dB")
                },
                head=("class", "pictures", "PSNR", "95 % interval", "mean squared error"),
                rows=[
                    (name, f"{count:,}", f"{psnr:.2f} dB", f"{low:.2f} to {high:.2f}", f"{mse:.4g}")
                    for name, count, psnr, mse, (low, high) in rows
                ],
            )
        )
    found.append(
        Part(
            title="Given back worst",
            text="Where the error is largest. What is strange among these pictures is likely here.",
            figures={"worst": _pairs(result.worst, "the pictures that were given back worst")},
        )
    )
    return tuple(found)


def _pairs(shown: Sequence[Exhibit], alt: str) -> Figure:
    rows = [("seen", [each.picture for each in shown]), ("given back", [each.answer for each in shown])]
    labels = [f"{-10 * np.log10(max(each.score, 1e-10)):.1f} dB" for each in shown]
    return areas(rows, (), labels=labels, alt=f"{len(shown)} columns: {alt}.")


def draw_segmentation(result: Segmentation) -> tuple[Part, ...]:
    """Overlap by class, overlays, and the worst pictures."""
    rows = result.by_class()
    off = result.confusion - np.diag(np.diag(result.confusion))
    true, said = (int(k) for k in np.unravel_index(int(off.argmax()), off.shape))
    confused = ""
    if off.max():
        share = off[true, said] / max(1, result.confusion[true].sum())
        confused = (
            f" Most often {result.class_names[true]} was taken for {result.class_names[said]}: "
            f"{percent(float(share), 1)} of its pixels."
        )
    names = [row[0] for row in rows]
    return (
        Part(
            title="Class by class",
            text="Overlap of true and answered area over all pictures together; intervals are over pictures, which "
            f"might have been others.{confused}",
            figures={"by_class": bars([row[2] for row in rows[:30]], names[:30], title="IoU", share=True)},
            head=("class", "IoU", "95 % interval", "Dice", "true pixels"),
            rows=[
                (name, percent(overlap, 1), span(interval), percent(both, 1), f"{pixels:,}")
                for name, pixels, overlap, both, interval in rows
            ],
        ),
        Part(
            title="What it sees where",
            text="Pictures evenly spread over the split: as they are, with their true areas, with those the net finds.",
            figures={"overlays": _overlays(result.usual, result, "pictures with true and found areas")},
        ),
        Part(
            title="Worst pictures",
            text="Those with the lowest mean IoU. A wrong mask is found here as well as a weakness of the net: look.",
            figures={"worst": _overlays(result.worst, result, "the pictures that overlap least")},
        ),
    )  # fmt: skip


def _overlays(shown: Sequence[Exhibit], result: Segmentation, alt: str) -> Figure:
    count = len(result.class_names)
    truths = [tinted(each.picture, each.truth, count) for each in shown if each.truth is not None]
    rows = [
        ("seen", [to_hwc(each.picture) for each in shown]),
        ("true", truths),
        ("found", [tinted(each.picture, each.answer, count) for each in shown]),
    ]
    labels = [f"IoU {number(each.score)}" for each in shown]
    return areas(rows, result.class_names, labels=labels, alt=f"{len(shown)} columns: {alt}.")


DRAWN: dict[type, Callable[[Any], tuple[Part, ...]]] = {
    Reconstruction: draw_reconstruction,
    Segmentation: draw_segmentation,
}
"""Type of result -> what draws it."""
