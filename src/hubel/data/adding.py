"""One sample more in a table of files: a line behind its last one, and every byte before that as it was.

    file,label,split
    a/1.jpg,cat,train
    a/studio-0f3a.png,dog,train        what `add_sample` writes

The line is written as the others are: their separator, quotes, ends and encoding, their words for labels (a cell, a
list in one, a column for each), their split. What the table says with it is read before it is written; where anything
else would be read otherwise than before, it is refused. Letters: N samples, K labels.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import stat
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import dropwhile
from pathlib import Path
from typing import Any

import numpy as np

from hubel.data.lists import NOTHING, in_lists, mark_of
from hubel.data.manifest import Manifest, printable
from hubel.data.names import split_word
from hubel.data.tables import Table, cell_text, delimiter, open_tables, roles_of, shown
from hubel.data.wide import NO, YES
from hubel.errors import DataError, HubelError, UsageError
from hubel.store import RunStore, read_regular

LIMIT = 1 << 30
"""Bytes of a table that a line is added to."""
_WRITING = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Added:
    """A line that was written."""

    table: Path
    line: str
    """As it stands there, without its end."""
    copy: Path
    """The table as it was before the first line that was added on that day."""


def picture_folder(tables: Sequence[Table], manifest: Manifest) -> Path:
    """Where a further picture of a table belongs: beside the first of those that are learnt from."""
    table = tables[0]
    for path, split in zip(manifest.paths or (), manifest.given_split, strict=True):
        folder = Path(manifest.root, path).parent
        if split in ("", "train") and folder.is_relative_to(table.folder):
            return folder
    return Path(table.folder)


def add_sample(
    tables: Sequence[Table], picture: Path, labels: Sequence[str], *, several: bool, today: str | None = None
) -> Added:
    """Write a picture and its labels into the first of the tables of a source, for the next training.

    `several`: a sample may have any number of labels, also none; else it has one. The table is replaced as a whole by
    one with a line more; as it was before the first such line of a day (`today`, 2026-01-31) it is kept beside it.
    Raises UsageError for a picture that stands in it, or a label that it has no column for; DataError where the line
    would change what else is read; SaveFailed where nothing can be written.
    """
    with _WRITING:
        return _add(tables, picture, labels, several, today or time.strftime("%Y-%m-%d"))


def _add(tables: Sequence[Table], picture: Path, labels: Sequence[str], several: bool, today: str) -> Added:
    table = tables[0]
    place = Path(os.path.realpath(table.path))
    file = picture.relative_to(table.folder).as_posix()
    before = open_tables(str(table.path), tables, lists=several)
    path = os.path.relpath(picture, before.root).replace(os.sep, "/")
    if path in (before.paths or ()):
        said = before.labelled_as((before.paths or ()).index(path))
        raise UsageError(
            f"{shown(place.name)} has this picture already, as {said}", hint="the page Data changes its labels"
        )
    mode = stat.S_IMODE(place.stat().st_mode)
    if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise DataError(f"{shown(place)} may not be written to", hint=f"where it may grow: chmod u+w {shown(place)}")
    raw = read_regular(place, limit=LIMIT)
    text = _Text(table.path, raw)
    line = text.line(_cells(tables, text, file, labels, several))
    whole = raw + text.encoded(("" if text.ended else text.end) + line + text.end)
    _check(before, _read_with(tables, whole, several), path, labels)
    store, copy = RunStore(place.parent), f"{place.name}.before-{today}"
    if not store.exists(copy):
        store.write_bytes(copy, raw, mode=mode)
    if read_regular(place, limit=LIMIT) != raw:
        raise DataError(f"{shown(place)} was changed by another program meanwhile", hint="do it again")
    store.write_bytes(place.name, whole, mode=mode)
    return Added(table=place, line=line, copy=place.with_name(copy))


class _Text:
    """How a table is written."""

    def __init__(self, path: Path, raw: bytes) -> None:
        self.json = path.suffix.casefold() in (".jsonl", ".ndjson")
        marks = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
        self.encoding = marks.get(raw[:2], "utf-8")
        self.text = raw.decode(self.encoding, errors="surrogateescape").removeprefix("\ufeff")
        self.end = next((end for end in ("\r\n", "\n", "\r") if end in self.text), "\n")
        self.ended = self.text.endswith(("\n", "\r"))
        self.mark = "" if self.json else delimiter(path)

    def encoded(self, text: str) -> bytes:
        """As bytes of the table; bytes that are no text in it stay what they are."""
        return text.encode(self.encoding, errors="surrogateescape")

    @cached_property
    def names(self) -> list[str]:
        """The columns of a CSV, in their order."""
        lines = dropwhile(lambda line: not line.strip(self.mark + " \r\n"), io.StringIO(self.text, newline=""))
        return next(csv.reader(lines, delimiter=self.mark))

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """The lines of a JSONL."""
        return [json.loads(line) for line in self.text.split("\n") if line.strip()]

    def line(self, cells: Mapping[str, str | list[str]]) -> str:
        """Cells by column as a line without its end; other columns stay empty."""
        return self._json_line(cells) if self.json else self._csv_line({k: str(v) for k, v in cells.items()})

    def _csv_line(self, cells: Mapping[str, str]) -> str:
        def written(row: Sequence[str], quoting: Any) -> str:
            out = io.StringIO()
            csv.writer(out, delimiter=self.mark, quoting=quoting, lineterminator="").writerow(row)
            return out.getvalue()

        everywhere = written(self.names, csv.QUOTE_ALL) in (line.strip() for line in self.text[:65536].splitlines())
        row = [cells.get(name.strip(), "") for name in self.names]
        return written(row, csv.QUOTE_ALL if everywhere else csv.QUOTE_MINIMAL)

    def _json_line(self, cells: Mapping[str, str | list[str]]) -> str:
        first = self.objects[0]
        order = [*(name for name in first if name in cells), *(name for name in cells if name not in first)]
        found = {name: cells[name] for name in order}
        for name, cell in found.items():  # numbers and truths are written as such where others are
            alike = (each[name] for each in self.objects if name in each and cell_text(each[name]) == cell)
            found[name] = cell if isinstance(cell, list) else next(alike, cell)
        tight = '": ' not in self.text[:65536]
        return json.dumps(found, ensure_ascii=False, separators=(",", ":") if tight else None)


def _cells(
    tables: Sequence[Table], text: _Text, file: str, labels: Sequence[str], several: bool
) -> dict[str, str | list[str]]:
    """Column -> cell of a new line."""
    table, roles = tables[0], roles_of(tables[0])
    column: Callable[[str], Iterable[str]] = lambda name: (row.get(name, "").strip() for _, row in table.written)  # noqa: E731
    found: dict[str, str | list[str]] = {roles["file"]: file}
    if "split" in roles:
        found[roles["split"]] = next((cell for cell in column(roles["split"]) if split_word(cell) == "train"), "")
    if "group" in roles and "group" not in table.columns:
        groups = {row.get(roles["group"], "").strip() for each in tables for _, row in each.written}
        found[roles["group"]] = groups.pop() if len(groups) == 1 else ""  # what says the same of all says nothing
    if table.wide:
        return found | _columns_of_labels(table, labels, column)
    written = Counter(column(roles["label"]))
    lists = text.json and any(isinstance(each.get(roles["label"]), list) for each in text.objects)
    if not several:
        return found | {roles["label"]: _spelt(labels[0], written)}
    mark = mark_of(list(written.elements())) or "|"
    parts = Counter(part.strip() for cell in written for part in cell.split(mark))
    nothing = next((cell for cell, _ in written.most_common() if cell.casefold() in NOTHING), "none")
    said = [_spelt(label, parts) for label in labels] or [nothing]
    gap = " " if any(f"{mark} " in cell for cell in written) else ""
    return found | {roles["label"]: said if lists else f"{mark}{gap}".join(said)}


def _spelt(label: str, cells: Iterable[str]) -> str:
    """A label as cells of the table write it, bytes and all."""
    return next((cell for cell in cells if printable(cell) == label), label)


def _columns_of_labels(
    table: Table, labels: Sequence[str], column: Callable[[str], Iterable[str]]
) -> dict[str, str | list[str]]:
    """The cells of labels that have a column each, in the words that stand there most often."""
    spelt = {printable(name): name for name in table.wide}
    if missing := [label for label in labels if label not in spelt]:
        raise UsageError(
            f"{shown(table.path.name)} has a column for each label, and none for {printable(missing[0])!r}",
            hint="add the column to the table, with 0 in every line",
        )
    found: dict[str, str | list[str]] = {}
    for label, name in spelt.items():
        words, usual = (YES, "1") if label in labels else (NO, "0")
        counts = Counter(cell for cell in column(name) if cell.casefold() in words)
        found[name] = counts.most_common(1)[0][0] if counts else usual
    return found


def _read_with(tables: Sequence[Table], whole: bytes, several: bool) -> Manifest:
    """The source as it is read with other contents of its first table. Raises DataError where it cannot be."""
    table = tables[0]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, f"table{table.path.suffix}")
        copy.write_bytes(whole)
        try:
            return open_tables(str(table.path), [replace(table, path=copy), *tables[1:]], lists=several)
        except HubelError as error:
            raise _refused(table.path, error.what) from None


def _check(before: Manifest, after: Manifest, path: str, labels: Sequence[str]) -> None:
    """Raise DataError where more differs than one sample at the end with these labels."""
    paths, own = (before.paths or ()), after.paths or ()
    at = own.index(path) if path in own else -1
    rest = [row for row in range(len(own)) if row != at]
    why = ""
    if tuple(own[row] for row in rest) != paths or not _alike(before, after.select(rest)):
        why = "other lines would be read otherwise"
    elif at < 0:
        said = [problem.reason for problem in after.problems if problem not in before.problems]
        why = f"the new line would not be used: {'; '.join(said)}"
    elif after.regression != before.regression or (in_lists(after) is None) != (in_lists(before) is None):
        why = "what its labels are would be read otherwise"
    elif set(_labels_of(after, at)) != set(labels):
        why = f"the new line would be read as {after.labelled_as(at)!r}"
    if why:
        raise _refused(Path(before.source), why)


def _alike(before: Manifest, after: Manifest) -> bool:
    """Are the same samples labelled, split and grouped alike?"""
    none = np.full(len(before), "")
    mine, theirs = (none if each.groups is None else each.groups for each in (before, after))
    if not np.array_equal(before.given_split, after.given_split) or not np.array_equal(mine, theirs):
        return False
    if before.targets is None or after.targets is None:
        named = [np.array(each.class_names, object)[each.labels] if each.class_names else each.labels
                 for each in (before, after)]  # fmt: skip
        return before.several == after.several and bool((named[0] == named[1]).all())
    if not set(before.class_names) <= set(after.class_names):
        return False
    there = [after.class_names.index(name) for name in before.class_names]
    same = np.array_equal(after.targets[:, there], before.targets)
    return same and int(after.targets.sum()) == int(before.targets.sum())


def _labels_of(manifest: Manifest, row: int) -> list[str]:
    if manifest.targets is None:
        return [manifest.labelled_as(row)]
    return [manifest.class_names[k] for k in np.flatnonzero(manifest.targets[row])]


def _refused(table: Path, why: str) -> DataError:
    return DataError(
        f"nothing can be added to {shown(table)} without harm: {why}", hint="write the line yourself, and train again"
    )
