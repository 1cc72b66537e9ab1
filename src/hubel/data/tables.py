"""A table that names files and labels: CSV with a header line, or JSONL with one object a line.

    file,label,split,group             only file and label are needed; other columns are not looked at
    a/1.jpg,cat,train,film-1

Files are relative to the table's folder and must lie inside it. Targets that are numbers with a fraction, or a column
called "target", make it a regression.
"""

from __future__ import annotations

import csv
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from hubel.data.folders import SPLIT_FOLDERS, printable
from hubel.data.manifest import Manifest, Problem
from hubel.errors import DataError, near

COLUMNS = {
    "file": ("file", "file_name", "filename", "path", "image", "image_path", "filepath", "img"),
    "label": ("label", "class", "class_name", "category", "target", "y"),
    "split": ("split", "subset", "partition"),
    "group": ("group", "patient", "patient_id", "group_id"),
}
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
_LINE_LIMIT = 1 << 20


def open_table(path: str | Path) -> Manifest:
    """The manifest of a CSV, TSV or JSONL file.

    Rows that cannot be used (no such file, a file outside the folder, no label) are named in the manifest's problems.
    Raises DataError when the file is no such table, lacks a column, or has no usable row.
    """
    path = Path(path)
    root = os.path.realpath(path.parent)
    rows = list(_json_rows(path) if path.suffix.casefold() in (".jsonl", ".ndjson") else _csv_rows(path))
    if not rows:
        raise DataError(f"{path} has no rows", hint="the first line names the columns: file,label")
    names = _columns(path, list(rows[0][1]))
    problems: list[Problem] = []
    files: list[str] = []
    labels: list[str] = []
    splits: list[str] = []
    groups: list[str] = []
    stats: list[tuple[int, int, int]] = []
    seen: dict[str, int] = {}
    for line, row in rows:
        file, label = row.get(names["file"], "").strip(), row.get(names["label"], "").strip()
        split = row.get(names.get("split", ""), "").strip()
        about, why = _usable(root, file, label, split)
        if not why and file in seen:
            why = f"the file is also in line {seen[file]}"
        if why or about is None:
            problems.append(Problem(printable(file) or f"line {line}", "bad row", f"line {line}: {why}"))
            continue
        seen[file] = line
        files.append(str(PurePosixPath(file)))
        labels.append(label)
        splits.append(SPLIT_FOLDERS.get(split.casefold(), ""))
        groups.append(row.get(names.get("group", ""), "").strip())
        stats.append(about)
    if not files:
        raise DataError(f"{path} has no usable row among {len(rows)}: {problems[0].reason}", hint=_LAYOUT)
    targets, class_names = _targets(names["label"], labels)
    if class_names and len(class_names) < 2:
        raise DataError(f"at least 2 classes are needed, {path} has one only: {class_names[0]!r}", hint=_LAYOUT)
    return Manifest(
        source=str(path),
        root=root,
        kind="files",
        paths=tuple(files),
        labels=targets,
        class_names=class_names,
        given_split=np.array(splits, dtype="<U5"),
        groups=np.array(groups) if any(groups) else None,
        stats=np.array(stats, dtype=np.int64).reshape(-1, 3),
        problems=tuple(problems),
    )


_LAYOUT = "a table has the columns file and label, and may have split and group; files are relative to its folder"


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            head = file.read(8192)
            if "\0" in head:
                raise DataError(f"{path} is not text", hint=_LAYOUT)
            first = head.partition("\n")[0]
            mark = max(",;\t", key=first.count)  # spreadsheets of half the world write semicolons
            file.seek(0)
            reader = csv.DictReader(file, delimiter=mark, restval="")
            for row in reader:
                yield reader.line_num, {str(key).strip(): str(value) for key, value in row.items() if key is not None}
    except (OSError, csv.Error, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}", hint=_LAYOUT) from None


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
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
                    raise DataError(
                        f"line {number} of {path} is no JSON object", hint='write {"file": "a.jpg", "label": "cat"}'
                    )
                yield number, {str(key): "" if value is None else str(value) for key, value in row.items()}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}", hint=_LAYOUT) from None


def _columns(path: Path, present: list[str]) -> dict[str, str]:
    folded = {name.casefold(): name for name in present}
    found = {}
    for role, spellings in COLUMNS.items():
        for spelling in spellings:
            if spelling in folded:
                found[role] = folded[spelling]
                break
    for role in ("file", "label"):
        if role not in found:
            close = near(role, present)
            raise DataError(
                f"{path} has no column {role!r}, only {', '.join(map(repr, present[:8]))}",
                hint=f"rename {close[0]!r} to {role!r}" if close else _LAYOUT,
            )
    return found


def _usable(root: str, file: str, label: str, split: str) -> tuple[tuple[int, int, int] | None, str]:
    """(size and times of the file, "") or (None, what is wrong with the row)."""
    if not file:
        return None, "no file name"
    if not label:
        return None, "no label"
    if split and split.casefold() not in SPLIT_FOLDERS:
        return None, f"the split {split!r} is none of train, val, test"
    parts = PurePosixPath(file)
    if parts.is_absolute() or ".." in parts.parts or "\0" in file or os.path.isabs(file):
        return None, "the file must lie below the table's folder"
    full = os.path.join(root, *parts.parts)
    try:
        about = os.lstat(full)
    except (OSError, ValueError) as error:
        return None, f"no such file ({getattr(error, 'strerror', None) or error})".lower()
    if not stat.S_ISREG(about.st_mode) or os.path.realpath(os.path.dirname(full)) != os.path.dirname(full):
        return None, "not a plain file in a plain folder (links are not followed)"
    return (about.st_size, about.st_mtime_ns, about.st_ctime_ns), ""


def _targets(column: str, labels: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class indices and names, or numbers and no names.

    >>> _targets("label", ["2", "10", "2"])
    (array([0, 1, 0]), ('2', '10'))
    >>> _targets("label", ["2.5", "10", "2"])
    (array([ 2.5, 10. ,  2. ], dtype=float32), ())
    """
    numbers = [_number(label) for label in labels]
    if all(number is not None for number in numbers):
        values = np.array(numbers, dtype=np.float64)
        if column.casefold() == "target" or (values != np.round(values)).any():
            return values.astype(np.float32), ()
        names = sorted({printable(label) for label in labels}, key=lambda name: (float(name), name))
    else:
        names = sorted({printable(label) for label in labels})
    index = {name: i for i, name in enumerate(names)}
    return np.array([index[printable(label)] for label in labels], dtype=np.int64), tuple(names)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
