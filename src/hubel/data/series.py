"""Series: rows of a table in the order of their time, a sample for each value of the column `series`.

    series,time,temperature,load,label        label: a class, for the whole series or step by step
    pump-1,2024-05-01 00:00,41.5,0.7,ok       target in its place: a number; neither: the next step is to be foretold

Every other column is what the net sees (`hubel.data.columns`). How rows become series in the order of their time, and
how those are cut into pieces, is in `hubel.data.series_pieces`.

Letters: N series, F features, T steps of the longest, K numbers to answer.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hubel.data.columns import Columns, is_missing, read_columns
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.names import as_number, class_order, look_alikes, typing_errors
from hubel.data.roles import check_fits, find_roles, ignored
from hubel.data.rows import holds_rows
from hubel.data.series_pieces import LAYOUT, SPELLINGS, Piece, cut_series, in_order, titles
from hubel.data.tables import SUFFIXES, Table, decimal_comma
from hubel.errors import DataError
from hubel.words import plural

FEW = 0.1
"""Where the label changes in no more than this share of the series, that is named."""


def is_table(source: str) -> bool:
    """Is that the name of a table file?"""
    return Path(source).suffix.casefold() in SUFFIXES


def holds_series(path: Path, columns: Mapping[str, str]) -> bool:
    """Are the rows of a table steps in time, since a column says when? Of a table that names pictures they are not."""
    table = Table(path=path, columns={}, folder=os.path.realpath(path.parent), root="")
    named = {"".join(filter(str.isalnum, name.casefold())) for name in table.present}
    return holds_rows(path, columns) and bool(columns.get("time") or named & set(SPELLINGS["time"]))


def open_series(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    val: float = 0.1,
    test: float = 0.1,
    known: Columns | None = None,
) -> Manifest:
    """The series of a CSV, TSV or JSONL file: `arrays` N F T, infinite behind the end of a series; `targets` N T K,
    NaN where nothing is asked.

    `columns` says which column is what, where the usual names do not ("" for none). `val` and `test` are the parts of
    one long series that are kept from its end. `known` are the columns of a net that is to be measured: the table is
    read by them, it is asked what it learnt, and no series is cut. Raises UsageError for roles that no column has,
    DataError for a table that holds no series.
    """
    table, roles = find_roles(path, columns or {}, SPELLINGS, LAYOUT)
    rows = [row for _, row in table.rows]
    comma = decimal_comma(table)
    answer = (
        next((role for role in ("label", "target") if role in roles), "") if known is None else _asked(roles, known)
    )
    problems: list[Problem] = []
    if known is None:
        pieces = cut_series(table, roles, problems, val, test)
        read = _columns(table, roles, answer, comma)
    else:
        check_fits(table, known)
        pieces, read = list(in_order(table, roles, problems)), known
    fewest = 2 if known is None else 1
    targets, class_names = _targets(pieces, roles, answer, read, comma, problems, str(path), fewest)
    if answer == "target" and known is None:
        read = Columns(read.columns, read_columns([roles["target"]], rows, comma=comma))
    asked = np.array([np.isfinite(target).any() for target in targets])
    for piece, there in zip(pieces, asked, strict=True):
        if not there:
            what = f"no {answer}" if answer else "one step only: there is nothing to foretell"
            problems.append(Problem(piece.series, "bad row", f"line {piece.lines[0]}: {what}"))
    pieces = [piece for piece, there in zip(pieces, asked, strict=True) if there]
    targets = [target for target, there in zip(targets, asked, strict=True) if there]
    if len(pieces) < fewest:
        raise DataError(f"{printable(str(path))} holds {len(pieces)} usable series", hint=LAYOUT)
    values = [read.encode(piece.rows, comma=comma).T for piece in pieces]
    if known is None and "time" not in roles:
        problems += _like_time(read, values)
    several = len({piece.series for piece in pieces}) > 1
    return Manifest(
        source=str(path),
        kind="points",
        arrays=padded(values, math.inf),
        labels=_labels(targets, class_names),
        class_names=class_names,
        given_split=np.array([piece.split for piece in pieces], dtype="<U5"),
        groups=np.array([piece.series for piece in pieces]) if several else None,
        targets=np.ascontiguousarray(padded([target.T for target in targets], math.nan).transpose(0, 2, 1)),
        titles=titles(pieces),
        columns=read,
        problems=tuple(problems),
    )


def _columns(table: Table, roles: Mapping[str, str], answer: str, comma: bool) -> Columns:
    """What a net is to see: every column without a role; where nothing is asked, its numbers are what it foretells."""
    names = [name for name in table.present if name and name not in roles.values() and name not in ignored(table)]
    if not names:
        raise DataError(f"{printable(str(table.path))} has no column for the net to see", hint=LAYOUT)
    columns = read_columns(names, [row for _, row in table.rows], comma=comma)
    return Columns(columns) if answer else Columns(columns, tuple(column for column in columns if not column.words))


def _asked(roles: Mapping[str, str], known: Columns) -> str:
    """The role of the column that a net with these columns answers with; "" for one that foretells those it sees."""
    if known.foretold:
        return ""
    wanted = "target" if known.answers else "label"
    if wanted not in roles:
        raise DataError(
            f"the table has no {wanted} to measure the answers by",
            hint=f"--column {wanted}=COLUMN; without: hubel predict",
        )
    return wanted


def read_series(
    path: str | os.PathLike[str], known: Columns, columns: Mapping[str, str] | None = None
) -> tuple[tuple[str, ...], np.ndarray]:
    """New series for a net that knows these columns: their names, and values N F T as `open_series` has them; whole,
    whatever their length. Raises DataError for a column that is missing.
    """
    said = {role: name for role, name in (columns or {}).items() if role in ("series", "time")}
    table, roles = find_roles(path, said, SPELLINGS, LAYOUT)
    check_fits(table, known)
    pieces = list(in_order(table, roles, []))
    values = [known.encode(piece.rows, comma=decimal_comma(table)).T for piece in pieces]
    return tuple(piece.series for piece in pieces), padded(values, math.inf)


def padded(series: Sequence[np.ndarray], filler: float) -> np.ndarray:
    """N F T of arrays F T_n, filled up behind their ends.

    >>> padded([np.ones((1, 2)), np.ones((1, 3))], 0.0).tolist()
    [[[1.0, 1.0, 0.0]], [[1.0, 1.0, 1.0]]]
    """
    longest = max(each.shape[1] for each in series)
    found = np.full(
        (len(series), series[0].shape[0], longest),
        filler,
        dtype=np.result_type(np.float32, *{each.dtype for each in series}),
    )
    for row, each in enumerate(series):
        found[row, :, : each.shape[1]] = each
    return found


# ---------------------------------------------------------------- what is to be answered


def _targets(
    pieces: Sequence[Piece], roles: Mapping[str, str], answer: str, known: Columns, comma: bool,
    problems: list[Problem], source: str, fewest: int,
) -> tuple[list[np.ndarray], tuple[str, ...]]:  # fmt: skip
    """T K of each piece, NaN where nothing is asked; and the names of classes."""
    if not answer:
        if not known.answers:
            raise DataError(
                f"{printable(source)} has neither a label nor a target, and no column of numbers to foretell",
                hint=LAYOUT,
            )
        found = []
        for piece in pieces:
            values = Columns(known.answers).encode(piece.rows, comma=comma)
            found.append(np.concatenate([values[1:], np.full_like(values[:1], np.nan)]))
        return found, ()
    cells = [[row.get(roles[answer], "").strip() for row in piece.rows] for piece in pieces]
    if answer == "label":
        names = tuple(class_order({cell for row in cells for cell in row if not is_missing(cell)}))
        if len(names) < fewest:
            raise DataError(
                f"at least {plural(fewest, 'class')} {'is' if fewest == 1 else 'are'} needed, {printable(source)} has "
                f"{plural(len(names), 'class')}",
                hint="--column label=COLUMN names another column; --column label= foretells the next step",
            )
        number: Mapping[str, float] = {name: float(k) for k, name in enumerate(names)}
        problems += look_alikes(names) + typing_errors(
            Counter(cell for row in cells for cell in {*row}.intersection(names))
        )
    else:
        names, number = (), {}
        odd = [cell for row in cells for cell in row if not is_missing(cell) and as_number(cell, comma=comma) is None]
        if odd:
            raise DataError(
                f"the target {printable(roles[answer])!r} holds {printable(odd[0])!r}, which is no number",
                hint=f"--column label={printable(roles[answer])} for classes",
            )
        number = {cell: value for row in cells for cell in row if (value := as_number(cell, comma=comma)) is not None}
    found = [np.array([[number.get(cell, math.nan)] for cell in row], dtype=np.float32) for row in cells]
    changing = [k for k, each in enumerate(found) if len(set(each[np.isfinite(each)].tolist())) > 1]
    if answer == "label" and fewest > 1 and 0 < len(changing) <= FEW * len(found):
        problems.append(_changing(pieces[changing[0]], cells[changing[0]], len(changing), len(found)))
    if not changing:
        for each in found:  # one answer for the whole series: it is asked at the end
            said = each[np.isfinite(each)][:1]
            each[:-1] = math.nan
            each[-1:] = said if len(said) else math.nan
    return found, names


def _changing(piece: Piece, cells: Sequence[str], count: int, of: int) -> Problem:
    """A label that changes in few series: a typing error would turn the question of all of them into another."""
    counts = Counter(cell for cell in cells if not is_missing(cell))
    rarest = min(counts, key=counts.__getitem__)
    reason = (
        f"its label changes ({printable(rarest)!r} in line {piece.lines[cells.index(rarest)]}), as in "
        f"{count:,} of {of:,} series only; because of that every step of all is asked, not the end: is it meant so?"
    )
    return Problem(piece.series, "class names", reason, left_out=False)


def _like_time(read: Columns, values: Sequence[np.ndarray]) -> list[Problem]:
    """Columns that rise by one step from row to row: they say when a row was, most likely, and are seen as numbers."""
    found, place = [], 0
    for column in read.columns:
        steps = [np.diff(each[place].astype(np.float64)) for each in values if each.shape[1] > 2]
        usual = float(np.median(np.concatenate(steps))) if steps and not column.words else 0.0
        if usual > 0 and all((np.abs(each - usual) < 0.01 * usual).all() for each in steps):
            reason = (
                f"rises by {usual:g} from row to row, and is seen as a number; --column time={printable(column.name)} "
            )
            found.append(Problem(printable(column.name), "table", f"{reason}says when a row was", left_out=False))
        place += column.width
    return found


def _labels(targets: Sequence[np.ndarray], class_names: tuple[str, ...]) -> np.ndarray:
    """N: the last class that is asked of each, or the mean of its numbers: by which parts are made alike."""
    if class_names:
        return np.array([int(each[np.isfinite(each)][-1]) for each in targets], dtype=np.int64)
    return np.array([float(np.nanmean(each)) for each in targets], dtype=np.float32)
