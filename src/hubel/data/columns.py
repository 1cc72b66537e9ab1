"""Columns of a table as numbers for a net: numbers by their mean and deviation, words as one number for each of them.

What a column is, its words and its scale are data that belong to the weights: a row that comes later is read as the
rows were that were learnt from. Statistics are those of the training part.

Letters: N rows, F features (a column of numbers is one, a column of words one for each word).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hubel.data.manifest import printable
from hubel.data.names import as_number
from hubel.errors import DataError
from hubel.words import plural

MISSING = frozenset({"", "na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "?", "-", "missing"})
"""How a table says that it does not know a value."""
MOST_WORDS = 50
"""Different words of a column; one with more is free text."""
SIGNALS, VOLUMES = "signals", "volumes"
"""What samples may be that are no rows of a table (`hubel.data.signals`)."""
FINE = 1e-3
"""Of a column's deviation: what is lost of a number by float32 is to be less."""
FEW = 4
"""Rows from which on a column that never says a word twice holds the name of each row."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column that a net takes."""

    name: str
    words: tuple[str, ...] = ()
    """Of a column of words, in the order of their numbers; () for a column of numbers."""
    mean: float = 0.0
    std: float = 1.0

    @property
    def width(self) -> int:
        """Features that it makes."""
        return len(self.words) or 1

    @property
    def features(self) -> list[str]:
        """Their names."""
        return [f"{self.name}={word}" for word in self.words] or [self.name]

    def knows(self, cell: str, *, comma: bool = False) -> bool:
        """Can a cell stand in this column: a word or a number, or what says that it is not known?

        >>> [Column(name="x").knows(cell) for cell in ("3.5", "NA", "3.5?")]
        [True, True, False]
        """
        return bool(self.words) or is_missing(cell) or as_number(cell, comma=comma) is not None


