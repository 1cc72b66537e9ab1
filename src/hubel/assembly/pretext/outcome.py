"""What a training without labels was worth: how well it solved its own task, and what its features tell apart.

The measure of features is a linear classifier on the frozen net, fitted to labelled training pictures and judged on
held-out ones, against the same on the net as it was before it learnt anything, and against published weights where
they are installed. Test pictures are never looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.prepare import Prepared
from hubel.assembly.pretext.feed import SEARCHED
from hubel.assembly.pretext.labelled import Labelled, labelled
from hubel.assembly.transfer.source import find_source
from hubel.assembly.transfer.start import COLOUR
from hubel.checkpoint import Classifier
from hubel.checkpoint.published import at_hand
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded, decode
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, DataError
from hubel.models.pretrained import DEFAULT, published
from hubel.nn.modes import evaluating
from hubel.training.objectives import COLLAPSED, represented
from hubel.training.transfer import noise, probe
from hubel.watching import Watcher

CHANCE = 0.25
"""Of four turns by lot."""
NOT_HERE = "No published weights are here to compare with (hubel models --pretrained)."
TOO_SMALL = (
    "Published weights were not compared with: these pictures are too small for a net that has seen photographs."
)


class Judged(Protocol):
    """What is read of an evaluation."""

    @property
    def top1(self) -> float:
        """Accuracy."""

    @property
    def confusion(self) -> np.ndarray:
        """K K counts."""

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """95 % intervals by name."""

    @property
    def split(self) -> str:
        """Whose pictures."""


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """Linear classifiers on frozen nets, judged on labelled pictures that none of them was fitted to."""

    data: str
    classes: int
    fitted: int
    judged: int
    pretrained: float
    """Accuracy on what this net sees."""
    untrained: float
    """On what it saw before it learnt anything."""
    reference: str = ""
    """Name of published weights; "" where none are installed."""
    published: float | None = None
    """Accuracy on what those see."""
    alone: str = NOT_HERE
    """Why it is not held against published weights, where it is not."""

    @property
    def luck(self) -> float:
        """Two standard errors of the difference between this net and the untrained one."""
        both = noise(self.pretrained, self.judged) ** 2 + noise(self.untrained, self.judged) ** 2
        return 2 * float(both**0.5)

    @property
    def better(self) -> bool:
        """Is it better than the untrained net by more than luck?"""
        return self.pretrained - self.untrained > self.luck

    @property
    def sentence(self) -> str:
        """The result, and what follows from it."""
        said = (
            f"A linear classifier on its frozen features names {self.pretrained:.1%} of {self.judged:,} validation "
            f"pictures ({self.classes} classes) right, on those of the same net before it learnt {self.untrained:.1%}"
        )
        if self.untrained - self.pretrained > self.luck:
            said += ": worse, so what it has learnt does not tell these classes apart"
        elif not self.better:
            said += ": no better by more than luck"
        if self.published is None:
            return f"{said}. {self.alone}"
        if self.published >= self.pretrained:
            start = f"start from those instead (hubel train --from {self.reference})"
            return f"{said}. On those of {self.reference} it names {self.published:.1%}: {start}."
        return f"{said}. On those of {self.reference} it names {self.published:.1%}."


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training without labels has come to."""

    method: str
    task: str
    """How well it solved its own task on held-out pictures, as a sentence."""
    warning: str = ""
    """What speaks against its features, before any label was looked at."""
    probe: LinearProbe | None = None

    @property
    def sentence(self) -> str:
        """All of it."""
        return " ".join(part for part in (self.task, self.warning, self.probe.sentence if self.probe else "") if part)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"sentence": self.sentence}


def conclude_pretext(
    prepared: Prepared, classifier: Classifier, result: Judged | None, best: dict[str, Any], watch: Watcher
) -> Outcome:
    """The outcome for the weights that were kept; `result`: of the four turns; `best`: their row of the history."""
    found = None
    try:
        found = linear_probe(prepared, classifier, watch)
    except (DataError, ArtefactError) as error:
        watch.remark(f"the features were not measured: {error.what}" + (f": {error.hint}" if error.hint else ""))
    if result is not None:
        outcome = _of_turns(result, found)
    else:
        outcome = _of_views(prepared, best, found)
    for said in (outcome.warning, "" if found is None or found.better else found.sentence):
        if said:
            watch.remark(said)
    return outcome


