"""Points in, answers out: rows of numbers typed at the command line, tables of numbers, arrays.

Letters: N points, F features, K classes, G points a side of a grid.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.checkpoint.telling import net_of_voices
from hubel.data.columns import Columns
from hubel.data.kinds import refuse_file
from hubel.errors import DataError, UsageError
from hubel.inference import predict
from hubel.types import Batch, Predictions

LARGEST = 1 << 26
"""Bytes of a table of points."""
AT_ONCE = 1 << 16
"""Numbers that are answered together."""
TABLES = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Points:
    """Rows that a net over points can answer, and what each is called."""

    names: tuple[str, ...]
    values: np.ndarray
    """N F float32."""


def read_points(given: Any, features: int) -> Points:
    """Points from numbers: "0.5,-1", a table (a header is passed over), an array F or N F, or many of these.

    Raises UsageError for what is no row of `features` numbers, DataError for a table that holds something else.

    >>> read_points(["0.5,-1", [2, 3]], 2).values.tolist()
    [[0.5, -1.0], [2.0, 3.0]]
    >>> read_points("1,2,3", 2)
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: this net takes points of 2 numbers, got 3: '1,2,3'
      give a point as 0.5,0.5 or a table of numbers with 2 columns
    """
    names: list[str] = []
    rows: list[np.ndarray] = []
    for item in given if isinstance(given, (list, tuple)) and not _is_row(given) else [given]:
        for name, row in _rows_of(item, features):
            names.append(name or f"point {len(names) + 1}")
            rows.append(row)
    if not rows:
        raise UsageError("no point was given", hint=_hint(features))
    return Points(tuple(names), np.stack(rows))


def classify_points(
    classifier: Classifier, points: np.ndarray, *, batch_size: int | None = None, voices: bool = False
) -> Predictions:
    """Logits of a net over points for N F numbers, signals N C T or volumes N D H W; as many at once as memory holds
    of them, unless that is said. `voices`: of a joined run what each member says behind them.
    """
    device = next((parameter.device for parameter in classifier.model.parameters()), torch.device("cpu"))
    inputs = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32)).to(device)
    batch_size = batch_size or max(1, AT_ONCE // max(1, int(np.prod(points.shape[1:]))))
    if inputs.ndim == 2 and classifier.spec.img_size is not None:  # a net for pictures takes points as single pixels
        inputs = inputs[:, :, None, None]
    ids = torch.arange(len(inputs))
    parts = [slice(start, start + batch_size) for start in range(0, len(inputs), batch_size)]
    model = (net_of_voices(classifier, device) if voices else None) or classifier.model
    return predict(model, (Batch(inputs[part], ids[part], ids[part]) for part in parts))


@dataclass(frozen=True)
class Plane:
    """What a net over two features answers on a grid."""

    across: np.ndarray
    """G values of the first feature."""
    up: np.ndarray
    """G values of the second."""
    shares: np.ndarray
    """G G K probabilities (rows go up), or G G 1 numbers in regression."""

    def told(self, known: Columns) -> Plane:
        """The same with its axes in the units of the table that the net learnt from."""
        axes = known.unscaled(np.stack([self.across, self.up], axis=1))
        return replace(self, across=axes[:, 0], up=axes[:, 1])


def measure_plane(classifier: Classifier, points: np.ndarray, *, side: int = 160, rim: float = 0.15) -> Plane:
    """The answers of a net over two features around `points` N 2, with a `rim` of that share of their span.

    Raises UsageError for a net over another number of features.
    """
    if classifier.spec.in_chans != 2 or classifier.preprocessing is not None:
        raise UsageError(
            f"the boundary can be drawn of nets over two numbers only, got {classifier.spec.in_chans}",
            hint="for example of a run on moons or spirals",
        )
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.maximum(high - low, 1e-3)
    across, up = (np.linspace(low[i] - rim * span[i], high[i] + rim * span[i], side) for i in range(2))
    grid = np.stack([axis.ravel() for axis in np.meshgrid(across, up)], axis=1)
    found = classify_points(classifier, grid)
    shares = found.probabilities if classifier.class_names else found.logits
    return Plane(across, up, shares.reshape(side, side, -1))


def _is_row(given: Any) -> bool:
    """Is this one point as a list of numbers, and no list of points?"""
    return bool(given) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given)


def _rows_of(item: Any, features: int) -> Iterable[tuple[str, np.ndarray]]:
    if isinstance(item, (str, Path)):
        if str(item).casefold().endswith(TABLES):
            yield from _table(Path(item), features)
            return
        refuse_file(item, "points (.csv tables of numbers)")
        yield "", _checked(_numbers(str(item), features), features, repr(str(item)))
        return
    try:
        array = np.asarray(item, dtype=np.float32)
    except (TypeError, ValueError):
        raise UsageError(f"a point is a row of numbers, got {type(item).__name__}", hint=_hint(features)) from None
    if array.ndim not in (1, 2):
        raise UsageError(f"points must be F or N F, got shape {array.shape}", hint=_hint(features))
    for row in array[None] if array.ndim == 1 else array:
        yield "", _checked(row, features, f"shape {array.shape}")


def _numbers(text: str, features: int) -> np.ndarray:
    try:
        return np.array([float(part) for part in text.replace(";", ",").split(",")], dtype=np.float32)
    except (ValueError, OverflowError):
        raise UsageError(f"a point is a row of numbers, got {text!r}", hint=_hint(features)) from None


def _checked(row: np.ndarray, features: int, what: str) -> np.ndarray:
    if len(row) != features:
        raise UsageError(f"this net takes points of {features} numbers, got {len(row)}: {what}", hint=_hint(features))
    if not np.isfinite(row).all():
        raise UsageError(f"a point must have finite numbers, got {what}", hint=_hint(features))
    return row


def _table(path: Path, features: int) -> Iterable[tuple[str, np.ndarray]]:
    """Rows of a table; its first line may name the columns."""
    if not path.is_file():
        raise DataError(f"there is no table {path}", hint=_hint(features))
    if path.stat().st_size > LARGEST:
        raise DataError(f"{path} has more than {LARGEST >> 20} MiB", hint="give it in parts")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = [row for row in csv.reader(text.splitlines(), delimiter="\t" if "\t" in text[:4096] else ",") if row]
    for number, cells in enumerate(lines, start=1):
        try:
            row = np.array([float(cell) for cell in cells], dtype=np.float32)
        except ValueError:
            if number == 1:
                continue
            raise DataError(
                f"line {number} of {path} is no row of numbers: {','.join(cells)[:60]!r}", hint=_hint(features)
            ) from None
        if len(row) != features or not np.isfinite(row).all():
            raise DataError(
                f"line {number} of {path} has {len(row)} numbers, and this net takes {features} finite ones",
                hint="leave out the column of labels",
            )
        yield f"{path.name}:{number}", row


def _hint(features: int) -> str:
    return f"give a point as {','.join(['0.5'] * min(features, 6))} or a table of numbers with {features} columns"
