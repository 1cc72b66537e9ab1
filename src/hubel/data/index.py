"""What is known about the files of a folder from the last time they were read: an unchanged file is not read again.

A file counts as unchanged while its size, time of modification and time of change are the same to the nanosecond.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubel.data.images import Look, decoder

FORMAT = f"2, {decoder()}"
"""Of the file, and what read the pictures: another decoder may take what this one refused, or refuse what it took."""


@dataclass(frozen=True, eq=False)
class Entries:
    """What reading told about N files, column by column."""

    stats: np.ndarray
    """N 3, int64: size, modified, changed; -1 where the file could not even be opened."""
    digests: tuple[str, ...]
    """SHA-256, or "" for a bad file."""
    looks: tuple[Look | None, ...]
    bad: dict[int, tuple[str, str]]
    """Row -> (kind, reason)."""

    @staticmethod
    def from_answers(answers: Sequence[Any]) -> Entries:
        """From the entries that workers send."""
        seen: dict[tuple[Any, ...], Look] = {}  # most pictures of a set look alike: one object serves all
        stats = np.array([answer[0] or (-1, -1, -1) for answer in answers], dtype=np.int64).reshape(-1, 3)
        digests: list[str] = []
        looks: list[Look | None] = []
        bad: dict[int, tuple[str, str]] = {}
        for row, (_, digest, about) in enumerate(answers):
            if isinstance(about, str):
                bad[row] = (digest, about)
                digests.append("")
                looks.append(None)
            else:
                key = tuple(about)
                if key not in seen:
                    seen[key] = Look(*about)
                digests.append(digest)
                looks.append(seen[key])
        return Entries(stats, tuple(digests), tuple(looks), bad)

    def take(self, rows: Sequence[int]) -> Entries:
        """The entries of some rows, in that order."""
        bad = {new: self.bad[old] for new, old in enumerate(rows) if old in self.bad}
        return Entries(
            self.stats[list(rows)], tuple(self.digests[r] for r in rows), tuple(self.looks[r] for r in rows), bad
        )

    def joined(self, other: Entries) -> Entries:
        """These entries, then those."""
        shift = len(self.digests)
        bad = self.bad | {row + shift: why for row, why in other.bad.items()}
        return Entries(
            np.concatenate([self.stats, other.stats]), self.digests + other.digests, self.looks + other.looks, bad
        )


NOTHING = Entries(np.zeros((0, 3), dtype=np.int64), (), (), {})


class Index:
    """The entries of one root folder, kept in the cache folder."""

    def __init__(self, cache_dir: Path, root: str) -> None:
        key = hashlib.sha256(root.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self.file = cache_dir / "index" / f"{key}.json"
        self.paths: tuple[str, ...] = ()
        self.entries = NOTHING
        try:
            self._load(json.loads(self.file.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            # Missing, of an older format or damaged: then nothing is known, which costs time and nothing else.
            self.paths, self.entries = (), NOTHING

    def _load(self, stored: dict[str, Any]) -> None:
        if stored["format"] != FORMAT:
            return
        kinds = [Look(*look) for look in stored["looks"]]
        looks = tuple(None if which < 0 else kinds[which] for which in stored["look"])
        bad = {int(row): (str(why[0]), str(why[1])) for row, why in stored["bad"].items()}
        stats = np.array(stored["stats"], dtype=np.int64).reshape(3, -1).T
        digests, paths = tuple(stored["digests"]), tuple(stored["paths"])
        if not len(stats) == len(digests) == len(paths) == len(looks):
            raise ValueError("columns of different lengths")
        self.paths, self.entries = paths, Entries(stats, digests, looks, bad)

    def known(self, paths: Sequence[str], stats: np.ndarray) -> tuple[Entries, list[int], list[int]]:
        """(entries that still hold, the rows of `paths` they belong to, the rows nothing is known about)."""
        if self.paths == tuple(paths) and np.array_equal(self.entries.stats, stats):
            return self.entries, list(range(len(paths))), []
        where = {path: row for row, path in enumerate(self.paths)}
        held: list[int] = []
        rows: list[int] = []
        unknown: list[int] = []
        for row, path in enumerate(paths):
            old = where.get(path, -1)
            if old >= 0 and np.array_equal(self.entries.stats[old], stats[row]):
                held.append(old)
                rows.append(row)
            else:
                unknown.append(row)
        return self.entries.take(held), rows, unknown

    def save(self, paths: Sequence[str], entries: Entries) -> None:
        """Keep the entries; a cache folder that cannot be written only means that they are read again."""
        kinds = {id(look): look for look in entries.looks if look is not None}  # few objects, however many files
        number = {key: i for i, key in enumerate(kinds)}
        look = [-1 if one is None else number[id(one)] for one in entries.looks]
        text = json.dumps({
            "format": FORMAT,
            "paths": list(paths),
            "stats": entries.stats.T.tolist(),
            "digests": entries.digests,
            "looks": [one.plain for one in kinds.values()],
            "look": look,
            "bad": {str(row): why for row, why in entries.bad.items()},
        }, separators=(",", ":"))  # fmt: skip
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self.file, text.encode())
        except OSError:
            return


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=path.name, suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
