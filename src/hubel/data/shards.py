"""Pictures in larger files: tar shards as WebDataset writes them, tars of class folders, and Parquet files of bytes.

    shards/shard-000000.tar        key.jpg beside key.cls, key.json or key.txt, which says its label
    photos.tar                     cat/1.jpg, dog/2.jpg: the folder is the class; train/cat/1.jpg with a given split
    data/train-00000.parquet       a column of bytes, and one of labels

A sample is called SHARD/KEY and is read from where it lies in its file; nothing is unpacked. Class names for labels
that are numbers come from a classes.txt beside the shards, or from what a Parquet file says.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hubel.data.cells import read_table
from hubel.data.manifest import SPLIT_RANK, Manifest, Problem, printable
from hubel.data.masks import CLASSES_FILE, class_list
from hubel.data.names import class_order, look_alikes, split_folders
from hubel.data.places import Place
from hubel.data.shard_labels import NoLabel, as_label, said_label
from hubel.data.shard_names import PARQUET, TAR, expanded, is_pattern, is_shard, splits_of
from hubel.data.tars import LABELS, Contents, list_tar
from hubel.data.walk import Found, is_picture_name, pictures_below, walk
from hubel.errors import DataError, UsageError

MOST_CLASSES = 1_000_000
MANY = 100
"""More classes than this, and more than half as many as pictures, are descriptions."""
_HINT = "key.jpg beside key.cls (a number or a name), or class folders in the tar: cat/1.jpg"
_Stat = tuple[int, int, int]


@dataclass(frozen=True)
class _Sample:
    path: str
    file: str
    """What is opened for it (`hubel.data.places`)."""
    stat: _Stat
    label: str | int
    split: str


@dataclass
class _Gathered:
    """Samples of all shards on their way."""

    samples: list[_Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    """Members that are no pictures, by how they end."""
    names: tuple[str, ...] | None = None
    """Of classes that are numbers."""

    def name(self, path: str, kind: str, reason: str, *, left_out: bool = True) -> None:
        self.problems.append(Problem(printable(path), kind, reason, left_out=left_out))

    def pass_over(self, member: str) -> None:
        """Count a member that is no picture."""
        _, dot, end = member.rpartition("/")[2].rpartition(".")
        self.others[dot + end if dot else ""] += 1


def open_shards(
    source: str | Path, *, columns: Mapping[str, str] | None = None, follow_links: bool = False
) -> Manifest:
    """The manifest of a shard, a folder of shards or a pattern of them, in the order in which they lie there.

    `columns` names those of Parquet files: file and label. Raises DataError for shards that hold no labelled pictures,
    UsageError for a pattern of which a file is missing, and for `columns` of tar files.
    """
    columns = dict(columns or {})
    root, shards, problems = _shards(str(source), follow=follow_links)
    tars = [shard for shard in shards if not shard.casefold().endswith(".parquet")]
    if columns and (tars or set(columns) - {"file", "label"}):
        odd = next((name for name in columns if name not in ("file", "label")), next(iter(columns)))
        raise UsageError(f"--column {odd} has no meaning for {'tar' if tars else 'Parquet'} files", hint="leave it out")
    splits = splits_of(shards)
    found = _Gathered(problems=problems)
    if splits:
        for shard in shards:
            if shard not in splits:
                found.name(shard, "passed over", "its name is of no part of the split", left_out=False)
        shards = [shard for shard in shards if shard in splits]
    found.names = class_list(root, most=MOST_CLASSES)
    contents = {shard: list_tar(os.path.realpath(os.path.join(root, shard))) for shard in shards if shard in tars}
    keyed = _beside_pictures(contents)
    folders = {} if keyed else _folders(contents)
    for shard in shards:
        if shard not in contents:
            _take_table(found, root, shard, splits.get(shard, ""), columns)
            continue
        for name, kind, reason, left_out in contents[shard].problems:
            found.name(f"{shard}/{name}" if name else shard, kind, reason, left_out=left_out)
        take = _take_keyed if keyed else _take_folders
        take(found, root, shard, contents[shard], splits.get(shard, ""), folders)
    for end, count in sorted(found.others.items()):
        many = f"{count:,} members that end" if count > 1 else "a member that ends"
        found.name(f"*{end}", "passed over", f"{many} like this: no picture", left_out=False)
    return _manifest(str(source), root, found)


def pictures_inside(place: str, *, follow: bool = False) -> tuple[list[str], list[Problem]]:
    """The pictures in shards, or below a folder, that somebody named to be looked at: labels do not matter here."""
    if os.path.isdir(place) and not _only_shards(place):
        return pictures_below(place, follow=follow)
    root, shards, problems = _shards(place, follow=follow)
    paths = []
    for shard in shards:
        file = os.path.join(root, shard)
        if shard.casefold().endswith(".parquet"):
            table = read_table(os.path.realpath(file), {})
            rows = ((group, row) for group, count in enumerate(table.groups) for row in range(count))
            paths += [str(Place(file, *at, f"{n:08d}", table.column)) for n, at in enumerate(rows)]
            continue
        inside = list_tar(os.path.realpath(file))
        problems += [Problem(printable(f"{file}/{name}" if name else file), kind, why, left_out=out)
                     for name, kind, why, out in inside.problems]  # fmt: skip
        paths += [str(Place(file, at, size, name)) for name, at, size in inside.members if is_picture_name(name)]
    return paths, problems


def _only_shards(folder: str) -> bool:
    found = Found(suffixes=TAR | PARQUET)
    walk(folder, "", found)
    return bool(found.paths) and not any(is_picture_name(problem.path) for problem in found.problems)


def _shards(source: str, *, follow: bool) -> tuple[str, list[str], list[Problem]]:
    """(root, shards relative to it in the order of their names, what was met beside them)."""
    source = os.path.expanduser(source)
    if os.path.isdir(source):
        return _shards_below(os.path.realpath(source), follow)
    files = [os.path.abspath(name) for name in (expanded(source) if is_pattern(source) else [source])]
    gone = [file for file in files if not os.path.isfile(file)]
    if gone:
        raise UsageError(
            f"{printable(source)} names {len(files):,} files, {len(gone):,} of which are not there; first: "
            f"{printable(gone[0])}",
            hint="name those that are there, or their folder",
        )
    root = os.path.commonpath([os.path.dirname(file) for file in files])
    return os.path.realpath(root), sorted({os.path.relpath(file, root).replace(os.sep, "/") for file in files}), []


def _shards_below(root: str, follow: bool) -> tuple[str, list[str], list[Problem]]:
    found = Found(follow=follow, suffixes=TAR | PARQUET)
    walk(root, "", found)
    shards, problems = list(found.paths), []
    for problem in found.problems:
        if problem.kind != "not an image":
            problems.append(problem)
        elif is_shard(problem.path):
            shards.append(problem.path)  # a packed one, which is refused with the way out
        elif problem.path != CLASSES_FILE and not problem.path.endswith("edits.jsonl"):
            problems.append(Problem(problem.path, "passed over", "it is no shard", left_out=False))
    return root, sorted(shards), problems


def _opened(root: str, shard: str) -> str:
    """The file of a shard after its links, relative to the root."""
    return os.path.relpath(os.path.realpath(os.path.join(root, shard)), root)


# ---------------------------------------------------------------- tar files


def _key(name: str) -> tuple[str, str]:
    """WebDataset's key of a member and how the member ends: all before the first dot of its last part, and the rest."""
    folder, slash, base = name.rpartition("/")
    stem, dot, end = base.partition(".")
    return folder + slash + stem, dot + end.casefold()


