"""Series: rows of a table in the order of their time, a sample for each value of the column `series`.

    series,time,temperature,load,label        label: a class, for the whole series or step by step
    pump-1,2024-05-01 00:00,41.5,0.7,ok       target in its place: a number; neither: the next step is to be foretold

Times are numbers or dates; without that column rows are steps in their order. Every other column is what the net sees
(`hubel.data.columns`). A table of one series is cut into pieces, of which the last ones, in time, are the test; long
ones among several are cut as well, and their pieces stay together.

Letters: N series, F features, T steps of the longest, K numbers to answer.
"""

from __future__ import annotations

import datetime
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from hubel.data.columns import Columns, is_missing, read_columns
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.names import as_number, class_order, look_alikes, split_word
from hubel.data.roles import find_roles, ignored, missing_columns
from hubel.data.rows import holds_rows
from hubel.data.tables import SUFFIXES, Table, decimal_comma
from hubel.errors import DataError
from hubel.words import plural

SPELLINGS = {
    "series": ("series", "seriesid", "sequence", "sequenceid", "recording", "trial", "session", "episode", "unit"),
    "time": ("time", "timestamp", "date", "datetime", "t", "step"),
    "label": ("label", "class", "state"),
    "target": ("target",),
    "split": ("split", "subset", "partition"),
}
"""What a column may be besides `ignore`, and the usual names; all others are what the net sees."""
LONGEST, SHORTEST = 512, 16
"""Steps of a piece at most, and at least where one series is cut."""
PIECES = 40
"""That one series is cut into, where they are neither too long nor too short."""
MOST = 20_000
"""Series and pieces that are taken."""
GAP, UNEVEN = 1.5, 0.2
"""Steps of time so many times the usual are gaps; where more than this share are, time has no even steps at all."""
LAYOUT = "a table of rows in time: series,time,value,…,label; --column time=COLUMN --column label=COLUMN name them"
_NAMED = 3
"""Gaps that are named one by one."""


@dataclass
class _Piece:
    """Some rows in the order of time."""

    series: str
    rows: list[Mapping[str, str]]
    times: list[float]
    lines: list[int]
    split: str = ""


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
        pieces = _pieces(table, roles, problems, val, test)
        read = _columns(table, roles, answer, comma)
    else:
        missing_columns(table, known)
        pieces, read = list(_ordered(table, roles, problems)), known
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
        titles=_titles(pieces),
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
    missing_columns(table, known)
    pieces = list(_ordered(table, roles, []))
    values = [known.encode(piece.rows, comma=decimal_comma(table)).T for piece in pieces]
    return tuple(piece.series for piece in pieces), padded(values, math.inf)


def padded(series: Sequence[np.ndarray], filler: float) -> np.ndarray:
    """N F T float32 of arrays F T_n, filled up behind their ends.

    >>> padded([np.ones((1, 2)), np.ones((1, 3))], 0.0).tolist()
    [[[1.0, 1.0, 0.0]], [[1.0, 1.0, 1.0]]]
    """
    longest = max(each.shape[1] for each in series)
    found = np.full((len(series), series[0].shape[0], longest), filler, dtype=np.float32)
    for row, each in enumerate(series):
        found[row, :, : each.shape[1]] = each
    return found


# ---------------------------------------------------------------- rows in time


