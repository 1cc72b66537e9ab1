r"""Where a picture lies that is no file of its own: a member of a tar file, or a cell of a Parquet file.

Such a place is written as a path is, so that it goes wherever paths go: FILE\0OFFSET:SIZE\0NAME for bytes of a file,
FILE\0GROUP:ROW:COLUMN\0NAME for a cell. No path of any system holds a zero byte, so that the two are never confused.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_WHERE = re.compile(r"(\d{1,18}):(\d{1,18})(?::(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes of a file, or a cell of a table in one."""

    file: str
    first: int
    """Of bytes the offset; of a cell the group of rows."""
    second: int
    """Of bytes how many; of a cell the row in its group."""
    name: str
    """What the picture is called in its file."""
    column: str | None = None
    """None for bytes."""

    def __str__(self) -> str:
        column = "" if self.column is None else f":{self.column}"
        return f"{self.file}\0{self.first}:{self.second}{column}\0{self.name}"


def placed(path: str) -> Place | None:
    """The place that a path stands for; None for any other path.

    >>> placed(str(Place("a.tar", 512, 90, "cat/1.jpg")))
    Place(file='a.tar', first=512, second=90, name='cat/1.jpg', column=None)
    >>> placed("photos/cat/1.jpg") is placed("photos/a\\0b") is None
    True
    """
    file, zero, rest = path.partition("\0")
    if not zero:
        return None
    where, _, name = rest.partition("\0")
    found = _WHERE.fullmatch(where)
    return None if found is None else Place(file, int(found[1]), int(found[2]), name, found[3])


def resolved(path: str) -> str:
    """A path after its links, and a place with that of its file."""
    file, zero, rest = path.partition("\0")
    return os.path.realpath(file) + zero + rest


def place_name(path: str) -> str:
    """What a path is called: itself, or FILE/NAME.

    >>> place_name(str(Place("a.tar", 512, 90, "cat/1.jpg"))), place_name("cat/1.jpg")
    ('a.tar/cat/1.jpg', 'cat/1.jpg')
    """
    place = placed(path)
    return path if place is None else f"{place.file}/{place.name}"