@dataclass(frozen=True)
class Columns:
    """The columns that a net takes, in their order, and those that it answers with where they are numbers.

    >>> rows = [{"size": "2", "colour": "red"}, {"size": "4", "colour": "blue"}, {"size": "", "colour": "?"}]
    >>> known = Columns(read_columns(["size", "colour"], rows))
    >>> known.features
    ['size', 'colour=blue', 'colour=red']
    >>> known.encode(rows).tolist()
    [[2.0, 0.0, 1.0], [4.0, 1.0, 0.0], [nan, 0.0, 0.0]]
    >>> known.measured(known.encode(rows)).scaled(known.encode(rows))[:, 0].tolist()  # the mean stands for the unknown
    [-1.0, 1.0, 0.0]
    """

    columns: tuple[Column, ...]
    answers: tuple[Column, ...] = ()
    files: str = ""
    """What samples are that are files of numbers: SIGNALS, a column a channel, or VOLUMES, all of one column."""

    @property
    def features(self) -> list[str]:
        """F names."""
        return [name for column in self.columns for name in column.features]

    @property
    def foretold(self) -> bool:
        """Are the answers the next step of what is seen?"""
        return bool(self.answers) and {c.name for c in self.answers} <= {c.name for c in self.columns}

    def answered(self, scaled: np.ndarray) -> list[np.ndarray]:
        """Of series N F+1 T as `scaled` has them, of each the columns that are foretold, as they are answered: T K to
        its end, NaN where a number is not known (the mean, exactly, stands for it).

        >>> size = Column(name="size", mean=3.0, std=2.0)
        >>> known = Columns((size,), (Column(name="size", mean=1.0, std=4.0),))
        >>> known.answered(known.scaled(np.array([[[9.0, np.nan, np.inf]]])))[0].tolist()
        [[2.0], [nan]]
        """
        names = self.features
        places = [names.index(column.name) for column in self.answers]
        mine, theirs = _scale([self.columns[self._at(column)] for column in self.answers]), _scale(self.answers)
        found = []
        for one in scaled:
            part = one[places, : int((one[-1] > 0).sum())].T.astype(np.float64)
            found.append(np.where(part == 0, np.nan, (part * mine[1] + mine[0] - theirs[0]) / theirs[1]))
        return found

    def _at(self, wanted: Column) -> int:
        return [column.name for column in self.columns].index(wanted.name)

    def encode(self, rows: Sequence[Mapping[str, str]], *, comma: bool = False) -> np.ndarray:
        """N F: numbers as they are, NaN where they are not known; of words 1 for the one that is there.

        float32, or float64 where that would blur a column, such as seconds since 1970.
        """
        return _encoded(self.columns, rows, comma)

    def measured(self, values: np.ndarray, targets: np.ndarray | None = None) -> Columns:
        """With mean and deviation of the numbers in values N F, N F T or N D H W, and in targets N T K."""
        answers = _measured(self.answers, targets) if targets is not None else self.answers
        lined = values[..., None] if values.ndim == 4 else np.moveaxis(values, 1, -1)
        return replace(self, columns=_measured(self.columns, lined), answers=answers)

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """N F float32 with mean 0 and deviation 1; 0, the mean, stands for what is not known.

        Of series N F T, padded with infinity, N F+1 T: the last row is 1 where the series is, 0 behind its end. Volumes
        N D H W have one scale.
        """
        mean, std = _scale(self.columns)
        if values.ndim != 3:
            return np.asarray(_known((values - mean) / std), dtype=np.float32)
        there = ~np.isposinf(values[:, :1])
        found = _known((values - mean[:, None]) / std[:, None])
        return np.concatenate([found, there], axis=1, dtype=np.float32)

    def unscaled(self, values: np.ndarray) -> np.ndarray:
        """N F float64: what `scaled` made of rows, in the units of the table again.

        >>> known = Columns((Column(name="size", mean=3.0, std=2.0),))
        >>> known.unscaled(known.scaled(np.array([[7.0]]))).tolist()
        [[7.0]]
        """
        mean, std = _scale(self.columns)
        return np.asarray(values, dtype=np.float64) * std + mean

    def scaled_targets(self, targets: np.ndarray) -> np.ndarray:
        """… K float32 with mean 0 and deviation 1; NaN, where nothing is asked, stays. Classes stay as they are."""
        if not self.answers:
            return targets
        mean, std = _scale(self.answers)
        return np.asarray((targets - mean) / std, dtype=np.float32)

    def told(self, answers: np.ndarray) -> np.ndarray:
        """… K float64: answers in the units of the table."""
        mean, std = _scale(self.answers)
        return np.asarray(answers, dtype=np.float64) * std + mean

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        both = {name: [asdict(column) | {"words": list(column.words)} for column in getattr(self, name)]
                for name in ("columns", "answers")}  # fmt: skip
        return both | ({"files": self.files} if self.files else {})

    @staticmethod
    def from_dict(said: Mapping[str, Any]) -> Columns:
        """The inverse of `to_dict`."""
        columns, answers = ([Column(**column | {"words": tuple(column["words"])}) for column in said[name]]
                for name in ("columns", "answers"))  # fmt: skip
        return Columns(tuple(columns), tuple(answers), files=str(said.get("files", "")))


def _encoded(columns: Sequence[Column], rows: Sequence[Mapping[str, str]], comma: bool) -> np.ndarray:
    found = np.zeros((len(rows), sum(column.width for column in columns)))
    place = 0
    for column in columns:
        cells = [row.get(column.name, "").strip() for row in rows]
        if column.words:
            number = {word: place + k for k, word in enumerate(column.words)}
            for row, cell in enumerate(cells):
                if cell in number:
                    found[row, number[cell]] = 1.0
        else:
            numbers = [as_number(cell, comma=comma) for cell in cells]
            values = np.array([math.nan if value is None else value for value in numbers])
            found[:, place] = values if _is_fine(column, values) else values.astype(np.float32)
        place += column.width
    single = found.astype(np.float32)
    return single if np.array_equal(single, found, equal_nan=True) else found


def _is_fine(column: Column, values: np.ndarray) -> bool:
    """Does a column vary so little, for the size of its numbers, that float32 would blur it? By its scale where that
    is measured, else by these values N.
    """
    if column != Column(name=column.name):
        middle, spread = column.mean, column.std
    else:
        known = values[np.isfinite(values)]
        middle, spread = (float(known.mean()), float(known.std())) if len(known) else (0.0, 1.0)
    return bool(abs(middle) * np.finfo(np.float32).eps > FINE * spread > 0)


