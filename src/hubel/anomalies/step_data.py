"""Where steps come from, normal ones and others: a table of rows in time, a table of rows, signals in NumPy files.

normal.csv, which has a time           a series for each value of `series`, as hubel.data.series_pieces reads them
parts.csv, in which nothing is a time  each row by itself
signals/, one.npy                      T or C T numbers a file; test folders good/, worn/, … say what a signal is

A column `label` (or as --column label= says) of the table that is looked at says which steps are strange; no method
sees it. Letters: F features, T steps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.anomalies.pictures import GOOD, NORMAL, STRANGE, UNKNOWN
from hubel.data.columns import SIGNALS, Column, Columns, is_missing, read_columns
from hubel.data.manifest import BadPicture, Problem, printable
from hubel.data.roles import check_fits, find_roles, ignored
from hubel.data.rows import holds_rows
from hubel.data.series import is_table
from hubel.data.series_pieces import LAYOUT, SPELLINGS, in_order
from hubel.data.signals import holds_arrays, is_array, read_signal, signal_files
from hubel.data.tables import Table, decimal_comma
from hubel.errors import DataError, UsageError
from hubel.words import plural

SERIES, ROWS = "series", "rows"
WELL = (*GOOD, "0", "0.0", "false", "no", "none", "healthy", "fine")
"""What a label says of a step that is normal, unless somebody names others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """Series, or rows of a table as one series whose order means nothing."""

    kind: str
    """SERIES, ROWS or SIGNALS."""
    names: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    """Of each F T float32, as they were read."""
    lines: tuple[tuple[int, ...], ...]
    """Of each the lines of its steps in the table; their numbers from 1 where there is no table."""
    truth: tuple[np.ndarray, ...]
    """Of each T: -1 unknown, 0 normal, 1 strange."""
    columns: Columns
    problems: tuple[Problem, ...] = ()
    decided: str = ""
    """How the data are taken, where that was a choice."""

    @property
    def count(self) -> int:
        """Steps of all series together."""
        return sum(one.shape[1] for one in self.values)


def holds_steps(source: str) -> bool:
    """Is that a table that names no pictures, a NumPy file, or a folder of NumPy files without pictures?"""
    if os.path.isdir(source):
        return holds_arrays(source)
    return os.path.isfile(source) and (holds_rows(Path(source), {}) if is_table(source) else is_array(source))


def read_steps(
    source: str, *, columns: Mapping[str, str] | None = None, known: Columns | None = None, kind: str = "",
    normal: Sequence[str] = (),
) -> Steps:  # fmt: skip
    """The steps of a source. `known` columns and `kind` are those of a detector; `normal` are labels or folders of what
    is normal. Raises UsageError, DataError.
    """
    if is_table(source):
        return _of_table(source, columns or {}, known, kind, normal)
    if columns:
        raise UsageError(
            f"signals in NumPy files have no columns to be named, got --column {next(iter(columns))}",
            hint="leave --column out",
        )
    return _of_signals(source, known, normal)


def _of_table(
    source: str, said: Mapping[str, str], known: Columns | None, kind: str, normal: Sequence[str]
) -> Steps:  # fmt: skip
    if known is not None and known.files:
        raise UsageError(f"this detector takes signals in .npy files, got the table {printable(source)}", hint="new/")
    table, roles = find_roles(source, said, SPELLINGS, LAYOUT)
    comma = decimal_comma(table)
    problems: list[Problem] = []
    in_time = kind == SERIES or (not kind and bool({"time", "series"} & set(roles)))
    decided = ""
    if in_time:
        pieces = list(in_order(table, roles, problems))
    else:
        pieces = list(in_order(table, {}, problems))
        decided = (
            "each row is taken by itself, since no column says when it was: --column time=COLUMN names one that does"
        )
    if known is None:
        aside = {roles[role] for role in ("series", "time", "label", "split") if role in roles}
        names = [name for name in table.present if name and name not in aside and name not in ignored(table)]
        read = read_columns(names, [row for _, row in table.rows], comma=comma)
        numbers = tuple(column for column in read if not column.words)
        if not numbers:
            raise DataError(f"{printable(source)} has no column of numbers to judge by", hint=LAYOUT)
        known = Columns(read, numbers)
    else:
        check_fits(table, known)
    return Steps(
        kind=SERIES if in_time else ROWS, names=tuple(piece.series for piece in pieces),
        values=tuple(known.encode(piece.rows, comma=comma).T for piece in pieces),
        lines=tuple(tuple(piece.lines) for piece in pieces), columns=known, problems=tuple(problems), decided=decided,
        truth=tuple(_by_label(table, roles, piece.rows, normal) for piece in pieces),
    )  # fmt: skip


