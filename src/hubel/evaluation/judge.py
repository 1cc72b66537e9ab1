"""The forward pass of a classifier over samples, and everything that can be said about its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.data.scan import Scan
from hubel.data.unlabelled import turned
from hubel.errors import UsageError
from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult, assess, assess_regression
from hubel.evaluation.judging import JUDGES
from hubel.evaluation.several_labels import assess_labels
from hubel.inference import VIEWS, predict
from hubel.tasks import TASKS
from hubel.types import Predictions

__all__ = ["VIEWS", "assess_answers", "assessed", "examined", "judge"]

EXAMINED = 2_500
"""Pictures at most that are turned four ways to judge a net by."""


def judge(
    classifier: Classifier,
    scan: Scan,
    decoded: Decoded,
    rows: np.ndarray,
    split: str,
    device: torch.device,
    *,
    views: str | None = None,
    metrics: Sequence[str] = (),
    logits: np.ndarray | None = None,
) -> Evaluation | RegressionEvaluation | TaskResult:
    """The forward pass over some rows, and everything that can be said about it; `metrics` are more numbers by name.

    `logits` N K are the net's in those views, not yet honest, where they are known already.

    Raises UsageError for metrics of labels where the task is another.
    """
    refuse_metrics(classifier, metrics)
    if not classifier.labels:
        TASKS.get(classifier.task).check_data(scan.manifest)
        return JUDGES[classifier.task](classifier, scan, decoded, rows, split, device)
    if logits is None:
        found = answered(classifier, decoded, rows, device, views=views)
    else:
        honest = classifier.honest(torch.from_numpy(logits)).numpy()
        found = Predictions(honest, decoded.labels[rows], rows)
    if classifier.columns is not None and classifier.columns.answers:  # in the units of the table
        logits, labels = (classifier.columns.told(part) for part in (found.logits, found.labels[:, None]))
        found = replace(found, logits=logits, labels=labels[:, 0])
    return assessed(found, classifier.class_names, scan, rows, split, metrics)


def refuse_metrics(classifier: Classifier, metrics: Sequence[str]) -> None:
    """Raise UsageError for metrics of labels where the task is another."""
    if metrics and not classifier.labels:
        raise UsageError(
            f"{metrics[0]!r} judges labels, and here is the task {classifier.task}", hint="leave --metrics out"
        )


def answered(
    classifier: Classifier, decoded: Decoded, rows: np.ndarray, device: torch.device, *, views: str | None = None
) -> Predictions:
    """The forward pass over some rows: logits N K, in their order."""
    classifier.model.to(device)
    reading = batches(
        decoded, rows, preprocessing=classifier.preprocessing, batch_size=reading_size(decoded), device=device,
        channels_last=True,
    )  # fmt: skip
    return predict(classifier.model, reading, forward=classifier.look(views=views))


def examined(
    classifier: Classifier, scan: Scan, decoded: Decoded, rows: np.ndarray
) -> tuple[Scan, Decoded, np.ndarray]:
    """What a net is judged by: those rows of its own data; of one that learnt which way up pictures are, four turns.

    Of more than `EXAMINED` pictures as many of them, spread evenly. Raises ArtefactError for a net that names nothing.
    """
    if not classifier.labels:
        return scan, decoded, rows
    classifier.require_answers()
    if classifier.method != "rotation":
        return scan, decoded, rows
    step = -(-len(rows) // EXAMINED)
    return turned(scan, decoded, rows[:: max(1, step)])


def assess_answers(
    classifier: Classifier,
    predictions: Predictions,
    scan: Scan,
    decoded: Decoded,
    rows: np.ndarray,
    split: str,
    metrics: Sequence[str] = (),
) -> Evaluation | RegressionEvaluation | TaskResult:
    """Logits of some rows, however they were come by, judged as those of this classifier."""
    if classifier.several:
        return assess_labels(classifier, predictions.logits, scan, decoded, rows, split)
    return assessed(predictions, classifier.class_names, scan, rows, split, metrics)


def assessed(
    predictions: Predictions,
    class_names: tuple[str, ...],
    scan: Scan,
    rows: np.ndarray,
    split: str,
    metrics: Sequence[str] = (),
) -> Evaluation | RegressionEvaluation:
    """Predictions as an evaluation that knows its samples by name."""
    nameless = scan.manifest.paths is None and scan.manifest.titles is None
    names = None if nameless else [scan.manifest.name(int(row)) for row in rows]
    if not class_names:
        return assess_regression(predictions, paths=names, split=split, metrics=metrics)
    return assess(predictions, class_names, paths=names, split=split, metrics=metrics)
