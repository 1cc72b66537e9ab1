"""Where data comes from: a name from the registry, a folder, or a table of files; one road into a Manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hubel.data import cache
from hubel.data.changes import Edit
from hubel.data.edit_log import NAME, EditLog
from hubel.data.edits import edited
from hubel.data.folders import open_folder, split_parts, unwrapped
from hubel.data.lists import in_lists
from hubel.data.manifest import SPLIT_RANK, Manifest, Problem, printable
from hubel.data.masks import has_masks, open_masks
from hubel.data.rows import holds_rows, open_rows
from hubel.data.shard_names import is_shard, names_shards
from hubel.data.shards import open_shards
from hubel.data.signals import holds_arrays, open_signals
from hubel.data.tables import SUFFIXES, Table, fault_of, names_files, open_table, open_tables, table_at
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

FLAGS = {
    "columns": "--column", "images": "--images", "follow_links": "--follow-links", "data_root": "--data-root",
}  # fmt: skip
"""How a source is read, by option of `open_source`, and the flag that says it."""

TABLES_IN_FOLDERS = ("metadata.csv", "metadata.jsonl", "labels.csv", "labels.jsonl")
"""A folder whose pictures are not in class folders may say their labels in one of these."""


def data_folders(data_dir: str | Path | None = None) -> list[Path]:
    """Where named sets are looked for: `data_dir`, then HUBEL_DATA."""
    chosen = [data_dir, os.environ.get("HUBEL_DATA")]
    return [Path(folder).expanduser() for folder in chosen if folder]


def open_source(
    source: str | os.PathLike[str],
    *,
    data_dir: str | Path | None = None,
    data_root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    follow_links: bool = False,
    edits: Sequence[Edit] | None = None,
    lists: bool = False,
    masks: bool | None = None,
    progress: cache.Progress | None = None,
) -> Manifest:
    """The manifest of `source`: a name in SOURCES, or the path of a folder, a CSV or a JSONL file.

    A file of pictures (.tar, .parquet), a folder of such or a pattern in braces is read as `hubel.data.shards` says.

    `data_dir` is the folder that holds downloaded sets (else HUBEL_DATA, else they are downloaded to the cache). A path
    that has a separator in it, or that exists and is no registered name, is taken as a path.

    `masks`: are masks in tar files learnt? None: where nothing beside the pictures says a class. Folders and tables say
    that themselves.

    `lists`: a cell of a table's label column lists labels, cat|dog.

    `progress` is told of the bytes of a download.

    `data_root` is where data lies that is no longer where `source` says: the data itself, or a folder that it lies in.
    `columns` and `images` are for tables (see `open_table`); with `follow_links`, links in folders and tables count as
    what they lead to. `edits` are made to what a folder or table says: None for those of its own log
    (`hubel.data.edit_log`), () for none.
    Raises UsageError for a name or path that does not exist and for options that have no meaning for such a source,
    DataError for one that holds nothing usable.

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
        _refuse(f"the named set {name}", columns=columns, images=images, follow_links=follow_links, data_root=data_root)
        with cache.watched(progress):
            return SOURCES.get(name)(data_folders(data_dir))
    path = Path(name).expanduser() if data_root is None else moved(name, data_root)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{printable(name)!r} cannot be a path: {error}",
            hint="give a folder, a table, or a name of hubel data --list",
        ) from None
    if names_shards(path):
        _refuse("shards", images=images)
        if lists:
            raise UsageError("shards have one label for each picture", hint="a table, for pictures with several labels")
        shards = open_shards(path, columns=columns, follow_links=follow_links, masks=masks)
        return shards if shards.masks is not None else honoured(shards, path, edits)
    if is_folder and not columns and not images and has_masks(path, follow=follow_links):
        return open_masks(path, follow_links=follow_links)
    if is_folder and holds_arrays(path):
        _refuse("a folder of NumPy files", columns=columns, images=images)
        return open_signals(path, follow_links=follow_links)
    if lists and is_file and path.suffix.casefold() in SUFFIXES:
        listed = open_table(path, columns=columns, images=images, follow_links=follow_links, lists=True)
        return honoured(listed, path, edits)
    if is_folder:
        return honoured(_open_folder(path, columns, images, follow_links, lists=lists), path, edits)
    if is_file and path.suffix.casefold() in SUFFIXES:
        if images is None and holds_rows(path, columns or {}):
            _refuse("a table whose rows are samples", follow_links=follow_links)
            return open_rows(path, columns=columns)
        listed = open_table(path, columns=columns, images=images, follow_links=follow_links)
        return listed if listed.masks is not None else honoured(listed, path, edits)
    if is_file:
        raise DataError(
            f"{printable(name)} is one file; a source is a folder of class folders, a CSV or JSONL table, or a tar",
            hint="to classify one file: hubel predict RUN PICTURE; to learn it as a function: --task field",
        )
    raise _nothing_there(name, path)


