"""A table that names files and labels: CSV with a header line, or JSONL with one object a line.

    file,label,split,group             only file and label are needed; other columns are not looked at
    a/1.jpg,cat,train,film-1

Files are relative to the table's folder, or to the folder of images that is named, and must lie inside it. Columns are
known by their usual names, or said: `label=finding`. A column called "target", or numbers with a fraction, make it a
regression.
"""

from __future__ import annotations

import codecs
import csv
import json
import ntpath
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, dropwhile
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import numpy as np

from hubel.data.images import SUFFIXES as PICTURES
from hubel.data.lists import MARKS, rarest, read_lists
from hubel.data.manifest import SPLIT_RANK, Manifest, Problem, leak, printable
from hubel.data.masks import class_list, with_masks
from hubel.data.names import as_number, class_order, look_alikes, shown_names, split_word, typing_errors
from hubel.data.walk import LINK, is_folder, is_picture_name, listing
from hubel.data.wide import joined, label_columns, said_oddly
from hubel.errors import DataError, UsageError, near

ROLES = ("file", "label", "target", "mask", "split", "group")
"""What a column may be: `label` holds classes, `target` numbers to predict, `mask` the file of a mask."""
SPELLINGS = {
    "file": (
        "file", "filename", "filenames", "filepath", "path", "image", "imagepath", "imagename", "imagefile", "imageid",
        "imageindex", "img", "imgpath", "imgname", "picture", "photo",
    ),
    "label": ("label", "class", "classname", "category", "finding", "diagnosis", "species", "breed", "dx", "y"),
    "target": ("target",),
    "mask": ("mask", "maskfile", "maskpath", "maskname", "segmentation"),
    "split": ("split", "subset", "partition"),
    "group": ("group", "groupid", "patient", "patientid", "subject", "subjectid", "participant", "participantid"),
}  # fmt: skip
"""The usual names of columns, without capitals, spaces and dashes; of several, the first in this order counts."""
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
MISSING = frozenset({"", "na", "n/a", "#n/a", "n.a.", "nan", "null", "none", "?", "-", "missing"})
"""How a table says that it does not know a number."""
FEW = 12
"""So many different whole numbers, or fewer, may as well be classes."""
_SHOWN = 40
"""Columns that an error lists."""
_LINE_LIMIT = 1 << 20
_END = "\ufdd0 end of the table"
"""A line behind the last one, which is a row of its own unless a quotation mark was left open."""
_HEAD = "the first line names the columns: file,label"
_LAYOUT = "a table has the columns file and label, and may have split and group; files are relative to its folder"


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table file and how it is meant."""

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    """Role -> column, where that was said; "" for none."""
    folder: str
    """Absolute; what the files are relative to."""
    root: str
    """Absolute: the folder above which no file may lie, and that paths of the manifest are relative to."""
    split: str = ""
    """Of rows that name none themselves."""
    follow: bool = False

    @cached_property
    def rows(self) -> list[tuple[int, dict[str, str]]]:
        """(line, row by column) of every row; labels that have a column each as one list. Raises DataError."""
        return joined(self.written, self.wide, "label") if self.wide else self.written

    @cached_property
    def wide(self) -> tuple[str, ...]:
        """Labels that have a column each, of 0 and 1; () where there is a column of labels, or one label only."""
        names = list(dict.fromkeys(name for _, row in self.written[:1000] for name in row if name))
        folded = {name: _folded(name) for name in names}
        said = {*self.columns.values(), *(n for n in names if any(folded[n] in words for words in SPELLINGS.values()))}
        answers = {word for role in ("label", "target", "mask") for word in SPELLINGS[role]}
        some = [row for _, row in self.written[:20]]
        pictures = [n for n in names if all(is_picture_name(row.get(n, "").strip()) for row in some)]
        if {"label", "target", "mask"} & set(self.columns) or answers & set(folded.values()):
            return ()
        if not (pictures or "file" in self.columns or set(SPELLINGS["file"]) & set(folded.values())):
            return ()
        found = label_columns(self.written, [name for name in names if name not in (*said, *pictures)])
        return tuple(found) if len(found) > 1 else ()

    @cached_property
    def written(self) -> list[tuple[int, dict[str, str]]]:
        """The rows as they stand in the file. Raises DataError for what is no table."""
        jsonl = self.path.suffix.casefold() in (".jsonl", ".ndjson")
        rows = list(_json_rows(self.path) if jsonl else _csv_rows(self.path))
        if not rows:
            raise DataError(f"{shown(self.path)} has no rows", hint=_HEAD)
        return rows

    @cached_property
    def present(self) -> list[str]:
        """Columns of the table, in their order."""
        return list(dict.fromkeys(name for _, row in self.rows[:1000] for name in row))


@dataclass(slots=True)
class _Row:
    """A row that can be used."""

    path: str
    file: str
    label: str
    split: str
    group: str
    stat: tuple[int, int, int]
    line: int
    where: str
    """Which table, where there are several."""


def shown(path: str | os.PathLike[str]) -> str:
    """A path as a message may show it."""
    return printable(os.fspath(path))


def open_table(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    follow_links: bool = False,
    lists: bool = False,
) -> Manifest:
    """The manifest of a CSV, TSV or JSONL file; with `lists` a label is a list of labels (`hubel.data.lists`).

    `columns` says which column is what, where the usual names do not ({"label": "finding"}; "" for none); `images` is
    the folder that files are relative to, else the table's own. Rows that cannot be used (no such file, a file outside
    the folder, no label) are named in the manifest's problems.
    Raises DataError when the file is no such table, lacks a column, or has no usable row; UsageError for a role that
    does not exist and for a folder that is none.
    """
    return open_tables(
        str(path), [table_at(path, columns=columns, images=images, follow_links=follow_links)], lists=lists
    )


def table_at(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    follow_links: bool = False,
) -> Table:
    """A table that is meant as `open_table` says; raises UsageError for a folder of images that is none."""
    path = Path(path)
    beside = os.path.realpath(path.parent)
    folder = beside if images is None else _image_folder(str(images), beside)
    return Table(path=path, columns=columns or {}, folder=folder, root=folder, follow=follow_links)


def open_tables(source: str, tables: Sequence[Table], *, lists: bool = False) -> Manifest:
    """The manifest of one table, or of several that are the parts of one set. Raises as `open_table`."""
    names = [roles_of(table) for table in tables]
    problems: list[Problem] = []
    rows: list[_Row] = []
    for table, roles in zip(tables, names, strict=True):
        rows += _usable_rows(table, roles, problems, several=len(tables) > 1)
        problems += _guessed(table, roles)
    first = tables[0]
    if not rows:
        count = sum(len(table.rows) for table in tables)
        why = next(problem.reason for problem in problems if problem.kind == "bad row")
        raise DataError(
            f"{shown(source)} has no usable row among {count}: {why}", hint=_found_elsewhere(first, names[0]) or _LAYOUT
        )
    if "mask" in names[0]:
        return _with_masks(source, tables, names, _once(rows, problems), problems)
    comma = decimal_comma(first)
    regression, there = False, None
    if not lists:
        rows, regression = _targets(first, names[0], rows, comma, problems)
    rows = _once(rows, problems)
    if lists:
        class_names, there, odd = read_lists([row.label for row in rows], "|" if first.wide else None)
        labels, problems = rarest(there), problems + odd
    elif not regression:
        raw = shown_names(row.label for row in rows)
        class_names = tuple(class_order(raw.values()))
        index = {name: i for i, name in enumerate(class_names)}
        labels = np.array([index[raw[row.label]] for row in rows], dtype=np.int64)
        problems += look_alikes(class_names) + typing_errors(Counter(raw[row.label] for row in rows))
        problems += _several_labels(class_names, columns=bool(first.wide))
    else:
        class_names = ()
        labels = np.array([as_number(row.label, comma=comma) for row in rows], dtype=np.float32)
    if class_names and len(class_names) < 2:
        what = f"at least 2 classes are needed, {shown(source)} has one only: {class_names[0]!r}"
        raise DataError(what, hint=f"{_LAYOUT}; {_say('label')} names another column")
    groups = [row.group for row in rows]
    if "group" not in first.columns and len(set(groups)) == 1:  # a column that says the same of all says nothing
        groups = []
        problems = [problem for problem in problems if "--column group=" not in problem.reason]
    return Manifest(
        source=source,
        root=first.root,
        kind="files",
        paths=tuple(row.path for row in rows),
        linked=tuple(row.file for row in rows) if first.follow else None,
        labels=labels,
        class_names=class_names,
        given_split=np.array([row.split for row in rows], dtype="<U5"),
        targets=there,
        groups=np.array(groups) if any(groups) else None,
        stats=np.array([row.stat for row in rows], dtype=np.int64).reshape(-1, 3),
        problems=tuple(problems),
    )


def _with_masks(
    source: str, tables: Sequence[Table], names: Sequence[Mapping[str, str]], rows: list[_Row], problems: list[Problem]
) -> Manifest:
    """The manifest of rows whose label is the file of a mask. Raises DataError for a mask that is not there."""
    if any("mask" not in roles for roles in names):
        raise DataError(f"{shown(source)} has masks in some of its parts only", hint="a column mask in every table")
    first = tables[0]
    finders = [_Files(table) for table in tables]
    masks, lost = [], []
    for row in rows:
        tried = [finder.find(row.label) for finder in finders]
        path, _, about, why = next((one for one in tried if one[2] is not None), tried[0])
        masks.append(path)
        if about is None:
            lost.append(f"line {row.line}{row.where}: {printable(row.label)}: {why}")
    if lost:
        more = f", and {len(lost) - 1:,} more" if len(lost) > 1 else ""
        raise DataError(
            f"{len(lost)} of {len(rows):,} masks that {shown(source)} names cannot be used: {lost[0]}{more}",
            hint="masks are files below the same folder as the pictures; mend the table or leave the row out",
        )
    groups = [row.group for row in rows]
    manifest = Manifest(
        source=source,
        root=first.root,
        kind="files",
        paths=tuple(row.path for row in rows),
        linked=tuple(row.file for row in rows) if first.follow else None,
        labels=np.zeros(len(rows), np.int64),
        class_names=(),
        given_split=np.array([row.split for row in rows], dtype="<U5"),
        groups=np.array(groups) if len(set(groups)) > 1 else None,
        stats=np.array([row.stat for row in rows], dtype=np.int64).reshape(-1, 3),
        problems=tuple(problems),
    )
    return with_masks(manifest, masks, names=class_list(first.root))


def file_column(table: Table) -> str:
    """The column that names files, as it is said, by its usual name or by what is in it; "" where there is none."""
    if "file" in table.columns:
        return table.columns["file"]
    folded = {_folded(name): name for name in reversed(table.present)}
    usual = (folded[word] for word in SPELLINGS["file"] if word in folded)
    return next((name for name in usual if name not in table.columns.values()), "") or _column_of_pictures(table)


def fault_of(table: Table) -> DataError | None:
    """Why a table that lies in a folder of pictures does not say what they are; None where it has a column for files
    and one for labels.
    """
    try:
        roles_of(table)
    except DataError as error:
        return error
    return None


def names_files(table: Table) -> bool:
    """Whether a table that lies in a folder of pictures has a column for files and one for labels."""
    return fault_of(table) is None


def _say(role: str, column: str = "COLUMN") -> str:
    """The option that names a column."""
    said = f"{role}={printable(column)}"
    return f"--column {said}" if re.fullmatch(r"[\w=.-]+", said) else f"--column '{said}'"


# ---------------------------------------------------------------- reading rows


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with as_text(path) as file:
            mark = delimiter(path)
            lines = dropwhile(lambda line: not line.strip(mark + " \r\n"), file)  # above the names of the columns
            reader = csv.DictReader(chain(lines, [_END]), delimiter=mark, restval="")
            check_names(reader.fieldnames or (), path)
            _check_closed(reader.fieldnames or (), 1)
            before = reader.line_num
            for row in reader:
                cells = [str(cell) for cell in (*row.values(), *row.get(None, ()))]
                if cells[0] == _END:
                    break
                _check_closed(cells, before + 1)
                _check_cells(row, reader)
                before = reader.line_num
                yield reader.line_num, {str(key).strip(): str(value) for key, value in row.items() if key is not None}
    except (OSError, csv.Error, ValueError) as error:
        raise DataError(f"cannot read {shown(path)}: {error}", hint=_LAYOUT) from None


def check_names(names: Sequence[str], path: str | os.PathLike[str]) -> None:
    """Raise DataError for columns of one name: one of them would be seen in the place of all, in silence."""
    counts = Counter(name.strip() for name in names if name.strip())
    twice = next((name for name, count in counts.items() if count > 1), "")
    if twice:
        places = [str(place) for place, name in enumerate(names, start=1) if name.strip() == twice]
        raise DataError(
            f"{shown(path)} has {len(places)} columns called {printable(twice)!r}, number {', '.join(places)}",
            hint="give each a name of its own in the first line",
        )


def _check_closed(cells: Sequence[str], line: int) -> None:
    """Raise DataError for a quotation mark without an end: all lines behind it would be one cell."""
    if len(cells) > 1 and any(cell.endswith(_END) for cell in cells):
        raise DataError(
            f'a quotation mark (") that opens in line {line} is never closed, and all lines behind it are one cell',
            hint='close it, or take it out; within a cell in quotes it is written twice: "a 5"" pipe"',
        )


def _check_cells(row: Mapping[str | None, Any], reader: csv.DictReader[str]) -> None:
    """Raise DataError for a row with more cells than columns: which of them stands in its own is not known."""
    over = row.get(None, ())
    if any(str(cell).strip() for cell in over):
        columns = len(reader.fieldnames or ())
        raise DataError(
            f"line {reader.line_num} has {columns + len(over)} cells, and {columns} columns have names",
            hint='a cell with the separator in it stands in quotes: "1,5"; or the first line lacks a name',
        )


def as_text(path: Path) -> TextIO:
    """A table as text: UTF-8 with or without its mark, or UTF-16 with it, as spreadsheets also write."""
    with open(path, "rb") as file:
        wide = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if wide:
        return open(path, encoding="utf-16", errors="replace", newline="")
    return open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")


def delimiter(path: Path) -> str:
    """What separates columns: spreadsheets of half the world write semicolons."""
    with as_text(path) as file:
        head = file.read(8192)
    if "\0" in head:
        raise DataError(f"{shown(path)} is not text", hint=_LAYOUT)
    return max(",;\t", key=next(filter(str.strip, head.splitlines()), "").count)


def decimal_comma(table: Table) -> bool:
    """Whether 3,5 may be a number: not where commas separate columns."""
    return table.path.suffix.casefold() not in (".jsonl", ".ndjson") and delimiter(table.path) != ","


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with as_text(path) as file:
            number = 0
            while line := file.readline(_LINE_LIMIT):
                number += 1
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    row = None
                if not isinstance(row, dict):
                    what = f"line {number} of {shown(path)} is no JSON object"
                    raise DataError(what, hint='write {"file": "a.jpg", "label": "cat"}')
                yield number, {str(key): cell_text(value) for key, value in row.items()}
    except OSError as error:
        raise DataError(f"cannot read {shown(path)}: {error}", hint=_LAYOUT) from None


def cell_text(value: object) -> str:
    """A value of a JSON object as a table would have it; of a list what it lists, with | between, or "none"."""
    return "|".join(map(str, value)) or "none" if isinstance(value, list) else "" if value is None else str(value)


# ---------------------------------------------------------------- which column is what


def checkroles_of(columns: Mapping[str, str]) -> None:
    """Raise UsageError for roles that no column has."""
    wrong = [role for role in columns if role not in ROLES]
    if wrong:
        close = near(wrong[0], ROLES)
        raise UsageError(
            f"a column is one of {', '.join(ROLES)}, got {printable(wrong[0])!r}",
            hint=f"did you mean {close[0]}?" if close else "for example --column file=image_name",
        )
    if columns.get("label") and columns.get("target"):
        raise UsageError(
            f"label={columns['label']} and target={columns['target']} exclude each other",
            hint="label holds classes, target numbers to predict",
        )


def roles_of(table: Table) -> dict[str, str]:
    """Role -> column, for the roles that the table has."""
    checkroles_of(table.columns)
    folded: dict[str, str] = {}
    for name in table.present:
        folded.setdefault(_folded(name), name)
    found = {}
    for role in ROLES:
        if role in table.columns:
            column = table.columns[role]
            if column and column not in table.present:
                raise _no_column(table, role, column)
            if column:
                found[role] = column
            continue
        usual = (folded[spelling] for spelling in SPELLINGS[role] if spelling in folded)
        if column := next((name for name in usual if name not in table.columns.values()), ""):
            found[role] = column
    if "label" in table.columns or ("label" in found and "target" not in table.columns):
        found.pop("target", None)
    if "target" in table.columns:
        found.pop("label", None)
    if "mask" in found and "mask" not in table.columns and {"label", "target"} & set(found):
        found.pop("mask")  # a table of classes that has masks beside them, too
    if "mask" in found:
        found.pop("label", None)
        found.pop("target", None)
    if "file" not in found and "file" not in table.columns:
        found |= {"file": column} if (column := _column_of_pictures(table)) else {}
    if "file" not in found:
        raise _no_column(table, "file")
    if not {"label", "target", "mask"} & set(found):
        raise _no_column(table, "label")
    return found


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _column_of_pictures(table: Table) -> str:
    """The only column whose first rows are all called like pictures, else ""."""
    some = [row for _, row in table.rows[:20]]
    found = [name for name in table.present if all(is_picture_name(row.get(name, "").strip()) for row in some)]
    return found[0] if len(found) == 1 else ""


def _no_column(table: Table, role: str, column: str = "") -> DataError:
    present = [name for name in table.present if name]
    listed = ", ".join(repr(printable(name)) for name in present[:_SHOWN])
    more = f" and {len(present) - _SHOWN} more" if len(present) > _SHOWN else ""
    close = near(column or role, present)
    if any(is_picture_name(name) for name in present):
        return DataError(f"{shown(table.path)} has no names of columns: it begins with {present[0]!r}", hint=_HEAD)
    what = f"{shown(table.path)} has no column {printable(column) or role!r}, but {len(present)}: {listed}{more}"
    other = "; rows in the order of time: --task sequence" if role == "file" else ""
    if role == "label" and not column:
        other = f"; where it holds numbers to predict: {_say('target')}"
    return DataError(what, hint=f"say which it is: {_say(role, *close[:1])}{other}" if present else _LAYOUT)


def _guessed(table: Table, roles: Mapping[str, str]) -> list[Problem]:
    """What was taken for granted and might be meant otherwise."""
    found = []
    file, label, group = (roles.get(role, "") for role in ("file", "label", "group"))
    if file and "file" not in table.columns and _folded(file) not in SPELLINGS["file"]:
        found.append(f"the files are taken from {printable(file)!r}; {_say('file')} names another column")
    if label and "label" not in table.columns and _folded(label) not in ("label", "class", "classname", "category"):
        found.append(f"{printable(label)!r} is taken for the label; {_say('label')} names another column")
    if group and "group" not in table.columns and _folded(group) != "group":
        found.append(f"rows of one {printable(group)!r} stay together in a split; --column group= lets them part")
    if table.wide:
        listed = ", ".join(map(printable, table.wide[:8])) + (", …" if len(table.wide) > 8 else "")
        found.append(f"labels are the columns of 0 and 1: {listed}; {_say('label')} names a column of labels instead")
        found += said_oddly(table.written, table.wide)
    return [Problem(shown(table.path.name), "table", reason, left_out=False) for reason in found]


# ---------------------------------------------------------------- rows and their files


def _usable_rows(table: Table, roles: Mapping[str, str], problems: list[Problem], *, several: bool) -> list[_Row]:
    """The rows whose file is there; the others are named."""
    where = f" of {shown(os.path.relpath(table.path, table.root))}" if several else ""
    kind = next(role for role in ("mask", "target", "label") if role in roles)
    files = _Files(table)
    rows = []
    for line, row in table.rows:
        # A role without a column is empty: pandas writes a column without a name, which is none of them.
        cells = {role: row.get(column, "").strip() for role, column in roles.items()}
        said, label, part = cells["file"], cells[kind], cells.get("split", "")
        path, file, about, why = said, "", None, ""
        if not said:
            why = "no file name"
        elif not label:
            why = "no mask" if kind == "mask" else "no label"
        elif part and not split_word(part):
            why = f"the split {printable(part)!r} is none of train, val, test"
        else:
            path, file, about, why = files.find(said)
        if about is None:
            problems.append(Problem(printable(said) or f"line {line}", "bad row", f"line {line}{where}: {why}"))
        else:
            group = printable(cells.get("group", ""))
            rows.append(_Row(path, file, label, split_word(part) or table.split, group, about, line, where))
    return rows


class _Files:
    """Finds the files that a table names, below one folder."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.plain: dict[str, bool] = {}
        """Folder -> whether no link lies on the way to it."""
        self.inside: dict[str, dict[str, str]] = {}
        """Folder -> what lies in it by its folded name: read once, when a name in it is not found."""

    def find(self, said: str) -> tuple[str, str, tuple[int, int, int] | None, str]:
        """(path relative to the root, what to open, size and times, "") or (…, None, what is wrong)."""
        path, about, why = self._plain(said)
        if about is None and "\\" in said:  # as Windows writes paths; but where such a file exists, it is meant
            turned = said.replace("\\", "/")
            other, found, reason = self._plain(turned)
            path, about, why = (other, found, "") if found is not None else (other, None, reason)
        if about is None and why.startswith("no such file"):
            near_by = self._near_by(path)
            why = f"{why}; {near_by}" if near_by else why
        file = path
        if about is not None and self.table.follow:
            full = os.path.join(self.table.root, *path.split("/"))
            file = path if (real := os.path.realpath(full)) == full else real
        return path, file, about, why

    def _plain(self, said: str) -> tuple[str, tuple[int, int, int] | None, str]:
        table = self.table
        path = PurePosixPath(said)
        if path.is_absolute() and os.path.normpath(said).startswith(table.folder + os.sep):
            path = PurePosixPath(os.path.relpath(os.path.normpath(said), table.folder))
        if (
            path.is_absolute()
            or ".." in path.parts
            or "\0" in said
            or ntpath.splitdrive(said)[0]
            or os.path.isabs(path)
        ):
            return said, None, "the file must lie below the table's folder, or below that of --images"
        full = os.path.join(table.folder, *path.parts)
        try:
            relative = str(PurePosixPath(os.path.relpath(table.folder, table.root)) / path)
            about = os.stat(full) if table.follow else os.lstat(full)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it cannot be a file's name"
            return str(path), None, f"no such file ({reason})".lower()
        if stat.S_ISLNK(about.st_mode) or not (table.follow or self._without_links(os.path.dirname(full))):
            return str(path), None, f"not a plain file in a plain folder ({LINK})"
        if not stat.S_ISREG(about.st_mode):
            return str(path), None, "not a plain file"
        return relative, (about.st_size, about.st_mtime_ns, about.st_ctime_ns), ""

    def _without_links(self, folder: str) -> bool:
        if folder not in self.plain:
            self.plain[folder] = os.path.realpath(folder) == folder
        return self.plain[folder]

    def _near_by(self, path: str) -> str:
        """What exists and may be meant: the same name with a picture's suffix, or in other capitals."""
        folder, _, name = path.rpartition("/")
        if folder not in self.inside:
            try:
                names = [entry.name for entry in listing(os.path.join(self.table.folder, folder))]
            except (OSError, ValueError):
                names = []
            by_stem = {n[: -len(end)].casefold(): n for n in names for end in PICTURES if n.casefold().endswith(end)}
            self.inside[folder] = by_stem | {n.casefold(): n for n in names}
        other = self.inside[folder].get(name.casefold()) or self.inside[folder].get(
            os.path.splitext(name)[0].casefold()
        )
        if not other:
            return ""
        what = "add the suffix" if other.startswith(name + ".") else "spell it so"
        return f"{printable(f'{folder}/{other}' if folder else other)} exists: {what}"