def _beside_pictures(contents: Mapping[str, Contents]) -> bool:
    """Whether any text stands beside a picture of its key: then texts are labels, and not a README."""
    for inside in contents.values():
        pictures = {_key(name)[0] for name, _, _ in inside.members if is_picture_name(name)}
        if any(_key(name)[0] in pictures for name in inside.said):
            return True
    return False


def _take_keyed(
    found: _Gathered, root: str, shard: str, inside: Contents, split: str, _: Mapping[str, tuple[str, str]]
) -> None:
    texts: dict[str, dict[str, str]] = {}
    for name, text in inside.said.items():
        key, end = _key(name)
        texts.setdefault(key, {})[end] = text
    taken: set[str] = set()
    for name, offset, size in inside.members:
        key, end = _key(name)
        path = f"{shard}/{name}"
        if not is_picture_name(name):
            if end not in LABELS:
                found.pass_over(name)
            continue
        if key in taken:
            found.name(path, "twice", "another picture of this key stands before it, which is used")
            continue
        taken.add(key)
        label = said_label(texts.get(key, {}))
        if isinstance(label, NoLabel):
            found.name(path, label.kind, label.why)
            continue
        place = Place(_opened(root, shard), offset, size, name)
        found.samples.append(_Sample(path, str(place), (size, *inside.stat[1:]), label, split))


