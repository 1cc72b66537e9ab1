"""What a task learns once the net has been trained, from training and validation samples; the test takes no part.

Metric learning: the middle of each class on the sphere, from the training samples; and the distance at which as many
strange pairs of validation samples are called alike as alike ones are missed.
Several labels: a threshold for each, the one with the highest F1 on the validation split.
Sequences that foretell the next step: from which error on a step is strange, beside simple methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from hubel.assembly.prepare import Prepared
from hubel.checkpoint import Classifier
from hubel.checkpoint.learnt import Learnt, save_learnt
from hubel.data.batches import batches, reading_size
from hubel.inference import predict
from hubel.metrics.retrieval import middles, verify
from hubel.metrics.several import best_thresholds
from hubel.metrics.surprise import RATE, WINDOW, fewest_steps, learn_surprise
from hubel.store import RunStore
from hubel.watching import Watcher
from hubel.words import plural

MOST = 20_000
"""Training samples, evenly spread, from which middles are taken."""
FEWEST = 30
"""Validation samples below which thresholds would fit their chance."""


def learn_afterwards(
    store: RunStore, classifier: Classifier, prepared: Prepared, device: torch.device, watch: Watcher
) -> Classifier:
    """The classifier with what its task learns after the training, which is kept beside its weights."""
    after = AFTER.get(classifier.task)
    found = None if after is None else after(classifier, prepared, device, watch)
    if found is None:
        return classifier
    save_learnt(store, "best", found, classifier.provenance.sha256)
    return replace(classifier, learnt=found)


def _thresholds(classifier: Classifier, prepared: Prepared, device: torch.device, watch: Watcher) -> Learnt | None:
    rows = prepared.splits.ids("val")
    targets = prepared.decoded.targets
    assert targets is not None
    if len(rows) < FEWEST:
        watch.remark(
            f"labels are said from a probability of 0.5 on: {plural(len(rows), 'validation sample')} are too few"
        )
        return None
    logits = _said(classifier, prepared, rows, device).astype(np.float64)
    limits = best_thresholds(classifier.probabilities(logits), targets[rows])
    return Learnt(arrays={"thresholds": limits.astype(np.float32)}, facts={"samples": len(rows)})


def _middles(classifier: Classifier, prepared: Prepared, device: torch.device, watch: Watcher) -> Learnt:
    labels, classes = prepared.manifest.labels, len(classifier.class_names)
    rows = prepared.ids("train")
    rows = rows[:: -(-len(rows) // MOST)] if len(rows) > MOST else rows
    points = _said(classifier, prepared, rows, device)
    val = prepared.splits.ids("val")[:MOST]
    facts: dict[str, float | int] = {"samples": len(rows)}
    if len(val) >= FEWEST:
        found = verify(_said(classifier, prepared, val, device), labels[val])
        if np.isfinite(found.distance):
            facts |= {"distance": found.distance, "equal_error": found.equal_error}
    return Learnt(arrays={"middles": middles(points, labels[rows], classes).astype(np.float32)}, facts=facts)


def _surprise(classifier: Classifier, prepared: Prepared, device: torch.device, watch: Watcher) -> Learnt | None:
    columns, images = prepared.decoded.columns, prepared.decoded.images
    if columns is None or not columns.foretold:
        return None
    train, val = prepared.ids("train")[:MOST], prepared.splits.ids("val")[:MOST]
    series = columns.answered(images[val])
    told = [said[: len(one)] for one, said in zip(series, _said(classifier, prepared, val, device), strict=True)]
    found = learn_surprise(columns.answered(images[train]), series, told) if len(val) else None
    steps = sum(max(0, len(one) - 1) for one in series)
    if found is None:
        watch.remark(
            f"strange steps are not told: that needs {fewest_steps(RATE)} validation steps in series of at least "
            f"{WINDOW}, and there are {plural(steps, 'step')}"
        )
        return None
    return Learnt(arrays=found, facts={"steps": steps, "rate": RATE})


def _said(classifier: Classifier, prepared: Prepared, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """N …: what the net answers to some rows, as its task asks it."""
    net = prepared.task.answering(classifier.model.to(device))
    reading = batches(
        prepared.decoded, rows, preprocessing=prepared.preprocessing, batch_size=reading_size(prepared.decoded),
        device=device, channels_last=True,
    )  # fmt: skip
    return predict(classifier.model, reading, forward=net).logits


AFTER: dict[str, Callable[[Classifier, Prepared, torch.device, Watcher], Learnt | None]] = {
    "embed": _middles,
    "multilabel": _thresholds,
    "sequence": _surprise,
}
"""Of tasks that learn something then, by name."""
