"""Scanning and decoding shared out over the places of a cluster (`hubel.runtime.places`): who reads, in parts.

Inside `hubel.data.afar.reading_over(on)`, all pictures that are to be read are read at these places: paths go there,
and what was found and the decoded pixels come back and are written here, into the one cache. So places must see the
pictures, under the same paths, and nothing else. A place that is lost costs its part, which another reads.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hubel.data.cache import NoRoom, Progress
from hubel.errors import HubelError
from hubel.watching import Watcher
from hubel.words import plural

if TYPE_CHECKING:  # who only reads pictures loads no torch
    from hubel.runtime.places import Make, Places

WORTH = 2_000
"""Pictures below which no cluster is asked: to begin there takes as long."""
TASKS = 4
"""Tasks of a worker (`hubel.data.workers`) that make one part: at most 1,024 files, 128 MB of pixels."""
AHEAD = 2
"""Parts given out beyond those that have a place."""


@dataclass(frozen=True)
class Over:
    """Places that may be asked to read."""

    places: Callable[[Make, int], Places]
    """Opens them: what makes a reader at each, and how many parts there are, so that no more are asked for."""
    watch: Watcher


OVER: ContextVar[Over | None] = ContextVar("over", default=None)
"""Set by `hubel.data.afar.reading_over`."""


def elsewhere(count: int) -> Over | None:
    """Who is to read so many pictures; None where this process does."""
    return OVER.get() if count >= WORTH else None


@dataclass(frozen=True)
class Part:
    """What one place reads at a time, as plain data."""

    header: dict[str, Any]
    """Root, preprocessing and limits, as workers take them."""
    paths: list[str]
    row: int
    """Bytes of a picture; 0 where none is decoded."""


def read_over(
    over: Over, make: Make, header: dict[str, Any], tasks: Iterator[tuple[int, list[str]]], count: int,
    pixels: tuple[str, int] | None, row: int, progress: Progress | None,
) -> list[Any]:  # fmt: skip
    """The entries of all pictures, in order, as `hubel.data.workers.read_pictures`, which has made `tasks` of them.

    `make()` makes, at a place, what reads a part: its entries, and its pixels. Those of row i go to offset + i * `row`
    of the file `pixels`. Raises HubelError for a place that sees none of its pictures, and where all places are lost.
    """
    parts = deque(_joined(tasks))
    answers: list[Any] = [None] * count
    done = 0
    over.watch.remark(f"{plural(count, 'picture')} are read over a cluster, in {plural(len(parts), 'part')}")
    with over.places(make, len(parts)) as places:
        while parts or places.busy:
            while parts and (places.free or places.busy < AHEAD):
                first, paths = parts.popleft()
                part = Part(header, paths, row if pixels else 0)
                places.give(first, lambda part=part: part)  # type: ignore[misc]
            back = places.take()
            if back.error is not None:
                where = f"pictures {back.key:,} and after: "
                raise HubelError(where + back.error.what) if back.given_up else back.error
            entries, found = back.result
            answers[back.key : back.key + len(entries)] = entries
            if pixels is not None:
                _write(pixels[0], pixels[1] + back.key * row, found)
            done += len(entries)
            if progress is not None:
                progress(done, count)
    return answers


def _joined(tasks: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    while some := list(islice(tasks, TASKS)):
        yield some[0][0], [path for _, paths in some for path in paths]


def _write(file: str, offset: int, pixels: bytes) -> None:
    try:
        with open(file, "r+b") as opened:
            opened.seek(offset)
            opened.write(pixels)
    except OSError as error:
        raise NoRoom(f"cannot write decoded pictures: {(error.strerror or str(error)).lower()}") from None


def read_part(
    part: Part, read: Callable[[Sequence[str], tuple[str, int] | None], list[Any]]
) -> tuple[list[Any], bytes]:
    """At a place: the entries of a part, and its pixels. `read` is given paths, and the file for pixels."""
    root = str(part.header["root"])
    if not any(os.path.lexists(os.path.join(root, path.partition("\0")[0])) for path in part.paths):
        raise HubelError(
            f"{os.uname().nodename} sees none of {len(part.paths):,} pictures in {root}; first: {part.paths[0]}",
            hint="put pictures where all machines see them, under the same path",
        )
    if not part.row:
        return read(part.paths, None), b""
    with tempfile.TemporaryDirectory(prefix="hubel-") as folder:
        file = Path(folder, "pixels")
        with file.open("wb") as opened:
            opened.truncate(len(part.paths) * part.row)
        entries = read(part.paths, (str(file), 0))
        return entries, np.fromfile(file, np.uint8).tobytes()
