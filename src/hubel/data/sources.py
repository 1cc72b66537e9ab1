"""Where data comes from: a name from the registry, a folder, or a table of files; one road into a Manifest."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hubel.data import cache
from hubel.data.folders import open_folder
from hubel.data.manifest import Manifest
from hubel.data.tables import SUFFIXES, open_table
from hubel.errors import DataError, UsageError, near
from hubel.registry import Registry

Opener = Callable[[list[Path]], Manifest]

SOURCES: Registry[Opener] = Registry("source", listing="hubel data --list")
"""Name -> function of the folders to look in -> Manifest."""


SOURCES.add("digits", "hubel.data.digits:open_digits")
SOURCES.add("mnist", "hubel.data.formats:open_mnist")
SOURCES.add("fashion-mnist", "hubel.data.formats:open_fashion_mnist")
SOURCES.add("cifar10", "hubel.data.formats:open_cifar10")
SOURCES.add("cifar100", "hubel.data.formats:open_cifar100")
for _points in ("spirals", "moons", "circles", "xor", "iris"):
    SOURCES.add(_points, f"hubel.data.points:{_points}")

TABLES_IN_FOLDERS = ("metadata.csv", "metadata.jsonl", "labels.csv", "labels.jsonl")
"""A folder whose pictures are not in class folders may say their labels in one of these."""


def data_folders(data_dir: str | Path | None = None) -> list[Path]:
    """Where named sets are looked for: `data_dir`, then HUBEL_DATA."""
    chosen = [data_dir, os.environ.get("HUBEL_DATA")]
    return [Path(folder).expanduser() for folder in chosen if folder]


def open_source(
    source: str | os.PathLike[str], *, data_dir: str | Path | None = None, progress: cache.Progress | None = None
) -> Manifest:
    """The manifest of `source`: a name in SOURCES, or the path of a folder, a CSV or a JSONL file.

    `data_dir` is the folder that holds downloaded sets (else HUBEL_DATA, else they are downloaded to the cache). A path
    that has a separator in it, or that exists and is no registered name, is taken as a path. `progress` is told of the
    bytes of a download.
    Raises UsageError for a name or path that does not exist, DataError for one that holds nothing usable.

    >>> open_source("digits").arrays.shape
    (1797, 8, 8, 1)
    >>> open_source("digit")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: no source is called 'digit', and no such folder or file exists
      did you mean 'digits'?
    """
    name = os.fspath(source)
    if name in SOURCES:
        with cache.watched(progress):
            return SOURCES.get(name)(data_folders(data_dir))
    path = Path(name).expanduser()
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:
        raise UsageError(f"{name!r} cannot be a path: {error}") from None
    if is_folder:
        table = next((path / name for name in TABLES_IN_FOLDERS if (path / name).is_file()), None)
        return open_folder(path) if table is None else open_table(table)
    if is_file and path.suffix.casefold() in SUFFIXES:
        return open_table(path)
    if is_file:
        raise DataError(
            f"{name} is one file; a data source is a folder of class folders, or a CSV or JSONL table of files",
            hint="to classify one picture: hubel predict RUN PICTURE",
        )
    raise _nothing_there(name, path)


def _nothing_there(name: str, path: Path) -> UsageError:
    looks_like_path = os.sep in name or "/" in name or name.startswith((".", "~"))
    close = [] if looks_like_path else [repr(n) for n in near(name, SOURCES)]
    try:
        beside = [
            entry
            for entry in path.parent.iterdir()
            if (entry.is_dir() and entry.name[0] != ".") or entry.suffix in SUFFIXES
        ]
    except OSError:
        beside = []
        if looks_like_path:
            first = next((p for p in path.parents if p.exists()), path)
            return UsageError(f"{name} does not exist", hint=f"{first} exists, nothing of that name below it")
    close += [repr(str(path.parent / n)) for n in near(path.name, [entry.name for entry in beside])]
    what = f"{name} does not exist" if looks_like_path else (
        f"no source is called {name!r}, and no such folder or file exists"
    )  # fmt: skip
    return UsageError(what, hint=f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(SOURCES)}")
