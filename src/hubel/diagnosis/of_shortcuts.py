"""A check for marks that give a class away without the subject."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from hubel.care.oddities import probe_shortcuts
from hubel.diagnosis.checks import examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient
from hubel.words import percent

FILES = 2_000
"""Pictures of which the files are asked."""


@examines(
    "data",
    warning(
        "shortcut",
        "data",
        "the border, or the size of pictures or files alone tells the classes apart",
        needs="classes",
    ),
)
def look_for_shortcuts(patient: Patient) -> Iterator[Finding]:
    """Classes from single pixels of the rim, by one split each: a mark in a corner, a frame, a file's own colour."""
    yield from _of_files(patient)
    part, classes = patient.train, patient.train.classes
    if classes is None or not part.pictures or len(classes) < 60 or not bool(torch.isfinite(part.images).all()):
        return
    height, width = part.images.shape[2:]
    if min(height, width) < 6 or len(classes.unique()) < 2:
        return
    rim = torch.ones(height, width, dtype=torch.bool)
    rim[1:-1, 1:-1] = False
    kinds = len(classes.unique())
    usual = max(float((classes == c).float().mean()) for c in classes.unique())
    half = torch.arange(len(classes)) % 2 == 0
    best, where = _best_told(part.images[:, :, rim].flatten(1), classes, half)
    inside, _ = _best_told(part.images[:, :, ~rim].flatten(1), classes, half)
    if best - 1 / kinds > 0.5 * (1 - 1 / kinds) and best > usual + 0.1 and best > inside + 0.15:
        yield found(
            "shortcut",
            f"one pixel at the border alone tells {percent(best, 0)} of the labels (balanced)", accuracy=best,
            by_chance=1 / kinds, best_inside=inside, place=where,
            mend="crop the border away, or hubel clean DATA to see which pictures carry the mark",
            shown="DecisionTreeClassifier().fit(images[:, :, 0, 0], labels)",
        )  # fmt: skip


def _of_files(patient: Patient) -> Iterator[Finding]:
    """Classes from the size of pictures or files alone, by a small forest out of fold."""
    cues = {name: values for name, values in patient.cues.items() if name != "label"}
    if not cues:
        return
    labels = patient.cues["label"][:, 0]
    if len(labels) < 60 or len(np.unique(labels)) < 2:
        return
    rows = np.random.default_rng(0).permutation(len(labels))[:FILES]
    told = probe_shortcuts(
        {name: values[rows] for name, values in cues.items()}, labels[rows], np.arange(len(rows)) % 2
    )
    worst = next((one for one in told if one.suspicious), None)
    if worst is not None:
        yield found(
            "shortcut", f"the {worst.cue} alone tells {percent(worst.accuracy, 0)} of the labels (balanced)",
            accuracy=worst.accuracy, by_chance=worst.chance, cue=worst.cue,
            mend="pictures of all classes from the same source, of one size and format; hubel clean DATA shows them",
            shown="hubel clean DATA",
        )  # fmt: skip


def _best_told(values: torch.Tensor, classes: torch.Tensor, half: torch.Tensor, most: int = 300) -> tuple[float, int]:
    """The best balanced accuracy of one column of N F numbers, of `most` evenly taken ones, and which it is."""
    columns = range(0, values.shape[1], max(1, values.shape[1] // most))
    return max(((_told_by(values[:, column], classes, half), column) for column in columns), default=(0.0, 0))


def _told_by(values: torch.Tensor, classes: torch.Tensor, half: torch.Tensor, bins: int = 24) -> float:
    """Balanced accuracy of the commonest class of each level, learnt on one half and told on the other."""
    edges = torch.quantile(values, torch.linspace(0, 1, bins + 1)[1:-1])
    place = torch.bucketize(values, edges.unique())
    count = int(classes.max()) + 1
    weight = 1 / torch.bincount(classes[half], minlength=count).clamp_min(1).double()
    table = torch.zeros(bins + 1, count, dtype=torch.double)
    table.index_put_((place[half], classes[half]), weight[classes[half]], accumulate=True)
    right = table.argmax(1)[place[~half]] == classes[~half]
    per = [float(right[classes[~half] == c].float().mean()) for c in classes[~half].unique()]
    return float(np.mean(per))
