"""Checks of labels and their order: how many of each class, mixed or sorted, samples that repeat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch

from hubel.diagnosis.checks import error, examines, found, warning
from hubel.diagnosis.copies import digests_of
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient, as_pair, class_numbers
from hubel.words import percent


@examines(
    "data",
    error("one-class", "data", "all samples have the same label", needs="classes"),
    warning("imbalance", "data", "one class has more than ten times the samples of another", needs="classes"),
    warning("missing-class", "data", "a class that validation has and training has not", needs="classes"),
)
def count_classes(patient: Patient) -> Iterator[Finding]:
    """How many samples each class has."""
    classes = patient.train.every_class
    if classes is None:
        return
    values, counts = classes.unique(return_counts=True)
    name = patient.named
    if len(values) == 1 and len(classes) > 8:
        yield found(
            "one-class", f"all {len(classes)} samples are labelled {name(int(values[0]))}", samples=len(classes),
            mend="look at the labels where they are read: labels.unique()", shown="labels.unique()",
        )  # fmt: skip
        return
    most, least = int(counts.argmax()), int(counts.argmin())
    ratio = int(counts[most]) / int(counts[least])
    if ratio > 10 and int(counts[most]) >= 30:
        yield found(
            "imbalance", f"{name(int(values[most]))} has {ratio:.0f} times the samples of {name(int(values[least]))}",
            most=int(counts[most]), fewest=int(counts[least]), ratio=ratio, majority=int(counts[most]) / len(classes),
            mend="--class-weights balanced; in torch: CrossEntropyLoss(weight=1 / counts)",
            shown="labels.bincount()", settings={"class_weights": "balanced"},
        )  # fmt: skip
    held = None if patient.held is None else patient.held.every_class
    if held is not None and patient.train.whole:
        absent = sorted(set(held.unique().tolist()) - set(values.tolist()))
        if absent:
            yield found(
                "missing-class", f"validation has {name(absent[0])}, which training has not",
                classes=len(absent), first=name(absent[0]),
                mend="split so that every class is in both parts: stratify=labels",
                shown="set(val_labels.unique().tolist()) - set(labels.unique().tolist())",
            )  # fmt: skip


@examines(
    "data",
    error(
        "not-shuffled",
        "data",
        "batches hold fewer classes than chance would give: the data come sorted",
        needs="classes",
    ),
    warning("same-order", "data", "two epochs begin with the same batch"),
    warning("repeated-samples", "data", "an epoch shows the same sample several times"),
)
def look_at_order(patient: Patient) -> Iterator[Finding]:
    """Label entropy of batches against what mixing would give; the order of a second epoch; repeats within one."""
    part = patient.train
    classes = part.every_class if part.order is None else class_numbers(part.order)
    sizes = [size for size in part.sizes if size >= 4]
    if classes is not None and len(sizes) >= 3 and len(classes.unique()) > 1 and patient.shuffled:
        starts = np.cumsum([0, *part.sizes])
        seen = [classes[a : a + n] for a, n in zip(starts, part.sizes, strict=False) if n >= 4]
        own = float(np.mean([_entropy(labels) for labels in seen]))
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(classes)))
        mixed = classes[order]
        usual = float(np.mean([_entropy(mixed[a : a + n]) for a, n in zip(starts, part.sizes, strict=False) if n >= 4]))
        if own < 0.6 * usual:
            yield found(
                "not-shuffled",
                f"batches hold {percent(own / usual, 0)} of the variety of classes that mixing would give",
                entropy=own, when_mixed=usual, batches=len(seen),
                mend="DataLoader(dataset, batch_size=…, shuffle=True)",
                shown="[labels.unique().tolist() for images, labels in loader][:3]",
            )  # fmt: skip
            return
    if not isinstance(patient.batches, (list, tuple)) and len(part.sizes) > 1 and patient.shuffled:
        again = next(iter(patient.batches), None)
        if again is not None:
            images, labels = as_pair(again, "batches", patient.device)
            first = part.first
            if images.shape == first[0].shape and torch.equal(images, first[0]) and torch.equal(labels, first[1]):
                yield found(
                    "same-order", "two epochs begin with the same batch", batches=len(part.sizes),
                    mend="DataLoader(dataset, batch_size=…, shuffle=True)",
                    shown="torch.equal(next(iter(loader))[0], next(iter(loader))[0])",
                )  # fmt: skip
    copies: dict[str, int] = defaultdict(int)
    for key in digests_of(part.images):
        copies[key] += 1
    surplus = len(part.images) - len(copies)
    if surplus > 0.1 * len(part.images) and part.images[0].numel() > 4:
        yield found(
            "repeated-samples",
            f"{percent(surplus / len(part.images), 0)} of the samples of an epoch are copies of others",
            samples=len(part.images), different=len(copies), most_often=max(copies.values()),
            mend="RandomSampler(dataset, replacement=False), and each file once in the list of files",
            shown="len({image.numpy().tobytes() for image in images})",
        )  # fmt: skip


def _entropy(labels: torch.Tensor) -> float:
    share = labels.unique(return_counts=True)[1].double()
    share = share / share.sum()
    return float(-(share * share.log()).sum())