def _measured(columns: Sequence[Column], values: np.ndarray) -> tuple[Column, ...]:
    """With mean and deviation of values … F; a constant keeps its scale, and words are 0 and 1 anyway."""
    found, place = [], 0
    for column in columns:
        some = values[..., place][np.isfinite(values[..., place])].astype(np.float64)
        known = not column.words and len(some) > 0
        spread = float(some.std()) if known else 0.0
        middle = float(some.mean()) if known else 0.0
        varies = spread > 1e-12 * abs(middle)  # by its own size: picofarads vary by 1e-12
        found.append(replace(column, mean=middle, std=spread if varies else 1.0) if known else column)
        place += column.width
    return tuple(found)


def _scale(columns: Sequence[Column]) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(column.mean, column.std) for column in columns for _ in range(column.width)]
    return np.array([mean for mean, _ in pairs]), np.array([std for _, std in pairs])


def _known(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def is_missing(cell: str) -> bool:
    """Does a cell say that its value is not known?"""
    return cell.strip().casefold() in MISSING


def read_columns(names: Sequence[str], rows: Sequence[Mapping[str, str]], *, comma: bool = False) -> tuple[Column, ...]:
    """What each column is: numbers where all that is known is one, else words. Raises DataError for free text, and for
    a column that is numbers but for a few cells, by line.
    """
    found = []
    for name in names:
        cells = [row.get(name, "").strip() for row in rows]
        known = [cell for cell in cells if not is_missing(cell)]
        odd = [cell for cell in known if as_number(cell, comma=comma) is None]
        if not odd:
            found.append(Column(name=name))
            continue
        words = sorted(set(known))
        if len(odd) < len(known) / 2:
            line = next(n for n, cell in enumerate(cells, start=2) if cell == odd[0])
            raise DataError(
                f"the column {printable(name)!r} holds numbers, but {plural(len(odd), 'cell')} that "
                f"{'is none' if len(odd) == 1 else 'are none'}: {printable(odd[0])!r} in line {line}",
                hint="mend the table; an empty cell says that a number is not known",
            )
        if len(words) > MOST_WORDS or (len(words) == len(known) and len(words) > FEW):
            raise DataError(
                f"the column {printable(name)!r} holds {len(words):,} different words: "
                "a net takes numbers, or words out of a few",
                hint=f"--column ignore={printable(name)} leaves it out; where it names pictures: --column file=COLUMN; "
                f"where it says when: --task sequence --column time={printable(name)}",
            )
        found.append(Column(name=name, words=tuple(words)))
    return tuple(found)


def unvaried(columns: Sequence[Column], values: np.ndarray) -> dict[str, str]:
    """Columns that say the same in every row of values N F, or nothing, and what they say: a net learns nothing from
    them, and would answer anything where a later row says something else.

    >>> rows = [{"site": "A", "dose": "5", "size": "1"}, {"site": "A", "dose": "", "size": "2"}]
    >>> known = read_columns(["site", "dose", "size"], rows)
    >>> unvaried(known, Columns(known).encode(rows))
    {'site': 'says the same in every row (A)', 'dose': 'says the same in every row (5)'}
    """
    found, place = {}, 0
    for column in columns:
        part = values[:, place : place + column.width]
        if all(len(np.unique(each[np.isfinite(each)])) < 2 for each in part.T):
            some = part[np.isfinite(part)]
            what = column.words[0] if column.words else f"{some[0]:g}" if len(some) else ""
            found[column.name] = f"says the same in every row ({printable(what)})" if what else "says nothing at all"
        place += column.width
    return found


def rare(columns: Sequence[Column], rows: Sequence[Mapping[str, str]], fewest: int = 2) -> list[tuple[str, str, int]]:
    """(column, word, rows) of words that fewer rows have than could be learnt from: perhaps a typing error."""
    return [
        (column.name, word, count)
        for column in columns
        for word, count in Counter(row.get(column.name, "").strip() for row in rows).items()
        if word in column.words and count < fewest
    ]
