"""Pictures in the cells of Parquet files: which there are, and one of them read.

`pyarrow` is an extra and is loaded when such a file is opened, never before.
"""

from __future__ import annotations

import importlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hubel.data.manifest import BadPicture, printable
from hubel.data.places import Place
from hubel.errors import DataError, MissingExtra, missing_extra

MOST_GROUP = 1 << 30
"""Bytes that the pictures of one group of rows may have once they are unpacked."""
_IMAGES = ("image", "img", "picture", "photo", "bytes", "jpg", "png", "image_bytes")
_LABELS = ("label", "class", "category", "labels", "class_name", "cls", "target")


@dataclass(frozen=True)
class Table:
    """What is needed of one Parquet file."""

    stat: tuple[int, int, int]
    """Its size over its rows, and its times: what is known of each of its pictures."""
    groups: tuple[int, ...]
    """Rows of each group."""
    column: str
    """That of pictures."""
    labels: list[Any]
    """Of each row: a whole number, a text, or None."""
    names: tuple[str, ...] | None
    """Of classes, where the file says them."""


def _parquet() -> Any:
    try:
        return importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise missing_extra("pyarrow", "parquet", "a Parquet file") from None


def read_table(file: str, columns: Mapping[str, str], *, unlabelled: bool = False) -> Table:
    """The labels of a Parquet file, and where its pictures are; `columns` as in `open_source`, file and label.

    `unlabelled`: it need not have any. Raises MissingExtra without pyarrow, DataError for what is no such file, or has
    no columns of pictures and labels.
    """
    parquet = _parquet()
    shown = printable(file)
    try:
        about = os.stat(file, follow_symlinks=False)
        if not stat.S_ISREG(about.st_mode):
            raise DataError(f"{shown} is no regular file", hint="give the file itself")
        with parquet.ParquetFile(file) as opened:
            schema, meta = opened.schema_arrow, opened.metadata
            image = _column(schema, columns.get("file"), _IMAGES, "pictures", shown)
            label = _column(schema, columns.get("label"), _LABELS, "labels", shown, needed=not unlabelled)
            _check_types(schema, image, label, shown)
            groups = tuple(meta.row_group(i).num_rows for i in range(meta.num_row_groups))
            if label:
                labels = opened.read(columns=[label]).column(0).to_pylist()
            else:
                labels = [None] * meta.num_rows
            names = _class_names(schema, label)
    except DataError:
        raise
    except Exception as error:  # pyarrow's own errors are of many kinds
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{shown} cannot be read as a Parquet file: {said}", hint="is it whole?") from None
    size = about.st_size // max(1, len(labels))
    return Table((size, about.st_mtime_ns, about.st_ctime_ns), groups, image, labels, names)


def _column(
    schema: Any, said: str | None, usual: tuple[str, ...], what: str, file: str, *, needed: bool = True
) -> str:  # fmt: skip
    there = [str(name) for name in schema.names]
    if said is not None and said not in there:
        raise DataError(f"{file} has no column {said!r}, it has {', '.join(map(printable, there))}", hint="--column")
    found = said or next((name for word in usual for name in there if name.casefold() == word), None)
    if found is None and not needed:
        return ""
    if found is None:
        role = "file" if what == "pictures" else "label"
        raise DataError(
            f"{file} has no column of {what} ({', '.join(usual[:3])}, …), it has {', '.join(map(printable, there))}",
            hint=f"--column {role}=NAME says which it is",
        )
    return found


def _check_types(schema: Any, image: str, label: str, file: str) -> None:
    types = importlib.import_module("pyarrow").types
    kind = schema.field(image).type
    if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field(kind.get_field_index("bytes")).type
    if not (types.is_binary(kind) or types.is_large_binary(kind)):
        raise DataError(
            f"{file}: the column {printable(image)!r} must hold bytes, or a struct with bytes; it holds {kind}",
            hint="--column file=NAME names another",
        )
    if not label:
        return
    kind = schema.field(label).type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if not (types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind)):
        raise DataError(
            f"{file}: the column {printable(label)!r} must hold whole numbers or texts, it holds {kind}",
            hint="--column label=NAME names another",
        )


def _class_names(schema: Any, label: str) -> tuple[str, ...] | None:
    """What the usual hubs write beside the columns: {"info": {"features": {"label": {"names": [...]}}}}."""
    try:
        said = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    if isinstance(said, list) and said and all(isinstance(name, str) for name in said) and len(set(said)) == len(said):
        return tuple(map(printable, said))
    return None


def read_cell(place: Place, max_bytes: int) -> tuple[bytes, tuple[int, int, int]]:
    """The bytes in a cell, and what is known of its file, as in `Table.stat`. Raises BadPicture."""
    assert place.column is not None
    try:
        about = os.stat(place.file, follow_symlinks=False)
    except OSError as error:
        raise BadPicture("unreadable", (error.strerror or str(error)).lower()) from None
    if not stat.S_ISREG(about.st_mode):
        raise BadPicture("special file", "not a regular file")
    rows, cells = _group(place.file, about.st_mtime_ns, place.first, place.column)
    if place.second >= len(cells):
        raise BadPicture("truncated", f"its file has {len(cells):,} rows in this group")
    cell = cells[place.second].as_py()
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if data is None:
        raise BadPicture("unreadable", "the cell holds no bytes (a path leads nowhere here)")
    if len(data) > max_bytes:
        raise BadPicture("bomb", f"{len(data):,} bytes, more than the limit of {max_bytes:,}")
    return data, (about.st_size // max(1, rows), about.st_mtime_ns, about.st_ctime_ns)


@lru_cache(maxsize=2)
def _group(file: str, modified: int, group: int, column: str) -> tuple[int, Any]:
    """(rows of the file, the cells of one group of rows); the last two are kept, since neighbours are asked for."""
    try:
        with _parquet().ParquetFile(file) as opened:
            about = opened.metadata.row_group(group)
            size = sum(about.column(i).total_uncompressed_size for i in range(about.num_columns)
                       if about.column(i).path_in_schema.split(".")[0] == column)  # fmt: skip
            if size > MOST_GROUP:
                raise BadPicture("bomb", f"its group of rows unpacks to {size:,} bytes, the limit is {MOST_GROUP:,}")
            return opened.metadata.num_rows, opened.read_row_group(group, columns=[column]).column(0)
    except (BadPicture, MissingExtra):
        raise
    except Exception as error:
        said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise BadPicture("corrupt", f"its file cannot be read: {said}") from None
