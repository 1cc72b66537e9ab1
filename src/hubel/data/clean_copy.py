"""A copy of a data source as its edits have it: files in folders of their classes, for any other program."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hubel.data.images import BadPicture, read_bytes
from hubel.data.lists import MARKS, read_lists
from hubel.data.manifest import Manifest, printable
from hubel.data.places import place_name, placed
from hubel.errors import DataError, UsageError
from hubel.store import RunStore

TABLE = "metadata.csv"


def write_copy(manifest: Manifest, out: str | Path, progress: Callable[[int, int], None] | None = None) -> Path:
    """Copy the files of `manifest` to a new folder `out`, and return it.

    They lie in `out`/SPLIT/CLASS/NAME, without SPLIT where the source gives none. Where class folders cannot say it
    (numbers, several labels, groups, names that no folder can have), a `metadata.csv` with file, label, split and group
    lies in `out`, which is a source of its own. The folder appears whole or not at all.
    Raises UsageError where `out` is there already or lies among the data, DataError for a file that cannot be read.
    """
    target = Path(os.path.realpath(os.path.expanduser(out)))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(
            f"the copy needs a folder that is new or empty, got {printable(str(out))!r}", hint="--copy NEW"
        )
    if f"{target}{os.sep}".startswith(f"{manifest.root}{os.sep}"):
        raise UsageError(f"the copy would lie among the data, in {printable(manifest.root)}", hint="--copy elsewhere")
    names = _by_class(manifest)
    table = "" if names is not None else _table(manifest)
    names = names or list(manifest.paths or ())
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        for number, (file, name) in enumerate(zip(manifest.files, names, strict=True), 1):
            place = temporary / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                _copy(os.path.join(manifest.root, file), place)
            except BadPicture as bad:
                raise DataError(
                    f"{printable(place_name(file))} cannot be copied: {bad.reason}", hint="restore it"
                ) from None
            except OSError as error:
                if not os.path.isfile(os.path.join(manifest.root, file)) or error.filename != str(place):
                    raise DataError(
                        f"{printable(file)} cannot be copied: {error.strerror}", hint="restore it"
                    ) from None
                raise
            if progress is not None:
                progress(number, len(names))
        if table:
            RunStore(temporary).write_text(TABLE, table)
        if target.exists():
            target.rmdir()
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _copy(source: str, target: Path) -> None:
    """A file as it is, or what lies in one as a file of its own."""
    if placed(source) is None:
        shutil.copy2(source, target)
    else:
        target.write_bytes(read_bytes(source)[0])


def _by_class(manifest: Manifest) -> list[str] | None:
    """Where each file goes in class folders; None where those cannot say what the manifest does."""
    folders = manifest.class_names
    plain = all(name not in (".", "..") and "/" not in name and "\\" not in name for name in folders)
    if manifest.regression or manifest.several or manifest.groups is not None or not plain:
        return None
    taken: set[str] = set()
    names = []
    for row, path in enumerate(manifest.paths or ()):
        split = str(manifest.given_split[row])
        folder = "/".join(filter(None, [split, folders[manifest.labels[row]]]))
        parts = path.split("/")
        # The shortest end of the path that is free: two files of one name came from two folders.
        ends = ("_".join(parts[-length:]) for length in range(1, len(parts) + 1))
        name = next((f"{folder}/{end}" for end in ends if f"{folder}/{end}".casefold() not in taken), "")
        name = name or f"{folder}/{row}_{parts[-1]}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _table(manifest: Manifest) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "target" if manifest.regression else "label", "split", "group"])
    lists = _lists(manifest) if manifest.several else None
    for row, path in enumerate(manifest.paths or ()):
        label = manifest.labels[row]
        named = f"{label:.9g}" if manifest.regression else lists[row] if lists else manifest.class_names[label]
        group = "" if manifest.groups is None else manifest.groups[row]
        writer.writerow([path, named, manifest.given_split[row], group])
    return out.getvalue()


def _lists(manifest: Manifest) -> list[str]:
    """N cells that list the labels of each sample, with a mark by which they are read as what they are.

    Raises DataError where names of labels hold so many marks that there is none.
    """
    assert manifest.targets is not None
    names = np.array(manifest.class_names, dtype=object)
    has = [names[row > 0].tolist() for row in manifest.targets]
    for mark in MARKS:
        cells = [mark.join(labels) or "none" for labels in has]
        read, there, _ = read_lists(cells)
        if read == manifest.class_names and np.array_equal(there, manifest.targets):
            return cells
    marks = " ".join(MARKS)
    raise DataError(
        f"names of labels hold the marks that would stand between them ({marks}): a table cannot list them",
        hint="hubel edit DATA merge OLD NEW --new-class gives a label another name",
    )
