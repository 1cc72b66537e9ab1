"""Groups: an evaluation by a column of its table, or by folders."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from hubel.deploy.shipped import is_shipped
from hubel.errors import UsageError
from hubel.evaluation import Evaluation, RegressionEvaluation, TaskResult
from hubel.evaluation.groups import Groups, by_groups
from hubel.records.groups import groups_of
from hubel.records.ledger import find_run

__all__ = ["Groups", "grouped"]


def grouped(
    run: str | PathLike[str],
    result: Evaluation | RegressionEvaluation | TaskResult,
    by: str,
    data: str | None = None,
    *,
    data_root: str | Path | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Groups:
    """What `hubel.evaluate` found, group by group: `by` is a column, "folder", or the number of a folder on the path.

    `data` and how it is read are those of the evaluation. Raises UsageError, DataError.
    """
    if isinstance(result, TaskResult):
        raise UsageError("groups are compared by their accuracy, and this run's task is another", hint="leave --by out")
    if not isinstance(result, Evaluation):
        raise UsageError("groups are compared by their accuracy, and this run predicts a number", hint="leave --by out")
    folder = None if is_shipped(run) else find_run(run)
    return by_groups(result, groups_of(folder, data, result.paths, by, data_root=data_root, reading=reading), by)