def _folders(contents: Mapping[str, Contents]) -> dict[str, tuple[str, str]]:
    """Of every folder in the tars that holds pictures: (class, split). One folder around all of them is none."""
    pictures = (name for inside in contents.values() for name, _, _ in inside.members if is_picture_name(name))
    folders = {name.rpartition("/")[0] for name in pictures}
    parts = {folder: folder.split("/") for folder in folders if folder}
    while parts and all(len(each) > 1 for each in parts.values()) and len({each[0] for each in parts.values()}) == 1:
        parts = {folder: each[1:] for folder, each in parts.items()}
    tops = split_folders({each[0] for each in parts.values()})
    if tops and all(len(each) > 1 and each[0] in tops for each in parts.values()):
        return {folder: (each[1], tops[each[0]]) for folder, each in parts.items()}
    return {folder: (each[0], "") for folder, each in parts.items()}


def _take_folders(
    found: _Gathered, root: str, shard: str, inside: Contents, split: str, folders: Mapping[str, tuple[str, str]]
) -> None:
    for name, offset, size in inside.members:
        if not is_picture_name(name):
            found.pass_over(name)
            continue
        folder = name.rpartition("/")[0]
        if folder not in folders:
            found.name(f"{shard}/{name}", "outside a class", "in no class folder, and no text beside it says its label")
            continue
        label, part = folders[folder]
        place = Place(_opened(root, shard), offset, size, name)
        stat = (size, *inside.stat[1:])
        found.samples.append(_Sample(f"{shard}/{name}", str(place), stat, printable(label), split or part))


# ---------------------------------------------------------------- Parquet files


def _take_table(found: _Gathered, root: str, shard: str, split: str, columns: Mapping[str, str]) -> None:
    file = os.path.realpath(os.path.join(root, shard))
    table = read_table(file, columns)
    if table.names is not None:
        if found.names not in (None, table.names):
            raise DataError(
                f"{printable(shard)} names other classes than what was read before it", hint="one set at a time"
            )
        found.names = table.names
    if not table.labels:
        found.name(shard, "empty", "holds no row")
    row = 0
    for group, count in enumerate(table.groups):
        for inside in range(count):
            name = f"{row:08d}"
            label = as_label(table.labels[row])
            if isinstance(label, NoLabel):
                found.name(f"{shard}/{name}", label.kind, label.why)
            else:
                place = Place(_opened(root, shard), group, inside, name, table.column)
                found.samples.append(_Sample(f"{shard}/{name}", str(place), table.stat, label, split))
            row += 1


# ---------------------------------------------------------------- all together


def _manifest(source: str, root: str, found: _Gathered) -> Manifest:
    samples = list(_classed(found))
    class_names = class_order(label for _, label in samples) if found.names is None else list(found.names)
    _require_classes(source, samples, found)
    index = {name: i for i, name in enumerate(class_names)}
    found.problems += look_alikes(class_names)
    samples.sort(key=lambda pair: SPLIT_RANK[pair[0].split])  # within a part as they lie in their files: read in a row
    return Manifest(
        source=source,
        root=root,
        kind="files",
        paths=tuple(sample.path for sample, _ in samples),
        linked=tuple(sample.file for sample, _ in samples),
        labels=np.array([index[label] for _, label in samples], dtype=np.int64),
        class_names=tuple(class_names),
        given_split=np.array([sample.split for sample, _ in samples], dtype="<U5"),
        stats=np.array([sample.stat for sample, _ in samples], dtype=np.int64).reshape(-1, 3),
        problems=tuple(found.problems),
    )


def _classed(found: _Gathered) -> Iterable[tuple[_Sample, str]]:
    """Samples with the names of their classes; those whose label is none are named as problems."""
    names = found.names
    known = set(names or ())
    for sample in found.samples:
        label = sample.label
        if names is None:
            yield sample, str(label)
        elif isinstance(label, int) and label < len(names) and str(label) not in known:
            yield sample, names[label]
        elif str(label) in known:
            yield sample, str(label)
        else:
            found.name(sample.path, "bad label", f"its label is {label}, and {len(names):,} classes are named")


def _require_classes(source: str, samples: list[tuple[_Sample, str]], found: _Gathered) -> None:
    classes = {label for _, label in samples}
    if len(classes) < 2:
        first = next((f"; first: {p.path}: {p.reason}" for p in found.problems if p.left_out), "")
        what = f"pictures of one class only: {next(iter(classes))!r}" if classes else "no picture with a label"
        raise DataError(f"{printable(source)} holds {what}{first}", hint=_HINT)
    if len(classes) > MANY and 2 * len(classes) > len(samples):
        raise DataError(
            f"{printable(source)} has {len(classes):,} different labels for {len(samples):,} pictures: those are "
            "descriptions and no classes",
            hint="key.cls with the number or the name of a class, beside the other texts",
        )
