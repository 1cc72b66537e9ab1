"""A folder of class folders, as it may really be: links, pipes, hidden files, wrong files, unreadable corners.

    photos/cat/*.jpg  photos/dog/**/*.png            classes are the folders at the top, nested folders belong to them
    photos/train/cat/… photos/val/… photos/test/…    the same with given splits

Nothing outside the folder is read, nothing is opened here, links are not followed, and nothing is left out unnamed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hubel.data.images import SUFFIXES
from hubel.data.manifest import Manifest, Problem
from hubel.errors import DataError

SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

# Left behind by file managers; nobody wants to read about them.
_LITTER = frozenset({"thumbs.db", "desktop.ini", "icon\r", "__macosx"})


@dataclass
class _Found:
    """Files of one walk, and what was met beside them."""

    paths: list[str] = field(default_factory=list)
    stats: list[tuple[int, int, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def printable(name: str) -> str:
    """A file's name that can be shown, stored and compared anywhere: odd bytes and control characters are escaped.

    >>> printable("caf\\udce9\\n")
    'caf\\\\xe9\\\\n'
    """
    if name.isprintable() and name.isascii():
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def open_folder(folder: str | Path) -> Manifest:
    """The manifest of a folder of class folders, with or without train/val/test above them.

    Raises DataError when the folder holds no picture in a class folder, or fewer than two classes.
    """
    root = _unwrapped(os.path.realpath(folder))
    found = _Found()
    names = _subfolders(root, found)
    splits = {name: SPLIT_FOLDERS.get(name.casefold(), "") for name in names}
    rows: list[tuple[str, str, str, tuple[int, int, int]]] = []  # split, class, path, stat
    if "train" in splits.values() and all(splits.values()):
        for name, split in splits.items():
            inside = _subfolders(os.path.join(root, name), found, f"{name}/")
            for label in inside:
                rows += _class_rows(root, f"{name}/{label}", split, label, found)
    else:
        for label in names:
            rows += _class_rows(root, label, "", label, found)
    rows.sort(key=lambda row: (_SPLIT_ORDER[row[0]], row[1], row[2]))
    class_names = sorted({row[1] for row in rows})
    _require_classes(root, class_names, found)
    _warn_of_case(sorted({*class_names, *_empty_classes(found)}), found)
    index = {name: i for i, name in enumerate(class_names)}
    return Manifest(
        source=str(folder),
        root=root,
        kind="files",
        paths=tuple(row[2] for row in rows),
        labels=np.array([index[row[1]] for row in rows], dtype=np.int64),
        class_names=tuple(class_names),
        given_split=np.array([row[0] for row in rows], dtype="<U5"),
        stats=np.array([row[3] for row in rows], dtype=np.int64).reshape(-1, 3),
        problems=tuple(found.problems),
    )


_SPLIT_ORDER = {"train": 0, "": 0, "val": 1, "test": 2}


def _unwrapped(root: str) -> str:
    """The folder itself, or the only folder in it that matters: archives often unpack to photos/photos/cat."""
    for _ in range(3):
        try:
            entries = _listing(root)
        except OSError as error:
            raise DataError(f"cannot read the folder {root}: {error.strerror}", hint="check its permissions") from None
        folders = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        if len(folders) != 1 or any(_is_picture_name(entry.name) for entry in entries):
            return root
        try:
            nested = any(entry.is_dir(follow_symlinks=False) for entry in _listing(folders[0]))
        except OSError:
            return root
        if not nested:
            return root
        root = folders[0]
    return root


def _subfolders(folder: str, found: _Found, prefix: str = "") -> list[str]:
    """Names of the folders directly inside; files that lie beside them are named as problems."""
    names = []
    for entry in _entries(folder, prefix, found):
        if entry.is_dir(follow_symlinks=False):
            names.append(entry.name)
        elif entry.is_symlink():
            found.problems.append(Problem(prefix + entry.name, "link", _LINK))
        elif _is_picture_name(entry.name):
            found.problems.append(Problem(prefix + entry.name, "outside a class", "lies beside the class folders"))
    return names


def _class_rows(
    root: str, folder: str, split: str, label: str, found: _Found
) -> list[tuple[str, str, str, tuple[int, int, int]]]:
    inside = _Found(problems=found.problems)
    _walk(root, folder, inside)
    if not inside.paths:
        found.problems.append(Problem(folder, "empty class", "no picture in it", left_out=False))
    name = printable(label)
    return [(split, name, path, about) for path, about in zip(inside.paths, inside.stats, strict=True)]


def _walk(root: str, folder: str, found: _Found) -> None:
    """Collect the picture files below `folder`, without recursion, without following a link."""
    waiting = [folder]
    while waiting:
        prefix = waiting.pop() + "/"
        for entry in _entries(os.path.join(root, prefix), prefix, found):
            path = prefix + entry.name
            try:
                about = entry.stat(follow_symlinks=False)
            except OSError as error:
                found.problems.append(Problem(path, "unreadable", (error.strerror or str(error)).lower()))
                continue
            if stat.S_ISDIR(about.st_mode):
                waiting.append(path)
            elif stat.S_ISREG(about.st_mode):
                if _is_picture_name(entry.name):
                    found.paths.append(path)
                    found.stats.append((about.st_size, about.st_mtime_ns, about.st_ctime_ns))
                else:
                    found.problems.append(Problem(path, "not an image", "its name does not end like a picture's"))
            elif stat.S_ISLNK(about.st_mode):
                found.problems.append(Problem(path, "link", _LINK))
            else:
                found.problems.append(Problem(path, "special file", "a pipe, socket or device"))


_LINK = "links are not followed; put the file itself here"


def _entries(folder: str, prefix: str, found: _Found) -> list[os.DirEntry[str]]:
    try:
        return _listing(folder)
    except OSError as error:
        found.problems.append(Problem(prefix or ".", "unreadable", (error.strerror or str(error)).lower()))
        return []


def _listing(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not _ignored(entry.name)), key=lambda entry: entry.name)


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _LITTER


def _is_picture_name(name: str) -> bool:
    _, dot, suffix = name.rpartition(".")
    return dot + suffix.casefold() in SUFFIXES


def _empty_classes(found: _Found) -> set[str]:
    return {printable(p.path.rpartition("/")[2]) for p in found.problems if p.kind == "empty class"}


def _require_classes(root: str, names: Sequence[str], found: _Found) -> None:
    if len(names) >= 2:
        return
    loose = sum(problem.kind == "outside a class" for problem in found.problems)
    layout = (
        "put each class in a folder of its own: PHOTOS/cat/1.jpg, PHOTOS/dog/1.jpg; or give a CSV with file and label"
    )
    if names:
        raise DataError(f"at least 2 classes are needed, {root} has pictures of one only: {names[0]!r}", hint=layout)
    if loose:
        raise DataError(f"{root} has {loose} pictures, but none in a class folder", hint=layout)
    others = sum(problem.kind in ("not an image", "link", "special file", "unreadable") for problem in found.problems)
    what = f"; {others} other files were not usable ({found.problems[0].reason})" if others else ", it is empty"
    raise DataError(f"{root} holds no pictures{what}", hint=layout)


def _warn_of_case(names: Sequence[str], found: _Found) -> None:
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            reason = f"differs from the class {twin!r} in capital letters only; both are kept as classes of their own"
            found.problems.append(Problem(name, "class names", reason, left_out=False))
