"""A folder of class folders, as it may really be: links, pipes, hidden files, wrong files, unreadable corners.

    photos/cat/*.jpg  photos/dog/**/*.png            classes are the folders at the top, nested folders belong to them
    photos/train/cat/… photos/val/… photos/test/…    the same with given splits, under the field's many names for them
    photos/cat/train/… photos/cat/test/…             given splits inside of the classes
    photos/unknown/…                                 beside any of these: pictures of none of the classes (STRANGERS)

What lies beside such folders and is none of them (notes, the runs of an earlier training) is named and passed over.
Nothing outside the folder is read unless links are followed, nothing is opened here, and nothing is left out unnamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.data.images import SUFFIXES
from hubel.data.manifest import SPLIT_RANK, Manifest, Problem, printable
from hubel.data.names import SPLIT_WORDS, class_order, look_alikes, shown_names, split_folders, split_word
from hubel.data.walk import (
    BACK,
    LINK,
    Found,
    ends_like,
    entries,
    has_pictures,
    is_folder,
    is_ignored,
    is_picture_name,
    leads_back,
    listing,
    said,
    walk,
)
from hubel.errors import DataError
from hubel.words import plural

STRANGERS = "unknown"
"""A folder of this name beside the classes is none: what lies in it teaches what is strange."""
_LAYOUT = "put each class in a folder of its own: PHOTOS/cat/1.jpg, PHOTOS/dog/1.jpg; or give a CSV with file and label"


@dataclass(frozen=True, slots=True)
class _Part:
    """A folder whose pictures are of one class and one split."""

    folder: str
    """Relative to the root."""
    label: str
    split: str = ""


def open_folder(folder: str | Path, *, follow_links: bool = False, suffixes: frozenset[str] = SUFFIXES) -> Manifest:
    """The manifest of a folder of class folders, with or without train/val/test above them; of files that end with one
    of `suffixes`.

    Raises DataError when the folder holds no picture in a class folder, or fewer than two classes.
    """
    root = unwrapped(os.path.realpath(folder), follow=follow_links)
    found = Found(follow=follow_links, suffixes=suffixes)
    parts = _parts(root, found)
    shown = shown_names(part.label for part in parts)
    rows: list[tuple[str, str, str, str, tuple[int, int, int]]] = []  # split, class, path, file, stat
    for part in parts:
        inside = Found(follow=follow_links, suffixes=suffixes, problems=found.problems)
        walk(root, part.folder, inside)
        if not inside.paths:
            found.name(part.folder, "empty class", "no picture in it", left_out=False)
        about = zip(inside.paths, inside.files, inside.stats, strict=True)
        rows += [(part.split, shown[part.label], *each) for each in about]
    class_names = class_order(row[1] for row in rows)
    _require_classes(root, class_names, found)
    found.problems += look_alikes(class_order(shown.values()))
    index = {name: i for i, name in enumerate(class_names)}
    rows.sort(key=lambda row: (SPLIT_RANK[row[0]], index[row[1]], row[2]))
    return Manifest(
        source=str(folder),
        root=root,
        kind="files",
        paths=tuple(row[2] for row in rows),
        linked=tuple(row[3] for row in rows) if follow_links else None,
        labels=np.array([index[row[1]] for row in rows], dtype=np.int64),
        class_names=tuple(class_names),
        given_split=np.array([row[0] for row in rows], dtype="<U5"),
        stats=np.array([row[4] for row in rows], dtype=np.int64).reshape(-1, 3),
        problems=tuple(found.problems),
    )


def strangers_beside(root: str, problems: Iterable[Problem]) -> str | None:
    """The folder of strangers (STRANGERS) beside the classes below `root`, as `open_folder` named it; None without."""
    named = [problem.path for problem in problems if problem.kind == "strangers"]
    return os.path.join(root, named[0]) if named else None


def split_parts(root: str, *, follow: bool = False) -> dict[str, str]:
    """Folders of a root that are parts of one given split: {folder relative to the root: "train", "val" or "test"}."""
    found = Found(follow=follow)
    return {_inner(root, name, follow): split for name, split in split_folders(_subfolders(root, "", found)).items()}


def unwrapped(root: str, *, follow: bool = False) -> str:
    """The folder itself, or the only folder in it that matters: archives often unpack to photos/photos/cat."""
    for _ in range(3):
        try:
            inside = listing(root)
        except OSError as error:
            raise DataError(f"cannot read the folder {root}: {said(error)}", hint="check its permissions") from None
        folders = [entry.path for entry in inside if is_folder(entry, follow=follow)]
        if len(folders) != 1 or any(is_picture_name(entry.name) for entry in inside):
            return root
        try:
            nested = any(is_folder(entry, follow=follow) for entry in listing(folders[0]))
        except OSError:
            return root
        if not nested:
            return root
        root = folders[0]
    return root


# ---------------------------------------------------------------- what the folders of a tree are


def _parts(root: str, found: Found) -> list[_Part]:
    """The folders of classes; whatever else lies beside them is named."""
    names = _subfolders(root, "", found)
    runs = [name for name in names if holds_runs(os.path.join(root, name))]
    for name in runs:
        found.name(name, "passed over", "it holds runs of hubel", left_out=False)
    names = [name for name in names if name not in runs]
    for name in names:
        if name.casefold() == STRANGERS:
            found.name(name, "strangers", "no class: its pictures teach what is strange", left_out=False)
    names = [name for name in names if name.casefold() != STRANGERS]
    splits = _given_splits(root, names, found.follow)
    if splits:
        return _split_then_class(root, names, splits, found)
    inner = _class_then_split(root, names, found.follow)
    if inner:
        return [_Part(f"{name}/{part}", name, split) for name, parts in inner.items() for part, split in parts.items()]
    _warn_of_a_level(root, names, found)
    return [_Part(name, name) for name in names]


def _given_splits(root: str, names: Sequence[str], follow: bool) -> dict[str, str]:
    """{folder: split} where the folders at the top are splits, else {}.

    One odd folder beside them changes nothing. But "train" may also be a class beside "bus": then it holds pictures,
    or no other part of a split is there and what is beside it has pictures too.
    """
    splits = split_folders(names)
    beside = [name for name in names if name not in splits]
    if not splits or not (beside or any(name.casefold() not in SPLIT_WORDS for name in splits)):
        return splits
    learned = [name for name, split in splits.items() if split == "train"]
    if not all(_names_inside(root, _inner(root, name, follow), follow) for name in learned):
        return {}
    if len(set(splits.values())) == 1 and any(has_pictures(os.path.join(root, name)) for name in beside):
        return {}
    return splits


def _split_then_class(root: str, names: Sequence[str], splits: dict[str, str], found: Found) -> list[_Part]:
    others = " and ".join(sorted(splits, key=lambda name: SPLIT_RANK[splits[name]]))
    for name in names:
        if name not in splits:
            full = " (it holds pictures)" if has_pictures(os.path.join(root, name)) else ""
            found.name(name, "passed over", f"beside {others}, it is no part of the split{full}", left_out=False)
    parts = []
    for name, split in splits.items():
        inner = _inner(root, name, found.follow)
        parts += [_Part(f"{inner}/{label}", label, split) for label in _subfolders(root, inner, found)]
    return parts


def _class_then_split(root: str, names: Sequence[str], follow: bool) -> dict[str, dict[str, str]]:
    """{class: {folder in it: split}} where every class folder holds just the parts of a split, else {}."""
    found = {}
    for name in names:
        inside = _names_inside(root, name, follow)
        found[name] = {part: split_word(part) for part in inside}
        if len(inside) < 2 or "train" not in found[name].values() or not all(found[name].values()):
            return {}
    return found


def _warn_of_a_level(root: str, names: Sequence[str], found: Found) -> None:
    """A tree one level too high has folders of the same names in each of its folders, and no picture beside them; and
    a training part beside something else may have been meant as the whole.
    """
    for name in names:
        classes = _names_inside(root, name, found.follow) if split_word(name) == "train" else []
        if len(classes) > 1:
            first = ", ".join(map(printable, classes[:3]))
            reason = f"is taken for a class, and holds folders ({first}): if those are the classes, give it as the data"
            found.name(name, "layout", reason, left_out=False)
            return
    inside = [set(_names_inside(root, name, found.follow)) for name in names]
    inside = [
        these for name, these in zip(names, inside, strict=True) if these or has_pictures(os.path.join(root, name))
    ]
    if len(inside) < 2 or any(len(these) < 2 for these in inside):
        return
    common = class_order(set.intersection(*inside))
    if 2 * len(common) < max(map(len, inside)):
        return
    first = ", ".join(map(printable, common[:3])) + (", …" if len(common) > 3 else "")
    reason = (
        f"each of these folders holds class folders ({first}): if those are the classes, give one folder as the data, "
        "or call them train, val and test"
    )
    some = ", ".join(map(printable, names[:3])) + (", …" if len(names) > 3 else "")
    found.problems.append(Problem(some, "layout", reason, left_out=False))


def holds_runs(folder: str) -> bool:
    """Whether a folder is a run of hubel, a series of runs, or a folder of such."""
    if _is_run(folder):
        return True
    try:
        with os.scandir(folder) as inside:
            for entry in inside:
                if not entry.name.startswith("."):
                    return entry.is_dir(follow_symlinks=False) and _is_run(entry.path)
    except OSError:
        pass
    return False


def _is_run(folder: str) -> bool:
    there = [os.path.isfile(os.path.join(folder, name)) for name in ("env.json", "config.yaml", "series.json")]
    return there[0] and any(there[1:])


def _inner(root: str, name: str, follow: bool) -> str:
    """The folder that holds the class folders of a split: archives often unpack to train/train/cat."""
    inside = _names_inside(root, name, follow)
    again = len(inside) == 1 and split_word(inside[0]) == split_word(name) != ""
    again = again or (len(inside) == 1 and inside[0].casefold() == name.casefold())
    return f"{name}/{inside[0]}" if again else name


def _names_inside(root: str, folder: str, follow: bool) -> list[str]:
    """Names of the folders in a folder that has no pictures beside them, else []; stops at the first picture."""
    names = []
    try:
        with os.scandir(os.path.join(root, folder)) as inside:
            for entry in inside:
                if is_ignored(entry.name):
                    continue
                if is_folder(entry, follow=follow):
                    names.append(entry.name)
                elif is_picture_name(entry.name):
                    return []
    except OSError:
        return []
    return sorted(names)


def _subfolders(root: str, folder: str, found: Found) -> list[str]:
    """Names of the folders directly inside; files that lie beside them are named as problems."""
    names = []
    prefix = f"{folder}/" if folder else ""
    for entry in entries(os.path.join(root, folder), prefix, found):
        if is_folder(entry, follow=found.follow):
            if entry.is_symlink() and leads_back(root, entry.path):
                found.name(prefix + entry.name, "link", BACK)
            else:
                names.append(entry.name)
        elif entry.is_symlink() and not (found.follow and os.path.exists(entry.path)):
            found.name(prefix + entry.name, "link", "leads nowhere" if found.follow else LINK)
        elif ends_like(entry.name, found.suffixes):
            found.name(prefix + entry.name, "outside a class", "lies beside the class folders")
    return names


# ---------------------------------------------------------------- what cannot be


def _require_classes(root: str, names: Sequence[str], found: Found) -> None:
    if len(names) >= 2:
        return
    root, arrays = printable(root), found.suffixes is not SUFFIXES
    thing = f"{' or '.join(sorted(found.suffixes))} file" if arrays else "picture"
    layout = "put each class in a folder of its own: DATA/good/1.npy, DATA/worn/1.npy" if arrays else _LAYOUT
    loose = sum(problem.kind == "outside a class" for problem in found.problems)
    if names:
        beside = "" if all(problem.kind != "strangers" for problem in found.problems) else f"; {STRANGERS}/ is no class"
        raise DataError(
            f"at least 2 classes are needed, {root} has {thing}s of one only: {names[0]!r}{beside}", hint=layout
        )
    links = sum(problem.reason == LINK for problem in found.problems)
    if loose:
        raise DataError(f"{root} has {plural(loose, thing)}, but none in a class folder", hint=layout)
    if links:
        raise DataError(
            f"{root} holds no {thing}s, but {plural(links, 'link')}; links are not followed",
            hint="add --follow-links",
        )
    others = sum(problem.kind in ("not an image", "link", "special file", "unreadable") for problem in found.problems)
    what = f"; {plural(others, 'other file')} not usable ({found.problems[0].reason})" if others else ", it is empty"
    raise DataError(f"{root} holds no {thing}s{what}", hint=layout)