def honoured(manifest: Manifest, path: Path, edits: Sequence[Edit] | None) -> Manifest:
    """A manifest as `edits` have it, or, where they are None, as those have it that were made to the data at `path`."""
    if edits is not None:
        return edited(manifest, edits)
    made, problems = edit_log(path, manifest.root).read()
    if problems:
        manifest = replace(manifest, problems=(*manifest.problems, *problems))
    return edited(manifest, made)


def open_as_learnt(source: str | os.PathLike[str], **reading: Any) -> Manifest:
    """As `open_source`, and once more by label where cells such as cat|dog list several, as `hubel train` has them."""
    found = open_source(source, **reading)
    return found if in_lists(found) is None else open_source(source, lists=True, **reading)


def edit_log(path: Path, root: str) -> EditLog:
    """The log of the edits of a folder or a table; `root` is that of its manifest."""
    real = os.path.realpath(path)
    if os.path.isdir(real):
        return EditLog(beside=Path(root if root.startswith(real + os.sep) else real, NAME))
    folder, name = os.path.split(real)
    # A table that says the labels of its folder: whichever of the two is named, the edits are the same.
    return EditLog(beside=Path(folder, NAME if name in TABLES_IN_FOLDERS else f"{name}.{NAME}"))


def moved(source: str, data_root: str | Path) -> Path:
    """Where data lies that was `source` and moved: `data_root` itself, or what is called like it there.

    Raises UsageError where there is no such folder or table.
    """
    root, name = Path(data_root).expanduser(), Path(source)
    try:
        for place in (root / name.name, *([] if name.is_absolute() else [root / name])):
            if place != root and (place.exists() or names_shards(place)):
                return place
        if root.is_dir() and name.suffix.casefold() not in SUFFIXES:
            return root
        if root.is_file() and (root.suffix.casefold() in SUFFIXES or is_shard(root.name)):
            return root
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--data-root {printable(str(data_root))!r} cannot be a path: {error}",
            hint="give a folder or a table that is there",
        ) from None
    raise UsageError(
        f"--data-root must be where {printable(name.name)} lies, or that itself; got {printable(str(data_root))!r}",
        hint="there is no such folder" if not root.exists() else f"it holds no {printable(name.name)}",
    )


def _refuse(what: str, **options: object) -> None:
    """UsageError for options that would be without effect."""
    given = [name for name, value in options.items() if value]
    if given:
        flag = FLAGS[given[0]]
        raise UsageError(f"{flag} has no meaning for {what}", hint=f"leave {flag} out")


def _open_folder(
    path: Path,
    columns: Mapping[str, str] | None,
    images: str | Path | None,
    follow_links: bool,
    *,
    lists: bool = False,
) -> Manifest:
    """A folder of class folders, or one whose labels stand in a table, in it or in each part of its split."""
    tables, passed, fault = _tables_of_folder(path, columns, images, follow_links)
    if tables:
        alone = not tables[0].split
        manifest = open_tables(str(tables[0].path if alone else path), tables, lists=lists)
        return replace(manifest, source=str(path), problems=(*passed, *manifest.problems))
    _refuse("a folder of class folders", columns=columns, images=images)
    try:
        manifest = open_folder(path, follow_links=follow_links)
    except DataError as error:
        if fault is None:
            raise
        raise DataError(
            f"{error.what}; and {passed[-1].path} cannot say what they are: {fault.what}", hint=fault.hint
        ) from None
    return replace(manifest, problems=(*passed, *manifest.problems))


