"""A table that grows: each of its lines is read once, when it is whole.

A program that writes a table line by line leaves half a line at its end now and then: what stands behind the last end
of a line is waited for. A table that was written anew, or is shorter than what was read of it, is read from the
beginning.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hubel.data.arriving import EVERY
from hubel.data.manifest import printable
from hubel.data.tables import check_names
from hubel.errors import DataError

LONGEST_LINE = 1 << 20
"""Bytes behind which a line is none."""
AT_ONCE = 1 << 22
"""Bytes that are read at one look."""
MAKE_IT = "make it first; lines that are written behind its end are answered"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table that grows."""

    line: int
    cells: Mapping[str, str]
    problem: str = ""
    """Why it cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What one look at a table found."""

    rows: tuple[Row, ...]
    names: tuple[str, ...]
    """The columns, as far as they are known."""
    anew: bool = False
    """Was the table written anew, so that these are its first rows?"""


class Growing:
    """The rows of a CSV, TSV or JSONL file (UTF-8) as they come; `look` gives those that are whole and were not given.

    >>> import tempfile, os
    >>> place = os.path.join(tempfile.mkdtemp(), "pump.csv")
    >>> with open(place, "w") as file:
    ...     written = file.write("time,x\\n1,5\\n2,")
    >>> table = Growing(place)
    >>> [(row.line, row.cells["x"]) for row in table.look().rows]
    [(2, '5')]
    >>> with open(place, "a") as file:
    ...     written = file.write("7\\n")
    >>> [(row.line, row.cells["x"]) for row in table.look().rows]
    [(3, '7')]
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.json = path.casefold().endswith((".jsonl", ".ndjson"))
        self._begin()

    def _begin(self) -> None:
        self.names: tuple[str, ...] = ()
        self.mark = ","
        self._place, self._line, self._file, self._rest = 0, 0, (0, 0), b""

    @property
    def comma(self) -> bool:
        """May 3,5 be a number, since no commas separate columns?"""
        return not self.json and self.mark != ","

    @property
    def unended(self) -> int:
        """The number of a last line that has no end; 0 where there is none."""
        return self._line + 1 if self._rest.strip() else 0

    def look(self) -> Look:
        """What is whole and new. Raises DataError where the file is not there, is gone, or is no text."""
        data, anew = self._fresh()
        rows: list[Row] = []
        start = 0
        while (end := self._end(data, start)) > 0:
            part, first, start = data[start:end], self._line + 1, end
            self._line += part.count(b"\n")
            rows += self._row(part, first)
        rest = data[start:]
        if len(rest) > LONGEST_LINE:
            raise DataError(
                f"line {self._line + 1} of {printable(self.path)} has more than {LONGEST_LINE >> 20} MiB and no end",
                hint="is it a table of lines? A quotation mark that is never closed does that, too",
            )
        self._rest = rest
        return Look(rows=tuple(rows), names=self.names, anew=anew)

    def _fresh(self) -> tuple[bytes, bool]:
        """Bytes that are not read as rows yet; whether the file is another one."""
        try:
            with open(self.path, "rb") as file:
                about = os.fstat(file.fileno())
                here, anew = (about.st_dev, about.st_ino), False
                if self._place and (about.st_size < self._place or here != self._file):
                    self._begin()
                    anew = True
                self._file = here
                file.seek(self._place)
                data = file.read(AT_ONCE)
        except OSError as error:
            if self._place:
                raise DataError(f"{printable(self.path)} is gone: {error.strerror}", hint=MAKE_IT) from None
            raise DataError(f"there is no table {printable(self.path)} that could grow", hint=MAKE_IT) from None
        if b"\0" in data:
            raise DataError(f"{printable(self.path)} is not text in UTF-8", hint="a table that grows is UTF-8")
        text = data if self._place else data.removeprefix(codecs.BOM_UTF8)
        self._place += len(data)
        return self._rest + text, anew

    def _end(self, data: bytes, start: int) -> int:
        """Where the row that begins at `start` ends, 0 where it has no end: quotation marks may hold ends of lines."""
        end = data.find(b"\n", start) + 1
        while end and not self.json and data.count(b'"', start, end) % 2:
            end = data.find(b"\n", end) + 1
        return end

    def _row(self, part: bytes, line: int) -> list[Row]:
        """The row of some bytes; [] for empty lines and the names of the columns."""
        text = part.decode("utf-8", errors="surrogateescape")
        if self.json:
            return self._of_json(text, line) if text.strip() else []
        if not text.strip(" ,;\t\r\n"):
            return []
        if not self.names:
            self.mark = max(",;\t", key=text.count)
        try:
            cells = next(csv.reader([text], delimiter=self.mark, strict=False))
        except (csv.Error, StopIteration) as error:
            return [Row(line=line, cells={}, problem=f"it is no line of a table: {error}")]
        if not self.names:
            check_names(cells, self.path)
            self.names = tuple(cell.strip() for cell in cells)
            return []
        if len(cells) != len(self.names):
            return [Row(line=line, cells={}, problem=f"it has {len(cells)} cells, the first line {len(self.names)}")]
        return [Row(line=line, cells=dict(zip(self.names, cells, strict=True)))]

    def _of_json(self, text: str, line: int) -> list[Row]:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            return [Row(line=line, cells={}, problem="it is no JSON object")]
        cells = {str(key): "" if value is None else str(value) for key, value in said.items()}
        self.names = tuple(dict.fromkeys((*self.names, *cells)))
        return [Row(line=line, cells=cells)]


def growing(
    table: Growing,
    *,
    idle: float | None = None,
    every: float | None = None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Look]:
    """What each look at a table finds, without end; with `idle`, until no new row came for so many seconds. Raises
    DataError where the table is not there, or is gone.
    """
    last = now()
    while True:
        found = table.look()
        if found.rows:
            last = now()
        yield found
        if idle is not None and not found.rows and now() - last >= idle:
            return
        if not found.rows:
            sleep(EVERY if every is None else every)