def _image_folder(images: str, beside: str) -> str:
    """The folder that `images` names, seen from here or from the table's folder. Raises UsageError."""
    path = os.path.expanduser(images)
    for place in (path, os.path.join(beside, path)):
        try:
            if os.path.isdir(place):
                return os.path.realpath(place)
        except ValueError:
            break
    raise UsageError(
        f"--images must be a folder, {printable(images)!r} is none", hint=f"seen from here or {shown(beside)}"
    )


def _found_elsewhere(table: Table, roles: Mapping[str, str]) -> str:
    """A hint where the first files lie in a folder beside the table."""
    some = [row.get(roles["file"], "").strip() for _, row in table.rows[:20]]
    try:
        folders = [entry for entry in listing(table.folder) if is_folder(entry, follow=True)][:100]
    except OSError:
        return ""
    for name in some:
        for folder in folders:
            try:
                if name and ".." not in name and os.path.isfile(os.path.join(folder.path, name)):
                    return f"{printable(folder.name)}/{printable(name)} exists: --images {shown(folder.path)}"
            except ValueError:
                continue
    return ""


def _once(rows: Sequence[_Row], problems: list[Problem]) -> list[_Row]:
    """Every file once. In two splits it counts for the later one; of two labels the first one counts."""
    kept: dict[str, _Row] = {}
    for row in rows:
        first = kept.setdefault(row.path, row)
        if first is row:
            continue
        again = f"line {row.line}{row.where}: the file is also in line {first.line}{first.where}"
        name = printable(row.path)
        if row.label != first.label:
            labels = f"which says {printable(first.label)!r} and not {printable(row.label)!r}"
            problems.append(Problem(name, "conflicting labels", f"{again}, {labels}"))
        elif SPLIT_RANK[row.split] == SPLIT_RANK[first.split]:
            problems.append(Problem(name, "bad row", again))
        else:
            early, late = sorted((first, row), key=lambda each: SPLIT_RANK[each.split])
            problems.append(leak(name, again, early.split, late.split))
            kept[row.path] = late
    return [kept[path] for path in kept]


