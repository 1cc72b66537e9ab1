"""The answers to very many pictures, in parts: a folder that is filled part by part, by whoever, and goes on anywhere.

    answers/plan.json        which nets, which files (their number and the digest of the list), pictures of a part
    answers/part-00007.csv   the answers to part 7, a line a picture
    answers/unread-00007.csv what of part 7 could not be read, with the reason; only where there is any
    answers/done.jsonl       a line for each part that is whole: written last

A part counts when its line stands. What was under way when everything was killed has none and is done again, so each
file is in the result exactly once. Files are named by their whole paths, in the order of the list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubel.errors import DAMAGED, ArtefactError, UsageError
from hubel.store import RunStore
from hubel.views import Viewed
from hubel.words import csv_text, duration, plural

PLAN, DONE = "plan.json", "done.jsonl"
OF_A_PART = 4096
"""Pictures of a part, where nothing is said: a few seconds to a few minutes of work, which is what a kill costs."""


@dataclass(frozen=True, kw_only=True)
class Parts(Viewed):
    """Answers in parts, all there."""

    folder: Path
    files: int
    """Pictures that were named, each once."""
    parts: int
    read: int
    """Pictures that are answered."""
    unread: int
    """Files that could not be read."""
    kept: int
    """Parts that were there before, and were not done again."""
    lost: int
    """Places that were lost on the way."""
    seconds: float
    """Of this sitting."""

    def facts(self) -> dict[str, str]:
        """As they are printed."""
        done = self.parts - self.kept
        found = {
            "answers": f"{self.folder} ({plural(self.parts, 'part')})",
            "pictures": f"{self.read:,} of {self.files:,} answered",
            "not read": f"{self.unread:,}, with the reason in unread-*.csv" if self.unread else "",
            "done": f"{plural(done, 'part')} in {duration(self.seconds)}"
            + (f"; {self.kept:,} were there" if self.kept else ""),
            "lost": f"{plural(self.lost, 'place')}, whose part was done again" if self.lost else "",
        }
        return {name: text for name, text in found.items() if text}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "folder": str(self.folder)}


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a place says of one part, as plain data."""

    csv: str
    """Of those that were read; "" where none was."""
    read: int
    unread: tuple[tuple[str, str], ...]
    """(file, reason)."""


class Answering:
    """A folder of answers: what is asked, and which parts are there."""

    def __init__(self, folder: Path, files: Sequence[str], nets: Mapping[str, Any], size: int) -> None:
        """Begin in `folder`, or go on there. Raises UsageError where it holds answers to something else.

        `nets`: what must be the same for all parts, as plain data: digests of the nets, and settings.
        """
        if size < 1:
            raise UsageError(f"part_size must be at least 1, got {size}", hint=f"--part-size {OF_A_PART}")
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{str(folder)!r} is no folder", hint="--out answers/")
        folder.mkdir(parents=True, exist_ok=True)
        self.store, self.files = RunStore.open(folder), files
        plan = {"nets": dict(nets), "files": len(files), "list": digest_of(files), "part": size}
        if not self.store.exists(PLAN):
            _must_be_empty(folder)
            self.store.write_json(PLAN, plan)
        there = self.store.read_json(PLAN)
        if not isinstance(there, dict) or set(there) != set(plan):
            raise ArtefactError(f"{self.store.path(PLAN)} is no plan of answers", hint=DAMAGED)
        _check_same(plan, there, folder)
        self.size = size
        self.done: dict[int, tuple[int, int]] = {}
        """Part -> pictures read and not read."""
        for line in self.store.read_lines(DONE):
            self._take(line)
        self.kept = len(self.done)

    @property
    def parts(self) -> int:
        """All of them."""
        return -(-len(self.files) // self.size)

    @property
    def missing(self) -> list[int]:
        """Parts that are not there."""
        return [number for number in range(self.parts) if number not in self.done]

    def of(self, number: int) -> list[str]:
        """The files of a part."""
        return list(self.files[number * self.size : (number + 1) * self.size])

    def write(self, number: int, part: Part) -> None:
        """A part, whole or not at all."""
        unread, answers = f"unread-{number:05d}.csv", f"part-{number:05d}.csv"
        if part.unread:
            self.store.write_text(unread, csv_text(["file", "reason"], part.unread))
        if part.csv:
            self.store.write_text(answers, part.csv)
        for name, there in ((unread, part.unread), (answers, part.csv)):
            if not there and self.store.exists(name):  # of a part that was killed, and read otherwise then
                self.store.remove(name)
        line = json.dumps({"part": number, "read": part.read, "unread": len(part.unread)})
        self.store.append_line(DONE, line)
        self._take(line)

    def result(self, lost: int, seconds: float) -> Parts:
        """What there is."""
        read, unread = (sum(column) for column in zip(*self.done.values(), strict=True))
        return Parts(
            folder=self.store.folder, files=len(self.files), parts=self.parts, read=read, unread=unread,
            kept=self.kept, lost=lost, seconds=seconds,
        )  # fmt: skip

    def _take(self, line: str) -> None:
        try:
            said = json.loads(line)
            number, read, unread = int(said["part"]), int(said["read"]), int(said["unread"])
        except (ValueError, KeyError, TypeError):
            raise ArtefactError(
                f"a line of {self.store.path(DONE)} cannot be read: {line[:60]}", hint=DAMAGED
            ) from None
        if not 0 <= number < self.parts or read + unread != len(self.of(number)):
            raise ArtefactError(f"{self.store.path(DONE)} does not fit the plan: {line[:60]}", hint=DAMAGED)
        wanted = [f"part-{number:05d}.csv"] * bool(read) + [f"unread-{number:05d}.csv"] * bool(unread)
        if all(self.store.exists(name) for name in wanted):  # a part that somebody took away is done again
            self.done[number] = (read, unread)


def digest_of(files: Iterable[str]) -> str:
    """SHA-256 of a list of files, in its order."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.encode("utf-8", "surrogateescape") + b"\0")
    return found.hexdigest()


def _must_be_empty(folder: Path) -> None:
    other = next((path.name for path in folder.iterdir() if not path.name.startswith(".")), None)
    if other is not None:
        raise UsageError(
            f"{str(folder)!r} holds other files ({other}), and no answers", hint="give a folder of its own"
        )


def _check_same(plan: Mapping[str, Any], there: Mapping[str, Any], folder: Path) -> None:
    """Raise UsageError where a folder holds answers to another question."""
    hint = "give another folder with --out, or ask as it was asked"
    if plan["nets"] != there["nets"]:
        raise UsageError(f"{str(folder)!r} holds answers of other nets, or with other settings", hint=hint)
    if plan["part"] != there["part"]:
        raise UsageError(
            f"{str(folder)!r} was begun with {there['part']:,} pictures a part, and {plan['part']:,} are asked for",
            hint=f"--part-size {there['part']}, or another folder",
        )
    if (plan["files"], plan["list"]) != (there["files"], there["list"]):
        raise UsageError(
            f"{str(folder)!r} was begun with {there['files']:,} files, and now there are {plan['files']:,}, "
            "or others of them", hint=hint,
        )  # fmt: skip