def _pieces(table: Table, roles: Mapping[str, str], problems: list[Problem], val: float, test: float) -> list[_Piece]:
    """All series, long ones in pieces; one alone in pieces whose parts follow one another in time."""
    whole = list(_ordered(table, roles, problems))
    if len(whole) > 1:
        found = [part for piece in whole for part in _cut(piece, LONGEST)]
    else:
        count = len(whole[0].rows)
        length = min(LONGEST, max(SHORTEST, count // PIECES))
        found = [part for stretch in _stretches(whole[0]) for part in _cut(stretch, length)]
        if not any(piece.split for piece in found):
            for part, first in (("train", 0.0), ("val", 1 - test - val), ("test", 1 - test)):
                for piece in found[round(first * len(found)) :]:
                    piece.split = part
            problems.append(Problem(
                printable(table.path.name), "layout", f"one series of {plural(count, 'step')}, in "
                f"{plural(len(found), 'piece')} of {length}: the last ones, in time, are the test", left_out=False,
            ))  # fmt: skip
    if len(found) > MOST:
        raise DataError(f"{len(found):,} series are more than {MOST:,}", hint="train on a part of the table")
    return found


def _ordered(table: Table, roles: Mapping[str, str], problems: list[Problem]) -> Iterator[_Piece]:
    """Series by series in the order in which they begin, rows in the order of time. Raises DataError for a time that is
    none, and for two rows of one series and time.
    """
    found: dict[str, _Piece] = {}
    moments = _moments(table, roles)
    for (line, row), moment in zip(table.rows, moments, strict=True):
        name = printable(row.get(roles.get("series", ""), "").strip()) or printable(table.path.stem)
        piece = found.setdefault(name, _Piece(name, [], [], []))
        piece.rows.append(row)
        piece.times.append(moment)
        piece.lines.append(line)
        said = row.get(roles.get("split", ""), "").strip()
        if said and not split_word(said):
            raise DataError(f"line {line}: the split {printable(said)!r} is none of train, val, test", hint=LAYOUT)
        if said and piece.split not in ("", split_word(said)):
            raise DataError(
                f"line {line}: the series {name} is in two parts, {piece.split} and {split_word(said)}",
                hint="a series is in one part; leave the column out with --column split=, or cut the series in two",
            )
        piece.split = split_word(said) or piece.split
    for piece in found.values():
        order = np.argsort(piece.times, kind="stable")
        piece.rows, piece.lines = [piece.rows[k] for k in order], [piece.lines[k] for k in order]
        piece.times = [piece.times[k] for k in order]
        twice = np.flatnonzero(np.diff(piece.times) == 0)
        if len(twice):
            first, second = (piece.lines[k] for k in (twice[0], twice[0] + 1))
            raise DataError(
                f"lines {first} and {second} are of one series ({piece.series}) and one time",
                hint="--column series=COLUMN says which rows belong together" if "series" not in roles else LAYOUT,
            )
    _tell_gaps(list(found.values()), table, roles, problems)
    yield from found.values()


def _moments(table: Table, roles: Mapping[str, str]) -> list[float]:
    """When each row was: numbers as they are, dates in seconds, else the number of the row."""
    if "time" not in roles:
        return [float(k) for k in range(len(table.rows))]
    found = []
    for line, row in table.rows:
        cell = row.get(roles["time"], "").strip()
        moment = as_number(cell, comma=decimal_comma(table))
        if moment is None:
            try:
                when = datetime.datetime.fromisoformat(cell)
                moment = (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()
            except (ValueError, OverflowError):
                raise DataError(
                    f"line {line}: the time {printable(cell)!r} is neither a number nor a date such as "
                    "2024-05-01 13:30",
                    hint=f"mend it, or --column time=COLUMN in the place of {printable(roles['time'])}",
                ) from None
        found.append(moment)
    return found


def _gaps(piece: _Piece) -> np.ndarray:
    """Places of steps after which time makes a jump."""
    steps = np.diff(piece.times)
    return np.flatnonzero(steps > GAP * np.median(steps)) if len(steps) > 1 else np.zeros(0, np.int64)


def _tell_gaps(pieces: list[_Piece], table: Table, roles: Mapping[str, str], problems: list[Problem]) -> None:
    if "time" not in roles:
        return
    found = [(piece, int(place)) for piece in pieces for place in _gaps(piece)]
    steps = sum(max(0, len(piece.times) - 1) for piece in pieces)
    if len(found) > UNEVEN * steps:
        reason = "steps of time are uneven, and the net is not told how long they are: a column of it would say so"
        problems.append(Problem(printable(table.path.name), "gap", reason, left_out=False))
        return
    for piece, place in found[:_NAMED]:
        usual = float(np.median(np.diff(piece.times)))
        lost = (piece.times[place + 1] - piece.times[place]) / usual - 1
        lines = f"lines {piece.lines[place]} and {piece.lines[place + 1]}"
        problems.append(Problem(
            piece.series, "gap", f"between {lines} about {plural(max(1, round(lost)), 'step')} of time "
            f"{'is' if round(lost) <= 1 else 'are'} missing", left_out=False,
        ))  # fmt: skip
    if len(found) > _NAMED:
        reason = f"{plural(len(found) - _NAMED, 'further gap')} in time"
        problems.append(Problem(printable(table.path.name), "gap", reason, left_out=False))


def _stretches(piece: _Piece) -> Iterator[_Piece]:
    """The stretches of a series between its gaps; all of it where time has no even steps."""
    places = _gaps(piece)
    if len(places) > UNEVEN * len(piece.rows):
        places = places[:0]
    bounds = [0, *(places + 1).tolist(), len(piece.rows)]
    yield from (_part(piece, *pair) for pair in pairwise(bounds))


def _cut(piece: _Piece, length: int) -> list[_Piece]:
    """Pieces of `length` steps; what is left, if that is less than half of it, goes with the last."""
    count = max(1, round(len(piece.rows) / length))
    bounds = [k * length for k in range(count)] + [len(piece.rows)]
    return [_part(piece, *pair) for pair in pairwise(bounds)]


def _part(piece: _Piece, start: int, end: int) -> _Piece:
    return _Piece(piece.series, piece.rows[start:end], piece.times[start:end], piece.lines[start:end], piece.split)


# ---------------------------------------------------------------- what is to be answered


def _targets(
    pieces: Sequence[_Piece], roles: Mapping[str, str], answer: str, known: Columns, comma: bool,
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
        problems += look_alikes(names)
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
    if all(len(set(each[np.isfinite(each)].tolist())) <= 1 for each in found):
        for each in found:  # one answer for the whole series: it is asked at the end
            said = each[np.isfinite(each)][:1]
            each[:-1] = math.nan
            each[-1:] = said if len(said) else math.nan
    return found, names


def _titles(pieces: Sequence[_Piece]) -> tuple[str, ...]:
    """What each is called: its series, and the line where it begins if that is cut."""
    parts = Counter(piece.series for piece in pieces)
    return tuple(
        piece.series if parts[piece.series] == 1 else f"{piece.series} from line {piece.lines[0]}" for piece in pieces
    )


def _labels(targets: Sequence[np.ndarray], class_names: tuple[str, ...]) -> np.ndarray:
    """N: the last class that is asked of each, or the mean of its numbers: by which parts are made alike."""
    if class_names:
        return np.array([int(each[np.isfinite(each)][-1]) for each in targets], dtype=np.int64)
    return np.array([float(np.nanmean(each)) for each in targets], dtype=np.float32)
