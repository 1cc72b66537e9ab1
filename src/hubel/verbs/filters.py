"""Filters: the learned kernels of a convolution as tiles."""

from __future__ import annotations

from pathlib import Path

from hubel.checkpoint import Classifier
from hubel.features import units
from hubel.features.units import Filters
from hubel.records.nets import classifier_of


def filters(run: str | Path | Classifier, stage: str | int | None = None) -> Filters:
    """The kernels of a convolution of a run: the first one, the one of a number (from 1 on), or one by name."""
    classifier, _ = classifier_of(run)
    named = stage is not None and not str(stage).isdigit()
    return units.filters(classifier.model, str(stage) if named else None if stage is None else int(stage) - 1)
