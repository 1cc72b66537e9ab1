"""Which folders a studio may read: those it was started with, and its runs. Every path of a page comes through here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubel.data.sources import SOURCES
from hubel.data.tables import SUFFIXES
from hubel.errors import ArtefactError, UsageError

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"})
LOOKED_AT = 400
"""Entries of a folder that are looked at to tell what it is."""
LISTED = 60
"""Data sets listed below each folder."""


@dataclass(frozen=True)
class Found:
    """Something below the folders that could be trained on."""

    source: str
    """As a command takes it, relative to where the studio was started if it lies there."""
    name: str
    what: str
    """ "3 classes", "a table", "train, test"."""


@dataclass(frozen=True)
class Places:
    """The folders of a studio, resolved."""

    folders: tuple[Path, ...]
    runs: Path

    @classmethod
    def of(cls, folders: tuple[str, ...], runs: str) -> Places:
        """Raises UsageError for a folder that is not there."""
        found = []
        for word in folders or (".",):
            path = Path(word).expanduser()
            if not path.is_dir():
                raise UsageError(f"there is no folder {word!r}", hint="hubel studio photos/")
            found.append(path.resolve())
        return cls(tuple(found), Path(runs).expanduser().resolve())

    def inside(self, word: str) -> Path:
        """A path from a page, resolved; raises UsageError where it lies below no folder of the studio."""
        try:
            path = Path(word).expanduser().resolve()
        except (OSError, ValueError, RuntimeError):
            raise UsageError(f"{word[:200]!r} can be no path") from None
        if any(path == folder or folder in path.parents for folder in (*self.folders, self.runs)):
            return path
        raise UsageError(
            f"{word[:200]!r} lies below no folder of this studio", hint=f"start it with this one: hubel studio {path}"
        )

    def source(self, word: str) -> str:
        """A data source from a page: a named set, or a path below the folders."""
        if not word:
            raise UsageError("a data set is needed", hint="digits is one that is always there")
        if word in SOURCES:
            return word
        path = self.inside(word)
        if not path.exists():
            raise UsageError(f"there is no {word[:200]!r}", hint="choose one on the first page")
        return self.spoken(path)

    def run(self, name: str) -> Path:
        """The folder of a run by its name; raises ArtefactError for none, UsageError for what leaves the runs."""
        if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise UsageError(f"a run is given by its name, got {name[:80]!r}")
        folder = self.runs / name
        if folder.resolve().parent != self.runs or not folder.is_dir():
            raise ArtefactError(f"there is no run {name[:80]!r}", hint="the page Runs lists them")
        return folder

    def spoken(self, path: Path) -> str:
        """A path as somebody would type it where the studio was started."""
        here = Path.cwd()
        text = str(path.relative_to(here)) if here in path.parents else str(path)
        return f"./{text}" if text.startswith("-") else text  # a folder must not become an option of a command

    def sets(self) -> list[Found]:
        """What could be trained on: the folders themselves, and what lies one level below."""
        found: list[Found] = []
        for folder in self.folders:
            what = kind(folder)
            if what:
                found.append(Found(self.spoken(folder), folder.name, what))
                continue
            below = [
                Found(self.spoken(each), each.name, what)
                for each in sorted(_entries(folder))
                if each != self.runs and (what := kind(each))
            ]
            found += below[:LISTED]
        return found


def kind(path: Path) -> str:
    """What a path is as data, in words; "" where it seems to be none.

    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> for name in ("cat", "dog"):
    ...     (root / name).mkdir(); (root / name / "1.png").touch()
    >>> kind(root)
    '2 classes'
    """
    if path.is_file():
        return "a table" if path.suffix.casefold() in SUFFIXES else ""
    below = [each for each in _entries(path) if each.is_dir()]
    classes = [each for each in below if any(inner.suffix.casefold() in PICTURES for inner in _entries(each))]
    if len(classes) > 1:
        return f"{len(classes)} classes"
    parts = [each.name for each in below if each.name.casefold() in ("train", "val", "valid", "test")]
    return ", ".join(sorted(parts)) if parts and all(kind(path / part) for part in parts) else ""


def _entries(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number == LOOKED_AT:
                    return
                if not entry.name.startswith("."):
                    yield Path(entry.path)
    except OSError:
        return