# ---------------------------------------------------------------- classes or numbers


def _targets(
    table: Table, roles: Mapping[str, str], rows: list[_Row], comma: bool, problems: list[Problem]
) -> tuple[list[_Row], bool]:
    """The rows whose label can be used, and whether they are numbers to predict."""
    numbers = [as_number(row.label, comma=comma) for row in rows]
    known = [number for number in numbers if number is not None]
    unknown = {row.label for row, number in zip(rows, numbers, strict=True) if number is None}
    column = roles.get("target") or roles["label"]
    if not known and "target" not in table.columns:  # words only, whatever the column is called
        return rows, False
    broken = any(number != round(number) for number in known)
    only_missing = all(label.casefold() in MISSING for label in unknown)
    regression = "target" in roles
    if "label" not in table.columns:
        # A column of numbers stays one though some of its cells are none; words among whole numbers may be classes.
        mostly = len(known) >= max(2, 9 * (len(rows) - len(known)))
        regression = regression or (broken and (only_missing or mostly))
    if regression or (only_missing and len(known) > len(rows) // 2):
        rows = _with_numbers(column, rows, numbers, problems)
    if not rows:
        what = f"the column {printable(column)!r} holds no numbers"
        raise DataError(what, hint=f"where it holds classes: {_say('label', column)}")
    different = sorted(set(known))
    reason = ""
    if regression and not broken and len(different) <= FEW and "target" not in table.columns:
        listed = ", ".join(f"{value:g}" for value in different)
        reason = (
            f"{len(different)} different whole numbers ({listed}) are predicted as numbers; "
            f"where they are classes: {_say('label', column)}"
        )
    elif not regression and not unknown and len(different) > max(FEW, len(rows) // 2):
        reason = (
            f"{len(different)} different numbers in {len(rows)} rows are taken for as many classes; "
            f"where they are numbers to predict: {_say('target', column)}"
        )
    if reason:
        problems.append(Problem(printable(column), "table", reason, left_out=False))
    return rows, regression


def _with_numbers(
    column: str, rows: Sequence[_Row], numbers: Sequence[float | None], problems: list[Problem]
) -> list[_Row]:
    """The rows that have a number; the others are named."""
    for row, number in zip(rows, numbers, strict=True):
        if number is None:
            other = f"{printable(row.label)!r} is no number, as the others of {printable(column)!r} are"
            problems.append(Problem(printable(row.path), "bad row", f"line {row.line}{row.where}: {other}"))
    return [row for row, number in zip(rows, numbers, strict=True) if number is not None]


def _several_labels(names: Iterable[str], *, columns: bool) -> list[Problem]:
    """A remark where class names look like lists of labels: "cat blue", "cat|blue". Where labels had `columns` of their
    own, one name that lists some is enough: nothing else makes it.
    """
    names = list(names)
    both = next((name for name in names if "|" in name), "") if columns else ""
    if both:
        reason = "looks like several labels: each has a column of its own, and some rows have more than one"
        return [Problem(both, "several labels", reason, left_out=False)]
    for mark in ("|", ";", ",", "+", " "):
        split = {name: parts for name in names if len(parts := [p.strip() for p in name.split(mark) if p.strip()]) > 1}
        counts = Counter(part for name in names for part in set(split.get(name, [name])))
        again = {part for part, count in counts.items() if count > 1}
        # Words that recur mean little by themselves ("golden retriever", "golden eagle"): fewer words than classes do.
        if len(split) < 2 or len(again) < 2 or (mark == " " and len(counts) > len(names)):
            continue
        some = next((name for name, parts in split.items() if again.issuperset(parts)), next(iter(split)))
        listed = ", ".join(map(repr, split[some]))
        reason = f"looks like several labels ({listed}); each combination is a class of its own here; {_AS_LISTS}"
        return [Problem(some, "several labels", reason, left_out=False)]
    return _perhaps_labels(names)


_AS_LISTS = "hubel train --task multilabel reads them as several labels"


def _perhaps_labels(names: Sequence[str]) -> list[Problem]:
    """A remark where too few names list labels to tell, but one does: "cat|dog", or "cat+dog" beside "cat"."""
    for mark in MARKS:
        for name in names:
            parts = [part.strip() for part in name.split(mark) if part.strip()]
            if len(parts) > 1 and (mark == "|" or not set(names).isdisjoint(parts)):
                reason = f"perhaps lists labels ({', '.join(map(repr, parts))}); it is a class of its own here, since "
                reason += f"too few names do so to tell; {_AS_LISTS}"
                return [Problem(name, "perhaps labels", reason, left_out=False)]
    return []
