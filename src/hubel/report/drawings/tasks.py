"""What a report says of a task that is no label: parts of its page, each a heading, a text, drawings and a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hubel.evaluation.fields import PictureField
from hubel.evaluation.metric_learning import MetricLearning
from hubel.evaluation.reconstruction import DEVIATIONS, Reconstruction
from hubel.evaluation.result import Exhibit, TaskResult
from hubel.evaluation.segmentation import Segmentation
from hubel.evaluation.sequences import SequenceClasses, SequenceNumbers
from hubel.evaluation.several_labels import SeveralLabels
from hubel.figures.areas import areas, tinted
from hubel.figures.bars import bars
from hubel.figures.curves import curves
from hubel.figures.embedding import embedding
from hubel.figures.images import to_hwc
from hubel.figures.roc import roc
from hubel.figures.theme import Figure
from hubel.report.drawings.fields import draw_field
from hubel.report.drawings.part import Part
from hubel.report.drawings.sequences import draw_classes, draw_numbers
from hubel.words import number, percent, plural, span


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
            text="Above what the net saw, below what it gave back through its code"
            f"{_told_beside(result.usual)}: pictures evenly spread over the {result.split} split, and how far each is "
            "off in decibels (20 is coarse, 30 is good, 40 hard to tell).",
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
                head=("class", "pictures", "PSNR", "95 % interval", "MSE"),
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


def _told_beside(shown: Sequence[Exhibit]) -> str:
    """What further rows mean, in words."""
    names = list(shown[0].beside) if shown else []
    from_, unsure = [name for name in names if name not in DEVIATIONS], [name for name in names if name in DEVIATIONS]
    told = f", made from nothing but the row {' and '.join(repr(name) for name in from_)}" if from_ else ""
    return told + (
        ", and below that how far each pixel may be off (white: most of all in its picture)" if unsure else ""
    )


def _pairs(shown: Sequence[Exhibit], alt: str) -> Figure:
    rows = [("seen", [each.picture for each in shown]), ("given back", [each.answer for each in shown])]
    # What a net tells beside it: before the answer what it is made from, behind it how sure it is.
    for name in shown[0].beside:
        row = (name, [each.beside[name] for each in shown])
        rows.insert(len(rows) if name in DEVIATIONS else len(rows) - 1, row)
    labels = [f"{-10 * np.log10(max(each.score, 1e-10)):.1f} dB" for each in shown]
    return areas(rows, (), labels=labels, alt=f"{len(shown)} columns: {alt}.")


def _moved_along(shares: Sequence[float]) -> str:
    """How far the answer is from being equivariant, in words."""
    low = min(range(len(shares)), key=lambda place: shares[place])
    return (
        "A class belongs to what is seen, not to where: where a picture is moved, its areas should move along. "
        f"Moved by {plural(low + 1, 'pixel')}, {percent(shares[low], 1)} of the pixels keep their class, which is the "
        f"least of 1 to {plural(len(shares), 'pixel')}. A net that halves its maps does so exactly only for multiples "
        "of what it halves by, and apart from what comes in at the border."
    )


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
            text="Pictures evenly spread over the split: as they are, with their true areas, with those the net finds."
            f"{_disputed(result)}",
            figures={"overlays": _overlays(result.usual, result, "pictures with true and found areas")},
        ),
        Part(
            title="Moved pictures",
            text=_moved_along(result.moves_along),
            figures={
                "moved": curves(
                    {"of the pixels": (1.0, *result.moves_along)}, x=range(len(result.moves_along) + 1), share=True,
                    title="The answer moves along", x_label="pixels to the right", width=420,
                )
            },
        ),
        Part(
            title="Worst pictures",
            text="Those with the lowest mean IoU. A wrong mask is found here as well as a weakness of the net: look.",
            figures={"worst": _overlays(result.worst, result, "the pictures that overlap least")},
        ),
    )  # fmt: skip


def _disputed(result: Segmentation) -> str:
    """What the row of disagreement is, and what it is worth, in words; "" for a net alone."""
    if result.disputed is None:
        return ""
    share, differ, alike = result.dissent
    return (
        " Below that where the nets differ (the lighter, the more of them call a pixel otherwise than the mask): at "
        f"{percent(share, 1)} of the pixels. There {percent(differ, 1)} are wrong, where all agree {percent(alike, 1)}."
    )


def _overlays(shown: Sequence[Exhibit], result: Segmentation, alt: str) -> Figure:
    count = len(result.class_names)
    truths = [tinted(each.picture, each.truth, count) for each in shown if each.truth is not None]
    rows = [
        ("seen", [to_hwc(each.picture) for each in shown]),
        ("true", truths),
        ("found", [tinted(each.picture, each.answer, count) for each in shown]),
    ]
    rows += [(name, [each.beside[name] for each in shown]) for name in (shown[0].beside if shown else ())]
    labels = [f"IoU {number(each.score)}" for each in shown]
    return areas(rows, result.class_names, labels=labels, alt=f"{len(shown)} columns: {alt}.")


def draw_several(result: SeveralLabels) -> tuple[Part, ...]:
    """Label by label, and the samples with the most wrong labels."""
    rows, said, worst = result.by_class(), result.said, result.worst()
    by = "on the validation split" if result.fitted else "of 0.5: there were too few validation samples to find others"
    names = [row[0] for row in rows]
    found = [
        Part(
            title="Label by label",
            text="Average precision says how well a label ranks the samples that have it before those that have not; "
            f"precision and recall are those at its threshold, found {by}."
            if result.fitted
            else f"Precision and recall are those at a threshold {by}.",
            figures={
                "by_class": bars([row[2] for row in rows[:30]], names[:30], title="average precision", share=True)
            },
            head=("label", "average precision", "threshold", "precision", "recall", "F1", "samples"),
            rows=[
                (
                    name,
                    percent(ap, 1),
                    number(limit),
                    percent(precision, 1),
                    percent(recall, 1),
                    percent(f1, 1),
                    f"{count:,}",
                )
                for name, count, ap, limit, precision, recall, f1 in rows
            ],
        )
    ]
    if worst:
        shown = [place for place in worst if place in result.pictures]
        pictures = [result.pictures[place] for place in shown]
        drawn = (
            {}
            if not pictures
            else {
                "worst": areas(
                    [("seen", pictures)],
                    (),
                    labels=[f"{n}" for n in range(1, len(shown) + 1)],
                    alt=f"{len(shown)} pictures with the most wrong labels.",
                )
            }
        )
        found.append(
            Part(
                title="Most wrong labels",
                text="Labels that are missing in the table are found here as well as those that the net misses: look.",
                figures=drawn,
                head=("", "sample", "has", "was said to have"),
                rows=[
                    (f"{n}", result.paths[place], result.named(result.truth[place] > 0), result.named(said[place]))
                    for n, place in enumerate(worst, 1)
                ],
            )
        )
    return tuple(found)


def draw_metric(result: MetricLearning) -> tuple[Part, ...]:
    """The map of the embedding, what is near, verification of pairs, recall by class."""
    points = result.points - result.points.mean(0)
    some = slice(None, None, max(1, len(points) // 600))
    _, strengths, axes = np.linalg.svd(points, full_matrices=False)
    kept = float((strengths[:2] ** 2).sum() / max((strengths**2).sum(), 1e-12))
    plane = (points @ axes[:2].T)[some] if axes.shape[0] > 1 else np.zeros((len(points[some]), 2))
    rows = [
        (result.class_names[result.labels[query]],
         [result.pictures[place] for place in (query, *result.nearest[query, : len(result.nearest[query])].tolist())
          if place in result.pictures][:7])
        for query in result.queries
    ]  # fmt: skip
    found = [
        Part(
            title="The map",
            text=f"Embeddings of {result.split} samples on their two strongest axes ({percent(kept, 1)} of their "
            "variance): classes that lie apart here lie apart in all directions; the other way round need not hold.",
            figures={"map": embedding(plane, result.labels[some], result.class_names,
                                      wrong=result.hit[some] == 0, title="Embeddings")},
        )
    ]  # fmt: skip
    if rows:
        found.append(
            Part(
                title="What is near",
                text="First a sample, then the others that are nearest to it. The last rows are samples whose nearest "
                "is of another class.",
                figures={"near": areas(rows, (), alt=f"{len(rows)} samples, each with those nearest to it.")},
            )
        )
    classes = result.by_class()
    found.append(
        Part(
            title="Class by class",
            text="How often the nearest other sample is of the same class.",
            figures={"by_class": bars([row[2] for row in classes[:30]], [row[0] for row in classes[:30]],
                                      title="recall@1", share=True)},
            head=("class", "recall@1", "95 % interval", "samples"),
            rows=[(name, percent(share, 1), span(interval), f"{n:,}") for name, n, share, interval in classes],
        )
    )  # fmt: skip
    v = result.verification
    if len(v.found):
        found.append(
            Part(
                title="Are two of one class?",
                text=f"Called so where they are nearer than a distance, for {v.pairs[0]:,} alike and {v.pairs[1]:,} "
                f"strange pairs: at {number(v.distance)} both errors are {percent(v.equal_error, 1)}. The area under "
                f"the curve is {number(v.auroc)}.",
                figures={"roc": roc(v.false_alarms, v.found, equal=v.equal_error)},
            )
        )
    return tuple(found)


DRAWN: dict[type, Callable[[Any], tuple[Part, ...]]] = {
    Reconstruction: draw_reconstruction,
    Segmentation: draw_segmentation,
    SeveralLabels: draw_several,
    MetricLearning: draw_metric,
    PictureField: draw_field,
    SequenceClasses: draw_classes,
    SequenceNumbers: draw_numbers,
}
"""Type of result -> what draws it."""
