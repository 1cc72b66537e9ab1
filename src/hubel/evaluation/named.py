"""Numbers by name: what `METRICS` holds, those of installed packages among them, on the answers that are judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from hubel.errors import UsageError
from hubel.metrics import METRICS
from hubel.words import number

__all__ = ["named", "titled"]


def named(metrics: Sequence[str], task: str, scores: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Name -> number for each of `metrics`; scores N K and labels N, or predicted N and targets N in regression.

    Raises UnknownName, UsageError for a metric of another task and for one of a package that fails or gives no number.

    >>> named(["accuracy", "ece"], "classification", np.array([[9.0, 0.0], [0.0, 9.0]]), np.array([0, 1]))
    {'accuracy': 1.0, 'ece': 0.0001...}
    """
    found: dict[str, float] = {}
    for name in metrics:
        metric = METRICS.get(name)
        if metric.task != task:
            fitting = [other for other, entry in METRICS.items() if entry.task == task]
            raise UsageError(f"{name!r} judges {metric.task}, and here is {task}", hint=f"one of: {', '.join(fitting)}")
        try:
            found[name] = float(metric(scores, truth))
        except Exception as error:  # a metric of somebody else may fail in any way
            raise UsageError(
                f"the metric {name!r}{METRICS.origin(name)} gives no number: {type(error).__name__}: {error}",
                hint=f"leave {name} out",
            ) from error
    return found


def titled(numbers: Mapping[str, float], shown: Collection[str]) -> list[tuple[str, str, str]]:
    """Rows of a table for those whose title is not `shown` yet: title, value, no interval.

    >>> titled({"accuracy": 0.5, "ece": 0.25}, {"accuracy"})
    [('calibration error', '0.250', '')]
    """
    rows = [(METRICS.get(name).title, number(value), "") for name, value in numbers.items()]
    return [row for row in rows if row[0] not in shown]
