"""Pictures in larger files: tar shards as WebDataset writes them, tars of class folders, and Parquet files of bytes.

    shards/shard-000000.tar        key.jpg beside key.cls, key.json or key.txt, which says its label
                                   key.jpg beside key.mask.png: masks (`hubel.data.shard_masks`)
    photos.tar                     cat/1.jpg, dog/2.jpg: the folder is the class; train/cat/1.jpg with a given split
    data/train-00000.parquet       a column of bytes, and one of labels

A sample is called SHARD/KEY and is read from where it lies in its file; nothing is unpacked. Class names for labels
that are numbers come from a classes.txt beside the shards, or from what a Parquet file says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hubel.data.cells import read_table
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.masks import CLASSES_FILE, class_list
from hubel.data.names import split_folders
from hubel.data.places import Place
from hubel.data.shard_found import Gathered, Sample, as_manifest, opened
from hubel.data.shard_labels import NoLabel, as_label, said_label
from hubel.data.shard_masks import key_of, masked_manifest, masks_beside, no_masks, pairs_in
from hubel.data.shard_names import PARQUET, TAR, expanded, is_pattern, is_shard, splits_of
from hubel.data.tars import LABELS, Contents, list_tar
from hubel.data.walk import Found, is_picture_name, pictures_below, walk
from hubel.errors import DataError, UsageError

MOST_CLASSES = 1_000_000


def open_shards(
    source: str | Path, *, columns: Mapping[str, str] | None = None, follow_links: bool = False,
    masks: bool | None = None, unlabelled: bool = False,
) -> Manifest:  # fmt: skip
    """The manifest of a shard, a folder of shards or a pattern of them, in the order in which they lie there.

    `columns` names those of Parquet files: file and label. `masks`: are masks learnt? None: where there are some and
    nothing else says a label. `unlabelled`: pictures without a label are samples, too, of a last class `UNNAMED`.

    Raises DataError for shards that hold no labelled pictures, or not the `masks` that are asked for; UsageError for a
    pattern of which a file is missing, and for `columns` of tar files.
    """
    columns = dict(columns or {})
    root, shards, problems = _shards(str(source), follow=follow_links)
    tars = [shard for shard in shards if not shard.casefold().endswith(".parquet")]
    if columns and (tars or set(columns) - {"file", "label"}):
        odd = next((name for name in columns if name not in ("file", "label")), next(iter(columns)))
        raise UsageError(f"--column {odd} has no meaning for {'tar' if tars else 'Parquet'} files", hint="leave it out")
    splits = splits_of(shards)
    found = Gathered(problems=problems, unlabelled=unlabelled)
    if splits:
        for shard in shards:
            if shard not in splits:
                found.name(shard, "passed over", "its name is of no part of the split", left_out=False)
        shards = [shard for shard in shards if shard in splits]
    found.names = class_list(root, most=MOST_CLASSES)
    contents = {shard: list_tar(os.path.realpath(os.path.join(root, shard))) for shard in shards if shard in tars}
    for shard, inside in contents.items():
        for name, kind, reason, left_out in inside.problems:
            found.name(f"{shard}/{name}" if name else shard, kind, reason, left_out=left_out)
    if masks is not False and not unlabelled and (masks or not _says_labels(contents)):
        pairs = pairs_in(contents)
        if pairs and len(contents) == len(shards):
            return masked_manifest(str(source), root, found, contents, pairs, splits)
        if masks:
            raise no_masks([shard for shard in shards if shard not in contents] or shards)
    keyed = _beside_pictures(contents)
    folders = {} if keyed else _folders(contents)
    for shard in shards:
        if shard not in contents:
            _take_table(found, root, shard, splits.get(shard, ""), columns)
            continue
        take = _take_keyed if keyed else _take_folders
        take(found, root, shard, contents[shard], splits.get(shard, ""), folders)
    for end, count in sorted(found.others.items()):
        many = f"{count:,} members that end" if count > 1 else "a member that ends"
        found.name(f"*{end}", "passed over", f"{many} like this: no picture", left_out=False)
    return as_manifest(str(source), root, found)


def pictures_inside(place: str, *, follow: bool = False) -> tuple[list[str], list[Problem]]:
    """The pictures in shards, or below a folder, that somebody named to be looked at: labels do not matter here."""
    if os.path.isdir(place) and not _only_shards(place):
        return pictures_below(place, follow=follow)
    root, shards, problems = _shards(place, follow=follow)
    paths = []
    for shard in shards:
        file = os.path.join(root, shard)
        if shard.casefold().endswith(".parquet"):
            table = read_table(os.path.realpath(file), {}, unlabelled=True)
            rows = ((group, row) for group, count in enumerate(table.groups) for row in range(count))
            paths += [str(Place(file, *at, f"{n:08d}", table.column)) for n, at in enumerate(rows)]
            continue
        inside = list_tar(os.path.realpath(file))
        problems += [Problem(printable(f"{file}/{name}" if name else file), kind, why, left_out=out)
                     for name, kind, why, out in inside.problems]  # fmt: skip
        masks = masks_beside(inside)
        paths += [str(Place(file, at, size, name)) for name, at, size in inside.members
                  if is_picture_name(name) and name not in masks]  # fmt: skip
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


# ---------------------------------------------------------------- tar files


def _beside_pictures(contents: Mapping[str, Contents]) -> bool:
    """Whether any text stands beside a picture of its key: then texts are labels, and not a README."""
    for inside in contents.values():
        pictures = {key_of(name)[0] for name, _, _ in inside.members if is_picture_name(name)}
        if any(key_of(name)[0] in pictures for name in inside.said):
            return True
    return False


def _says_labels(contents: Mapping[str, Contents]) -> bool:
    """Does the text beside any picture say a class?"""
    for inside in contents.values():
        pictures = {key_of(name)[0] for name, _, _ in inside.members if is_picture_name(name)}
        for name, text in inside.said.items():
            key, end = key_of(name)
            if key in pictures and end in LABELS and not isinstance(said_label({end: text}), NoLabel):
                return True
    return False


def _take_keyed(
    found: Gathered, root: str, shard: str, inside: Contents, split: str, _: Mapping[str, tuple[str | None, str]]
) -> None:
    texts: dict[str, dict[str, str]] = {}
    for name, text in inside.said.items():
        key, end = key_of(name)
        texts.setdefault(key, {})[end] = text
    taken: set[str] = set()
    masks = masks_beside(inside)
    for name, offset, size in inside.members:
        key, end = key_of(name)
        path = f"{shard}/{name}"
        if not is_picture_name(name) or name in masks:
            if end not in LABELS:
                found.pass_over(name)
            continue
        if key in taken:
            found.name(path, "twice", "another picture of this key stands before it, which is used")
            continue
        taken.add(key)
        label: str | int | NoLabel | None = said_label(texts.get(key, {}))
        if isinstance(label, NoLabel):
            if not found.unlabelled:
                found.name(path, label.kind, label.why)
                continue
            label = None
        place = Place(opened(root, shard), offset, size, name)
        found.samples.append(Sample(path, str(place), (size, *inside.stat[1:]), label, split))


def _folders(contents: Mapping[str, Contents]) -> dict[str, tuple[str | None, str]]:
    """Of every folder in the tars that holds pictures: (class, split). One folder around all of them is none.

    Pictures that lie in a part of a split, and in no folder of it, have no class.
    """
    pictures = (name for inside in contents.values() for name, _, _ in inside.members if is_picture_name(name))
    folders = {name.rpartition("/")[0] for name in pictures}
    parts = {folder: folder.split("/") for folder in folders if folder}
    while parts and all(len(each) > 1 for each in parts.values()) and len({each[0] for each in parts.values()}) == 1:
        parts = {folder: each[1:] for folder, each in parts.items()}
    tops = split_folders({each[0] for each in parts.values()})
    if tops and all(each[0] in tops for each in parts.values()):
        return {folder: (each[1] if each[1:] else None, tops[each[0]]) for folder, each in parts.items()}
    return {folder: (each[0], "") for folder, each in parts.items()}


def _take_folders(
    found: Gathered, root: str, shard: str, inside: Contents, split: str, folders: Mapping[str, tuple[str | None, str]]
) -> None:
    masks = masks_beside(inside)
    for name, offset, size in inside.members:
        if not is_picture_name(name) or name in masks:
            found.pass_over(name)
            continue
        label, part = folders.get(name.rpartition("/")[0], (None, ""))
        if label is None and not found.unlabelled:
            found.name(f"{shard}/{name}", "outside a class", "in no class folder, and no text beside it says its label")
            continue
        place = Place(opened(root, shard), offset, size, name)
        stat = (size, *inside.stat[1:])
        label = None if label is None else printable(label)
        found.samples.append(Sample(f"{shard}/{name}", str(place), stat, label, split or part))


# ---------------------------------------------------------------- Parquet files


def _take_table(found: Gathered, root: str, shard: str, split: str, columns: Mapping[str, str]) -> None:
    file = os.path.realpath(os.path.join(root, shard))
    table = read_table(file, columns, unlabelled=found.unlabelled)
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
            label: str | int | NoLabel | None = as_label(table.labels[row])
            if isinstance(label, NoLabel) and found.unlabelled:
                label = None
            if isinstance(label, NoLabel):
                found.name(f"{shard}/{name}", label.kind, label.why)
            else:
                place = Place(opened(root, shard), group, inside, name, table.column)
                found.samples.append(Sample(f"{shard}/{name}", str(place), table.stat, label, split))
            row += 1
