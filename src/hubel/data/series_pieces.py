"""Rows of a table as series: each in the order of its time, gaps named, long ones cut into pieces.

Of a table of one series the last pieces, in time, are the test; of several, pieces of one series stay together
(`hubel.data.series` makes samples of them). Times are numbers or dates; without such a column rows are steps in their
order.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hubel.data.manifest import Problem, printable
from hubel.data.names import as_number, split_word
from hubel.data.tables import Table, decimal_comma
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
class Piece:
    """Some rows in the order of time."""

    series: str
    rows: list[Mapping[str, str]]
    times: list[float]
    lines: list[int]
    split: str = ""


def cut_series(table: Table, roles: Mapping[str, str], problems: list[Problem], val: float, test: float) -> list[Piece]:
    """All series, long ones in pieces; one alone in pieces whose parts follow one another in time."""
    whole = list(in_order(table, roles, problems))
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


def in_order(table: Table, roles: Mapping[str, str], problems: list[Problem]) -> Iterator[Piece]:
    """Series by series in the order in which they begin, rows in the order of time. Raises DataError for a time that is
    none, and for two rows of one series and time.
    """
    found: dict[str, Piece] = {}
    moments = _moments(table, roles)
    for (line, row), when in zip(table.rows, moments, strict=True):
        name = printable(row.get(roles.get("series", ""), "").strip()) or printable(table.path.stem)
        piece = found.setdefault(name, Piece(name, [], [], []))
        piece.rows.append(row)
        piece.times.append(when)
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
    comma = decimal_comma(table)
    return [moment(row.get(roles["time"], "").strip(), line, roles["time"], comma=comma) for line, row in table.rows]


def moment(cell: str, line: int, column: str, *, comma: bool = False) -> float:
    """When a row was, of the cell that says so: a number as it is, a date in seconds. Raises DataError.

    >>> moment("2.5", 1, "time"), moment("1970-01-01 00:01", 1, "time")
    (2.5, 60.0)
    """
    found = as_number(cell, comma=comma)
    if found is not None:
        return found
    try:
        when = datetime.datetime.fromisoformat(cell)
        return (when if when.tzinfo else when.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        raise DataError(
            f"line {line}: the time {printable(cell)!r} is neither a number nor a date such as 2024-05-01 13:30",
            hint=f"mend it, or --column time=COLUMN in the place of {printable(column)}",
        ) from None


def _gaps(piece: Piece) -> np.ndarray:
    """Places of steps after which time makes a jump."""
    steps = np.diff(piece.times)
    return np.flatnonzero(steps > GAP * np.median(steps)) if len(steps) > 1 else np.zeros(0, np.int64)


def _tell_gaps(pieces: list[Piece], table: Table, roles: Mapping[str, str], problems: list[Problem]) -> None:
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


def _stretches(piece: Piece) -> Iterator[Piece]:
    """The stretches of a series between its gaps; all of it where time has no even steps."""
    places = _gaps(piece)
    if len(places) > UNEVEN * len(piece.rows):
        places = places[:0]
    bounds = [0, *(places + 1).tolist(), len(piece.rows)]
    yield from (_part(piece, *pair) for pair in pairwise(bounds))


def _cut(piece: Piece, length: int) -> list[Piece]:
    """Pieces of `length` steps; what is left, if that is less than half of it, goes with the last."""
    count = max(1, round(len(piece.rows) / length))
    bounds = [k * length for k in range(count)] + [len(piece.rows)]
    return [_part(piece, *pair) for pair in pairwise(bounds)]


def _part(piece: Piece, start: int, end: int) -> Piece:
    return Piece(piece.series, piece.rows[start:end], piece.times[start:end], piece.lines[start:end], piece.split)


def titles(pieces: Sequence[Piece]) -> tuple[str, ...]:
    """What each is called: its series, and the line where it begins if that is cut."""
    parts = Counter(piece.series for piece in pieces)
    return tuple(
        piece.series if parts[piece.series] == 1 else f"{piece.series} from line {piece.lines[0]}" for piece in pieces
    )