def _by_label(
    table: Table, roles: Mapping[str, str], rows: Sequence[Mapping[str, str]], normal: Sequence[str]
) -> np.ndarray:  # fmt: skip
    """T: what the column of labels says of each row."""
    if "label" not in roles:
        return np.full(len(rows), UNKNOWN)
    well = {name.casefold() for name in (normal or WELL)}
    cells = [row.get(roles["label"], "").strip() for row in rows]
    return np.array([
        UNKNOWN if is_missing(cell) and cell.casefold() not in well else
        NORMAL if cell.casefold() in well else STRANGE
        for cell in cells
    ])  # fmt: skip


def _of_signals(source: str, known: Columns | None, normal: Sequence[str]) -> Steps:
    if known is not None and known.files != SIGNALS:
        raise UsageError(
            f"this detector takes tables with the columns it learnt from, got {printable(source)}",
            hint=f"a CSV file with {', '.join(printable(column.name) for column in known.columns[:8])}",
        )
    files = signal_files(source) if os.path.isdir(source) else [source]
    values: list[np.ndarray] = []
    names: list[str] = []
    kinds: list[str] = []
    problems: list[Problem] = []
    width = None if known is None else len(known.columns)
    for file in files:
        try:
            one = read_signal(file, width)
        except BadPicture as bad:
            problems.append(Problem(printable(file), bad.kind, bad.reason))
            continue
        width = width or one.shape[0]
        inside = os.path.relpath(file, source) if os.path.isdir(source) else os.path.basename(file)
        values.append(one)
        names.append(printable(inside))
        kinds.append(inside.split(os.sep)[0].casefold() if os.sep in inside else "")
    if not values:
        first = f"; first: {problems[0].path}: {problems[0].reason}" if problems else ""
        raise DataError(
            f"{printable(source)} has no signal that can be used{first}", hint="T or C T numbers in .npy files"
        )
    wells = {name.casefold() for name in (normal or GOOD)}
    told = bool(wells & set(kinds))
    truth = [
        UNKNOWN if not told or not kind else NORMAL if kind in wells else STRANGE for kind in kinds
    ]  # fmt: skip
    return Steps(
        kind=SIGNALS, names=tuple(names), values=tuple(values),
        lines=tuple(tuple(range(1, one.shape[1] + 1)) for one in values), columns=known or _channels(width or 1),
        truth=tuple(np.full(one.shape[1], said) for one, said in zip(values, truth, strict=True)),
        problems=tuple(problems),
    )  # fmt: skip


def _channels(count: int) -> Columns:
    channels = tuple(Column(name=f"channel {k}") for k in range(1, count + 1))
    return Columns(channels, channels, files=SIGNALS)


def refuse_strange(steps: Steps, source: str) -> None:
    """Raise DataError where the table of what is normal says of some of its steps that they are not."""
    odd = [
        line for lines, truth in zip(steps.lines, steps.truth, strict=True)
        for line, said in zip(lines, truth.tolist(), strict=True) if said == STRANGE
    ]  # fmt: skip
    if odd and steps.kind != SIGNALS:
        raise DataError(
            f"normal steps are learnt from, and {printable(Path(source).name)} calls {plural(len(odd), 'line')} "
            f"strange; first: line {odd[0]}",
            hint="leave those rows out; --normal WORD says which label is normal; --column label= that there is none",
        )
