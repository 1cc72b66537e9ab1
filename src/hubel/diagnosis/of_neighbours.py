"""Checks whether labels fit the samples, by the nearest training samples.

Letters: N samples, F numbers of a sample as it is compared, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from hubel.diagnosis.checks import error, examines, found, warning
from hubel.diagnosis.copies import COMPARED
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.nearness import nearness, relabelled
from hubel.diagnosis.patient import Patient
from hubel.words import percent


@examines(
    "data",
    warning("labels-shuffled", "data", "labels that have nothing to do with the samples", needs="classes"),
    warning("label-noise", "data", "many labels that all near samples contradict", needs="classes"),
)
def compare_neighbours(patient: Patient) -> Iterator[Finding]:
    """How often the nearest samples have the same label, against labels dealt out by chance."""
    near = nearness(patient)
    if near is None:
        return
    voted = near.vote(near.of_itself()[0])
    agree = float((voted == near.classes).float().mean())
    shuffled = [
        near.classes[torch.from_numpy(np.random.default_rng(s).permutation(len(near.classes)))] for s in (1, 2, 3)
    ]
    chance = float(np.mean([float((voted == labels).float().mean()) for labels in shuffled]))
    deviation = (chance * (1 - chance) / len(voted)) ** 0.5
    if agree < chance + max(0.05, 3 * deviation) and len(voted) >= 100:
        yield found(
            "labels-shuffled", "the nearest samples have the same label no oftener than by chance",
            agreement=agree, by_chance=chance, samples=len(voted),
            mend="join pictures and labels by file name, not by their place in two lists; look: hubel data DATA",
            shown="KNeighborsClassifier().fit(images, labels).score(val_images, val_labels)",
        )  # fmt: skip
        return
    neighbours = near.of_itself()[0]
    one = (neighbours == neighbours[:, :1]).all(1)
    against = one & (neighbours[:, 0] != near.classes)
    share = float(against.sum()) / max(1, int(one.sum()))
    if agree > 0.6 and int(one.sum()) >= 100 and share > NOISE:
        yield found(
            "label-noise", f"about {percent(share, 0)} of the labels are contradicted by all near samples",
            contradicted=int(against.sum()), of=int(one.sum()), share=share,
            mend="hubel clean DATA --folds 5 lists those that are probably wrong", shown="hubel clean DATA --folds 5",
        )  # fmt: skip


NOISE = 0.04


@examines(
    "data",
    error("labels-shifted", "data", "validation's labels are those of training under other numbers", needs="classes"),
    warning(
        "labels-shuffled-in-validation",
        "data",
        "validation's labels have nothing to do with its samples",
        needs="classes",
    ),
)
def relabel(patient: Patient) -> Iterator[Finding]:
    """Labels of validation by the nearest training samples, as they are and under the best one-to-one relabelling.

    The relabelling is a linear assignment on the table of (said, given) (H. W. Kuhn, 1955).
    """
    near, held = nearness(patient), patient.held
    if near is None or held is None or held.classes is None or held.images.shape[1:] != near.shape:
        return
    if not bool(torch.isfinite(held.images).all()) or len(held.classes) < 40:
        return
    given = held.classes[:COMPARED]
    said = near.vote(near.of(held.images)[0])
    if held.images.shape[1] == 3 and held.pictures:
        flipped = near.vote(near.of(held.images.flip(1))[0])
        as_they_are, turned = float((said == given).float().mean()), float((flipped == given).float().mean())
        if turned > as_they_are + 0.2:
            yield found(
                "channels-swapped", "red and blue are the other way round in validation",
                agreement=as_they_are, after_swapping=turned,
                mend="images = images.flip(1) in validation (cv2 reads BGR: cv2.cvtColor(image, cv2.COLOR_BGR2RGB))",
                shown="KNeighborsClassifier().fit(images, labels).score(val_images.flip(1), val_labels)",
            )  # fmt: skip
            return
    yield from judge_relabelling(said.numpy(), given.numpy(), "nearest training samples")
    own = float((near.vote(near.of_itself()[0]) == near.classes).float().mean())
    count = max(int(near.classes.max()), int(given.max())) + 1
    share = torch.bincount(given, minlength=count).double() / len(given)
    chance = float((share[said.clamp_max(count - 1)]).mean())
    as_is, best, _ = relabelled(said.numpy(), given.numpy())
    if as_is < chance + 0.05 and own > chance + 0.3 and best < as_is + 0.2:
        yield found(
            "labels-shuffled-in-validation", "near training samples say no more of validation's labels than chance",
            agreement=as_is, by_chance=chance, within_training=own,
            mend="join validation's pictures and labels by file name, not by their place in two lists",
            shown="KNeighborsClassifier().fit(images, labels).score(val_images, val_labels)",
        )  # fmt: skip


def judge_relabelling(said: np.ndarray, given: np.ndarray, by: str) -> Iterator[Finding]:
    """The finding, where labels under other numbers fit far better."""
    as_is, best, moved = relabelled(said, given)
    if best > as_is + 0.2 and best > 0.5 and moved:
        steps = {c - r for r, c in moved.items()}
        how = (
            f"every number is {abs(steps.pop())} off"
            if len(steps) == 1
            else f"{len(moved)} classes have changed places"
        )
        first, then = next(iter(moved.items()))
        yield found(
            "labels-shifted", f"validation's labels are training's under other numbers: {how}",
            agreement=as_is, after_renumbering=best, moved=len(moved), first=f"{then} is {first}",
            mend="one list of classes for both parts: dataset_val.class_to_idx = dataset_train.class_to_idx",
            shown=f"linear_sum_assignment(-confusion), said by {by}",
        )  # fmt: skip


@examines(
    "data",
    warning("augmentation-destroys-labels", "data", "augmented samples that look like another class", needs="classes"),
)
def look_at_augmentation(patient: Patient) -> Iterator[Finding]:
    """Augmented training samples whose nearest samples as they are all have one other class, as near as usual."""
    if patient.mirrors is not None and patient.mirrors.strangers:
        yield found(
            "augmentation-destroys-labels", "training shows mirror images, which look like no sample of the set",
            nearer_as_they_are=patient.mirrors.handed, asked=patient.mirrors.asked, lost=patient.mirrors.lost,
            mend="--augment translate=2 without flip, or --augment none", settings={"augment": ["translate=2"]},
            shown="hubel.data.mirrors.ask_mirrors(images, labels, rows)",
        )  # fmt: skip
        return
    near = nearness(patient)
    if near is None or patient.augment is None:
        return
    own_near, own_far = near.of_itself()
    usual = own_far.quantile(0.95)
    clean = patient.train.images[:COMPARED]
    classes = patient.train.classes
    assert classes is not None
    changed = patient.augment(clean)
    neighbours, far = near.of(changed)
    there = (far <= usual) & (neighbours == neighbours[:, :1]).all(1)
    lost = there & (neighbours[:, 0] != classes[: len(changed)])
    before = float(((own_near == own_near[:, :1]).all(1) & (own_near[:, 0] != near.classes)).float().mean())
    name = patient.named
    worst: tuple[float, int, int] = (0.0, 0, 0)
    for label in classes.unique().tolist():
        rows = classes[: len(changed)] == label
        share = float(lost[rows].float().mean()) - before
        if share > worst[0] and int(rows.sum()) >= 10:
            into = int(neighbours[rows & lost, 0].mode().values)
            worst = (share, label, into)
    if worst[0] > 0.1:
        yield found(
            "augmentation-destroys-labels",
            f"augmented, {percent(worst[0], 0)} of the samples of {name(worst[1])} look like {name(worst[2])}",
            share=worst[0], of=name(worst[1]), taken_for=name(worst[2]),
            mend="leave flips and turns out: --augment none", shown="show augmented images beside their labels",
            settings={"augment": ["none"]},
        )  # fmt: skip