def _tables_of_folder(
    path: Path, columns: Mapping[str, str] | None, images: str | Path | None, follow_links: bool
) -> tuple[list[Table], list[Problem], DataError | None]:
    """The tables that say the labels of a folder's pictures, that of training first; what was passed over; and why the
    last table that lies in it says none. One without a split lies in the folder itself; [] where class folders say it.
    """
    passed: list[Problem] = []
    fault: DataError | None = None
    for table in _tables_in(str(path)):
        about = Table(path=table, columns=columns or {}, folder=os.path.realpath(path), root="", follow=follow_links)
        fault = fault_of(about)
        if columns or images or fault is None:
            return [table_at(table, columns=columns, images=images, follow_links=follow_links)], [], None
        reason = f"{fault.what}: {fault.hint}"
        passed.append(Problem(printable(table.name), "passed over", reason, left_out=False))
    root = unwrapped(os.path.realpath(path), follow=follow_links)
    parts = dict(sorted(split_parts(root, follow=follow_links).items(), key=lambda part: SPLIT_RANK[part[1]]))
    inside = {part: _tables_in(os.path.join(root, part)) for part in parts}
    tables = [
        Table(
            path=found[0], columns=columns or {}, folder=os.path.join(root, *part.split("/")), root=root,
            split=parts[part], follow=follow_links,
        )
        for part, found in inside.items() if found
    ]  # fmt: skip
    if not (any(table.split == "train" for table in tables) and (columns or all(map(names_files, tables)))):
        return [], passed, fault
    _refuse("tables in each part of a split", images=images)
    without = "it has no table of labels, as the other parts of the split have"
    unsaid = [Problem(printable(part), "passed over", without, left_out=False) for part in parts if not inside[part]]
    return tables, [*passed, *unsaid], None


def tables_of(
    source: str | os.PathLike[str],
    *,
    data_root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    follow_links: bool = False,
    lists: bool = False,
) -> list[Table]:
    """The tables of files in which a source says its labels, as `open_source` reads them, that of training first.

    [] for named sets, class folders, tables of numbers, shards, and whatever else says them in no table.
    """
    name = os.fspath(source)
    path = Path(name).expanduser() if data_root is None else moved(name, data_root)
    if name in SOURCES or names_shards(path):
        return []
    if path.is_file() and path.suffix.casefold() in SUFFIXES:
        if not lists and images is None and holds_rows(path, columns or {}):
            return []
        return [table_at(path, columns=columns, images=images, follow_links=follow_links)]
    by_masks = not columns and not images and has_masks(path, follow=follow_links)
    if not path.is_dir() or by_masks or holds_arrays(path):
        return []
    return _tables_of_folder(path, columns, images, follow_links)[0]


def is_there(place: str) -> bool:
    """Whether a path leads to something, or is a pattern of shards."""
    try:
        return os.path.exists(place) or names_shards(place)
    except ValueError:
        return False


def lies_among(manifest: Manifest, place: str | Path) -> bool:
    """Whether a file written to `place` would lie among the data: over one of theirs, or in one of their folders."""
    real = os.path.realpath(os.path.expanduser(place))
    table = os.path.realpath(os.path.expanduser(manifest.source))
    if manifest.paths is None or real == table:
        return manifest.paths is not None
    if not real.startswith(manifest.root + os.sep):
        return real == manifest.root and os.path.isdir(table)
    inside = os.path.relpath(real, manifest.root).replace(os.sep, "/")
    above = inside.partition("/")[0] + "/"
    return any(path == inside or path.startswith(above) for path in manifest.paths)


def has_tables(folder: str | Path) -> bool:
    """Do the labels of a folder's pictures stand in a table, in it or in each part of its split?"""
    root = os.path.realpath(folder)
    return any(_tables_in(place) for place in (root, *(os.path.join(root, part) for part in split_parts(root))))


def _tables_in(folder: str) -> list[Path]:
    """The tables that say the labels of the pictures beside them."""
    return [Path(folder, name) for name in TABLES_IN_FOLDERS if os.path.isfile(os.path.join(folder, name))]


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
            return UsageError(
                f"{printable(name)} does not exist",
                hint=f"{printable(str(first))} exists, nothing of that name below it",
            )
    close += [repr(printable(str(path.parent / n))) for n in near(path.name, [entry.name for entry in beside])]
    what = f"{printable(name)} does not exist" if looks_like_path else (
        f"no source is called {printable(name)!r}, and no such folder or file exists"
    )  # fmt: skip
    return UsageError(what, hint=f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(SOURCES)}")
