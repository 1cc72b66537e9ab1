"""The forward pass of a classifier over samples, and everything that can be said about its answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.data.batches import batches, reading_size
from hubel.data.decode import Decoded
from hubel.data.scan import Scan
from hubel.evaluation import Evaluation, RegressionEvaluation, assess, assess_regression
from hubel.inference import predict, with_views
from hubel.types import Predictions


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
) -> Evaluation | RegressionEvaluation:
    """The forward pass over some rows, and everything that can be said about it; `metrics` are more numbers by name."""
    classifier.model.to(device)
    reading = batches(
        decoded, rows, preprocessing=classifier.preprocessing, batch_size=reading_size(decoded), device=device,
        channels_last=True,
    )  # fmt: skip
    look = with_views(classifier.model, classifier.views if views is None else views)
    found = predict(classifier.model, reading, forward=look)
    return assessed(found, classifier.class_names, scan, rows, split, metrics)


def assessed(
    predictions: Predictions,
    class_names: tuple[str, ...],
    scan: Scan,
    rows: np.ndarray,
    split: str,
    metrics: Sequence[str] = (),
) -> Evaluation | RegressionEvaluation:
    """Predictions as an evaluation that knows its samples by name."""
    names = None if scan.manifest.paths is None else [scan.manifest.name(int(row)) for row in rows]
    if not class_names:
        return assess_regression(predictions, paths=names, split=split, metrics=metrics)
    return assess(predictions, class_names, paths=names, split=split, metrics=metrics)