def _of_turns(result: Judged, found: LinearProbe | None) -> Outcome:
    low, high = result.intervals["top1"]
    count, part = (
        int(result.confusion.sum()),
        {"val": "validation", "train": "training"}.get(result.split, result.split),
    )
    task = f"It tells which way up a picture is in {result.top1:.1%} of {count:,} turned {part} pictures"
    task += " (by lot: 25 %)."
    warning = ""
    if low <= CHANCE <= high or result.top1 < CHANCE:
        warning = (
            "That is no better than by lot: these pictures look alike in every turn, as textures, cells and views from "
            "above do, or it has learnt too little; --method byol asks for something else."
        )
    return Outcome(method="rotation", task=task, warning=warning, probe=found)


def _of_views(prepared: Prepared, best: dict[str, Any], found: LinearProbe | None) -> Outcome:
    count, spread = min(SEARCHED, len(prepared.splits.val)), float(best.get("spread", 1.0))
    task = f"Its features spread by {spread:.2f} (1: in every direction alike, 0: collapsed)."
    if "val_accuracy" in best:
        share = float(best["val_accuracy"])
        lot = f"by lot: {1 / max(count, 1):.1%}"
        task = f"By one view it finds another view of the same picture among {count:,} in {share:.1%} ({lot}). {task}"
    warning = (
        "" if spread >= COLLAPSED else "The net has collapsed: it sees all pictures nearly alike, and is of no use."
    )
    return Outcome(method="byol", task=task, warning=warning, probe=found)


def linear_probe(prepared: Prepared, classifier: Classifier, watch: Watcher) -> LinearProbe | None:
    """What linear classifiers make of the features; None where there are no labels. Raises DataError for too few."""
    data = labelled(prepared, watch)
    if data is None:
        return None
    watch.stage("measuring the features")
    device = runtime.pick_device(prepared.recipe.train.device)
    start, _ = build(prepared)
    assert classifier.preprocessing is not None
    small = min(classifier.preprocessing.height, classifier.preprocessing.width) < COLOUR
    here = not small and at_hand(published(DEFAULT))
    return LinearProbe(
        data=data.name,
        classes=len(data.class_names),
        fitted=len(data.fitted),
        judged=len(data.judged),
        pretrained=_accuracy(classifier.model, data.decoded, classifier.preprocessing, data, device),
        untrained=_accuracy(start, data.decoded, classifier.preprocessing, data, device),
        reference=DEFAULT if here else "",
        published=reference_accuracy(prepared, data, device) if here else None,
        alone=TOO_SMALL if small else NOT_HERE,
    )


def reference_accuracy(prepared: Prepared, data: Labelled, device: torch.device) -> float:
    """Of a linear classifier on published weights, each picture as those take it."""
    source = find_source(DEFAULT)
    assert source.preprocessing is not None
    net = source.spec.build()
    net.load_state_dict(dict(source.tensors))
    few, rows = len(data.fitted), np.concatenate([data.fitted, data.judged])
    again = decode(data.manifest.select(rows), source.preprocessing, workers=prepared.recipe.data.workers)
    same = replace(
        data, labels=data.labels[rows], fitted=np.arange(few), judged=np.arange(few, len(rows)), decoded=again
    )
    return _accuracy(net, again, source.preprocessing, same, device)


def _accuracy(
    model: nn.Module, decoded: Decoded, preprocessing: Preprocessing, data: Labelled, device: torch.device
) -> float:
    """Of a linear classifier on what enters the head of a frozen net."""
    model = model.to(device)
    parts = []
    for rows in (data.fitted, data.judged):
        reading = batches(
            decoded, rows, preprocessing=preprocessing, batch_size=min(128, reading_size(decoded)), device=device
        )
        with evaluating(model), torch.no_grad():
            features = torch.cat([represented(model, batch.images).float().cpu() for batch in reading])
        parts += [features, torch.from_numpy(data.labels[rows])]
    return probe(*parts)
