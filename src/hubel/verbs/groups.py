"""Groups: an evaluation by a column of its table, by folders, or by how bright its pictures are."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hubel.checkpoint import load as load_checkpoint
from hubel.deploy.files import is_shipped
from hubel.errors import UsageError
from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult
from hubel.evaluation.groups import LOOKS, Groups, by_groups, by_look
from hubel.evaluation.several_labels import SeveralLabels
from hubel.records.groups import groups_of
from hubel.records.ledger import find_run
from hubel.records.other_data import other_data
from hubel.records.own_data import own_data

__all__ = ["Groups", "grouped"]


def grouped(
    run: str | PathLike[str],
    result: Evaluation | RegressionEvaluation | TaskResult,
    by: str,
    data: str | None = None,
    *,
    data_root: str | Path | None = None,
    reading: Mapping[str, Any] | None = None,
    pictures: np.ndarray | None = None,
) -> Groups:
    """What `hubel.evaluate` found, group by group.

    `by` is a column, "folder", the number of a folder on the path, or one of `hubel.evaluation.groups.LOOKS`: then
    groups are fifths of the pictures as the net sees them, N C H W uint8, read again where nobody has them at hand.
    `data` and how it is read are those of the evaluation. Raises UsageError, DataError.
    """
    if isinstance(result, TaskResult) and not isinstance(result, SeveralLabels):
        raise UsageError("groups are compared by their accuracy, and this run's task is another", hint="leave --by out")
    if not isinstance(result, Evaluation | SeveralLabels):
        raise UsageError("groups are compared by their accuracy, and this run predicts a number", hint="leave --by out")
    folder = None if is_shipped(run) else find_run(run)
    if by in LOOKS:
        images = _pictures(folder, result, data, data_root, reading) if pictures is None else pictures
        if images.ndim != 4:
            raise UsageError(f"points have no {by}", hint="--by takes a column of their table")
        return by_groups(result, by_look(images, by), by)
    return by_groups(result, groups_of(folder, data, result.paths, by, data_root=data_root, reading=reading), by)


def _pictures(
    folder: Path | None, result: Evaluation | SeveralLabels, data: str | None, data_root: str | Path | None,
    reading: Mapping[str, Any] | None,
) -> np.ndarray:  # fmt: skip
    """The samples of an evaluation as the net sees them."""
    if folder is None:
        raise UsageError(
            "a file that was exported keeps no pictures to look at", hint="measure its run: --by brightness"
        )
    classifier = load_checkpoint(folder)
    if data is None:
        return own_data(folder, classifier, data_root=data_root).decoded.images[result.ids]
    return other_data(folder, classifier, data, reading=dict(reading or {})).decoded.images[result.ids]
