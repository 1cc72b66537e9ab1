"""The file of the edits: where it lies, how it is read, and how one more line gets into it.

It is `edits.jsonl` in the folder of the pictures, TABLE.edits.jsonl beside a table, and, where neither can be written,
a file in hubel's home that is named by the digest of that place. Lines are only ever added, all those of one command
in one write under a lock, so that two editors at once lose nothing.
"""

from __future__ import annotations

import errno
import hashlib
import heapq
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: two editors in the same instant are not told apart there
    fcntl = None  # type: ignore[assignment]

from hubel.data import cache
from hubel.data.changes import LINE_LIMIT, Edit, lines_of, read_edit
from hubel.data.manifest import Problem
from hubel.errors import ArtefactError
from hubel.store import FileOps, SaveFailed, read_regular

NAME = "edits.jsonl"
PATIENCE = 20.0
"""Seconds that another editor is waited for."""
_LIMIT = 1 << 28
_NOT_HERE = (errno.EACCES, errno.EPERM, errno.EROFS)


@dataclass(frozen=True, kw_only=True)
class EditLog:
    """The log of a data source."""

    beside: Path
    """Where it lies with the data."""

    @property
    def at_home(self) -> Path:
        """Where it lies if nothing can be written beside the data."""
        place = os.fsencode(os.path.realpath(self.beside))
        return cache.home() / "edits" / f"{hashlib.sha256(place).hexdigest()[:32]}.jsonl"

    @property
    def place(self) -> Path:
        """The file that the next edit goes to."""
        if not self.beside.exists() and self.at_home.exists():
            return self.at_home
        return self.beside

    def read(self) -> tuple[list[Edit], list[Problem]]:
        """All edits, in their order, and what is wrong with the file: lines that are cut off or no edits.

        Raises ArtefactError for what is no regular file.
        """
        parts, problems = [], []
        for place in (self.beside, self.at_home):
            if os.path.lexists(place):
                edits, bad = _read(place)
                parts.append(edits)
                problems += bad
        return list(heapq.merge(*parts, key=lambda edit: edit.when)), problems

    def add(self, edits: Sequence[Edit], ops: FileOps | None = None) -> Path:
        """Add edits, all or none; the file they stand in. Raises SaveFailed, ArtefactError."""
        ops = ops or FileOps()
        place = self.place
        try:
            _append(place, edits, ops)
        except OSError as error:
            if error.errno not in _NOT_HERE or place == self.at_home:
                _fail(place, error)
            place = self.at_home
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                _append(place, edits, ops)
            except OSError as again:
                _fail(place, again)
        return place


def _fail(place: Path, error: OSError) -> NoReturn:
    raise SaveFailed(
        f"the edit cannot be written to {str(place)!r}: {error.strerror or error}",
        hint="nothing was changed; free some space, or let HUBEL_HOME name a folder you may write to",
    ) from error


def _read(place: Path) -> tuple[list[Edit], list[Problem]]:
    edits, problems = [], []
    lines = read_regular(place, limit=_LIMIT).split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            if len(line) > LINE_LIMIT:
                raise ArtefactError("it is too long")
            edits.append(read_edit(line))
        except ArtefactError:
            # A whole line ends in a brace and a line break; a cut one has got its break from the next editor.
            cut = number == len(lines) or not line.rstrip().endswith(b"}")
            why = "is cut off" if cut else "is no edit"
            problems.append(Problem(place.name, "edit", f"line {number} {why}; it is passed over", left_out=False))
    return edits, problems


def _append(place: Path, edits: Sequence[Edit], ops: FileOps) -> None:
    descriptor = ops.append(place)
    try:
        _lock(descriptor, place)
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = memoryview((b"\n" if torn else b"") + lines_of(edits).encode("ascii"))
        try:
            while data:
                data = data[ops.write(descriptor, data) :]
            ops.fsync(descriptor)
        except OSError:
            with suppress(OSError):  # half a line must not become the beginning of the next one
                ops.truncate(descriptor, size)
            raise
    finally:
        ops.close(descriptor)


def _lock(descriptor: int, place: Path) -> None:
    """Wait for the other editor. The kernel lets go of a lock when its process dies."""
    if fcntl is None:  # pragma: no cover - see above
        return
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                return  # a file system without locks: the one write at the end of the file has to do
        if time.monotonic() > until:
            raise ArtefactError(
                f"another process has held {str(place)!r} for {PATIENCE:.0f} s", hint="wait for it, or stop it"
            )
        time.sleep(0.02)
