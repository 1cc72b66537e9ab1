"""Which mean belongs to a net, by what its task says that the mean is taken of; and nets judged, alone or together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hubel.assembly.prepare import Prepared
from hubel.checkpoint import Classifier
from hubel.evaluation.judge import judge
from hubel.records.together import Candidate
from hubel.searching.ensembles import Member
from hubel.searching.means import ClassMean, LabelMean, Mean, NumberMean
from hubel.searching.part_means import PictureMean, PixelMean, StepMean, StepNumberMean
from hubel.tasks import TASKS


def mean_for(net: Classifier) -> Mean:
    """How nets answer together that answer as this one. Raises ArtefactError for a net whose answers have no mean."""
    net.require_mean()
    return MEANS[TASKS.get(net.task).mean](net)


def of_labels(net: Classifier) -> Mean:
    """Of a class, several labels, or a number."""
    return LabelMean() if net.several else ClassMean() if net.class_names else NumberMean(net.columns)


MEANS: dict[str, Callable[[Classifier], Mean]] = {
    "label": of_labels,
    "pictures": lambda net: PictureMean(),
    "pixels": lambda net: PixelMean(),
    "steps": lambda net: StepMean() if net.class_names else StepNumberMean(),
}
"""By `Task.mean`."""


def judged(net: Classifier, prepared: Prepared, device: torch.device) -> list[Any]:
    """How good a net is on the validation split, by which members were chosen, and on the test split if it has one."""
    splits = ("val", *(("test",) if len(prepared.splits.test) else ()))
    return [judge(net, prepared.scan, prepared.decoded, prepared.splits.ids(split), split, device) for split in splits]


def alone_too(
    mean: Mean, candidates: Sequence[Candidate], said: Sequence[np.ndarray], truth: np.ndarray,
    parts: Sequence[Candidate], shares: Sequence[Member], best: Candidate, prepared: Prepared, device: torch.device,
) -> tuple[tuple[Member, ...], list[Any]]:  # fmt: skip
    """The members with what each of them reaches by itself, and the evaluations of the `best` of all candidates."""
    found: dict[int, list[Any]] = {}
    for each in (*parts, best):
        place = next(k for k, candidate in enumerate(candidates) if candidate is each)
        if id(each) not in found:
            found[id(each)] = judged(mean.alone(each.net, said[place], truth), prepared, device)
            each.net.model.cpu()
    members = tuple(
        replace(member, measured=tuple(map(mean.measured, found[id(part)])))
        for member, part in zip(shares, parts, strict=True)
    )
    return members, found[id(best)]


__all__ = ["MEANS", "alone_too", "judged", "mean_for"]
