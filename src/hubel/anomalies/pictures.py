"""Where normal and other pictures come from: folders, the layout of MVTec, or one class of a labelled set.

good/                                    normal pictures, at any depth
mixed/ with good/, scratch/, …           what is in good/ (normal/, ok/) is normal, the others are kinds of defects
mixed/ without folders                   nobody knows: scored, not measured
part/train/good, part/test/scratch/…, part/ground_truth/scratch/000_mask.png     MVTec AD, one folder for all
mnist --normal 3                         one class is normal, the others are not
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hubel.data.decode import read_images
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.preprocessing import Preprocessing
from hubel.data.series import is_table
from hubel.data.sources import SOURCES, open_source
from hubel.data.walk import Found, walk
from hubel.errors import DataError, UsageError, unknown
from hubel.words import plural

GOOD = ("good", "normal", "ok", "nominal", "negative", "no_defect")
"""Names of folders whose pictures are normal, unless somebody names another."""
UNKNOWN, NORMAL, STRANGE = -1, 0, 1


@dataclass(frozen=True, kw_only=True)
class Material:
    """Pictures that are listed and not read yet."""

    good: Manifest
    """Normal pictures to learn from."""
    test: Manifest | None
    truth: np.ndarray
    """Of the test pictures: -1 unknown, 0 normal, 1 strange."""
    kinds: tuple[str, ...]
    """Of the test pictures: the folder or class they are of; "" where there is none."""
    masks: tuple[str | None, ...]
    """Of the test pictures: the file that says where the defect is."""
    problems: tuple[Problem, ...]
    name: str


def list_material(
    good: str, test: str | None = None, *, normal: Sequence[str] = (), follow_links: bool = False
) -> Material:
    """What there is to learn from and to measure by. Raises UsageError, DataError; see the head of this module."""
    if good in SOURCES or (normal and _is_file(good)):
        return _of_classes(good, test, normal)
    if is_table(good) and _is_file(good):
        raise UsageError(
            f"normal pictures are in a folder, and {good} is a table",
            hint="--normal CLASS says which class is normal; to judge rows instead, leave out the column of files",
        )
    whole = _mvtec(good) if test is None else None
    if whole:
        learnt, test = whole
    else:
        learnt = good
    if normal and test is None and not whole:
        return _of_classes(good, test, normal)
    known = tuple(normal) or GOOD
    manifest = _folder(learnt, follow_links, "normal pictures")
    if test is None:
        return Material(
            good=manifest, test=None, truth=np.zeros(0, np.int64), kinds=(), masks=(), problems=manifest.problems,
            name=_name(good),
        )  # fmt: skip
    root = _inner_test(test)
    mixed = _folder(root, follow_links, "pictures to look at")
    assert mixed.paths is not None
    kinds = tuple(path.split("/")[0] if "/" in path else "" for path in mixed.paths)
    _check_named(normal, kinds, root)
    truth = _truth(kinds, known)
    masks = _masks(root, mixed.paths, kinds)
    return Material(
        good=manifest, test=mixed, truth=truth, kinds=kinds, masks=masks, name=_name(good),
        problems=manifest.problems + mixed.problems,
    )  # fmt: skip


def _check_named(normal: Sequence[str], kinds: Sequence[str], place: str) -> None:
    """Raise UsageError for a folder that is called normal and is none of those of the test."""
    there = {kind.casefold(): kind for kind in kinds if kind}
    for name in normal:
        if name.casefold() not in there:
            listed = ", ".join(printable(kind) for kind in list(there.values())[:10]) or "no folders"
            raise UsageError(
                f"--normal says {printable(name)!r}, and {printable(place)} has no such folder; it has {listed}",
                hint="name one of them; without --normal those called good, normal, ok or nominal are normal",
            )


def _truth(kinds: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """-1, 0, 1 by the names of folders; all unknown unless one of them is that of normal pictures.

    >>> _truth(("good", "scratch", ""), GOOD).tolist(), _truth(("a", "b"), GOOD).tolist()
    ([0, 1, -1], [-1, -1])
    """
    low = [kind.casefold() for kind in kinds]
    names = {name.casefold() for name in known}
    if not names & set(low):
        return np.full(len(kinds), UNKNOWN)
    return np.array([UNKNOWN if not kind else NORMAL if kind in names else STRANGE for kind in low], np.int64)


def _name(place: str) -> str:
    path = Path(os.path.abspath(place))
    if path.name.casefold() in (*GOOD, "train") and path.parent.name:
        up = path.parent
        path = up.parent if up.name.casefold() == "train" and up.parent.name else up
    return printable(path.name or "pictures")


def _is_file(place: str) -> bool:
    return os.path.isfile(place)


def _mvtec(place: str) -> tuple[str, str] | None:
    """The folders train/good and test of a part of MVTec AD, where `place` is one."""
    train, test = os.path.join(place, "train"), os.path.join(place, "test")
    if not (os.path.isdir(train) and os.path.isdir(test)):
        return None
    inner = next((os.path.join(train, name) for name in GOOD if os.path.isdir(os.path.join(train, name))), None)
    return (inner, test) if inner else None


def _inner_test(place: str) -> str:
    """Of a part of MVTec AD its folder test."""
    inner = os.path.join(place, "test")
    return inner if os.path.isdir(inner) and os.path.isdir(os.path.join(place, "ground_truth")) else place


def _folder(place: str, follow_links: bool, what: str) -> Manifest:
    """Every picture below a folder, whatever folders are in it."""
    try:
        there = os.path.isdir(place)
    except ValueError:
        there = False
    if not there:
        isfile = os.path.isfile(place)
        raise DataError(
            f"a folder of {what} is needed, got {printable(place)!r}" + (", which is a file" if isfile else ""),
            hint="there is no such folder" if not isfile else "give the folder that the pictures lie in",
        )
    root = os.path.realpath(place)
    found = Found(follow=follow_links)
    walk(root, "", found)
    order = sorted(range(len(found.paths)), key=lambda i: found.paths[i].split("/"))
    problems = tuple(p for p in found.problems if p.kind != "not an image")
    if not order:
        links = sum(problem.kind == "link" for problem in found.problems)
        raise DataError(
            f"{printable(place)} holds no pictures"
            + (f", but {plural(links, 'link')}; links are not followed" if links else ""),
            hint="add --follow-links" if links else f"give a folder with {what} in it, at any depth",
        )
    return Manifest(
        source=place, root=root, kind="files", paths=tuple(found.paths[i] for i in order),
        linked=tuple(found.files[i] for i in order) if follow_links else None,
        labels=np.zeros(len(order), np.int64), class_names=("pictures",),
        given_split=np.full(len(order), "", dtype="<U5"),
        stats=np.array([found.stats[i] for i in order], dtype=np.int64).reshape(-1, 3), problems=problems,
    )  # fmt: skip


def _of_classes(source: str, test: str | None, normal: Sequence[str]) -> Material:
    """One or several classes of a labelled source are normal, all others are not."""
    if test is not None:
        raise UsageError(
            f"{source} is divided into what is normal and what is not by --normal, and --test names other pictures",
            hint="leave one of them out",
        )
    whole = open_source(source)
    if whole.kind == "points" or whole.regression:
        raise DataError(f"{source} holds no pictures with classes", hint="give a folder of normal pictures")
    if not normal:
        raise UsageError(
            f"{source} has {plural(whole.num_classes, 'class')}, and nobody said which is normal",
            hint=f"--normal {whole.class_names[0]}",
        )
    for name in normal:
        if name not in whole.class_names:
            raise unknown("class", name, whole.class_names)
    if set(normal) == set(whole.class_names):
        raise UsageError("all classes are called normal: nothing is left to tell apart", hint="name fewer of them")
    wanted = np.isin(whole.labels, [whole.class_names.index(name) for name in normal])
    held = np.asarray(whole.given_split) == "test"
    if not held.any():
        # As many normal ones are kept for the test as hubel train keeps there: a fifth.
        rows = np.random.default_rng(0).permutation(np.flatnonzero(wanted))
        held[rows[: max(1, len(rows) // 5)]] = True
        held |= ~wanted
    learnt, measured = np.flatnonzero(wanted & ~held), np.flatnonzero(held)
    if not len(learnt):
        raise DataError(f"{source} has no picture of {', '.join(normal)} to learn from", hint="name another class")
    kinds = tuple(whole.class_names[label] for label in whole.labels[measured])
    one = ("pictures",)
    parts = [
        replace(
            whole.select(rows), labels=np.zeros(len(rows), np.int64), class_names=one,
            given_split=np.full(len(rows), "", dtype="<U5"), _digest=[],
        )
        for rows in (learnt, measured)
    ]  # fmt: skip
    return Material(
        good=parts[0], test=parts[1], truth=np.where(wanted[measured], NORMAL, STRANGE), kinds=kinds,
        masks=(None,) * len(measured), problems=whole.problems, name=f"{_name(source)}-{'-'.join(normal)}",
    )  # fmt: skip


def _masks(root: str, paths: Sequence[str], kinds: Sequence[str]) -> tuple[str | None, ...]:
    """ground_truth/KIND/NAME_mask.png beside the folder or in it, or NAME.png there."""
    places = [os.path.join(os.path.dirname(root.rstrip(os.sep)), "ground_truth"), os.path.join(root, "ground_truth")]
    place = next((place for place in places if os.path.isdir(place)), None)
    if place is None:
        return (None,) * len(paths)
    found: list[str | None] = []
    for path, kind in zip(paths, kinds, strict=True):
        stem = os.path.splitext(path.split("/", 1)[-1])[0]
        tries = [os.path.join(place, kind, f"{stem}{ending}.png") for ending in ("_mask", "")]
        found.append(next((file for file in tries if os.path.isfile(file)), None))
    return tuple(found)


def read_masks(
    files: Sequence[str | None], truth: np.ndarray, preprocessing: Preprocessing
) -> tuple[np.ndarray | None, list[Problem]]:
    """N H W of 0 and 1, -1 where nobody knows; None where there is not a single mask."""
    if not any(files):
        return None, []
    how = replace(preprocessing, channels=1, mean=(), std=(), interpolation="nearest", levels=None, takes="")
    masks = np.full((len(files), how.height, how.width), -1, np.int8)
    masks[truth == NORMAL] = 0
    problems: list[Problem] = []
    for row, file in enumerate(files):
        if file is None:
            continue
        images, _, bad = read_images([file], how)
        problems += bad
        if len(images):
            masks[row] = images[0, 0] > 200  # a rim that was added is middle grey
    return masks, problems
