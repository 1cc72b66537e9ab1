"""Tables whose rows are samples: numbers and words for a net over points, and a class or a number to learn.

    length,width,colour,species        a class: the column label, class, species, …, or --column label=COLUMN
    2.1,0.4,red,setosa                 a number: target, or --column target=COLUMN

Every other column is what the net sees (`hubel.data.columns`). A table that names files is another thing
(`hubel.data.tables`). Letters: N rows, F features.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hubel.data.columns import Columns, is_missing, rare, read_columns, unvaried
from hubel.data.kinds import refuse_file
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.names import as_number, class_order, look_alikes, split_word, typing_errors
from hubel.data.roles import check_fits, find_roles, ignored, roles_among
from hubel.data.series_pieces import SPELLINGS as IN_TIME
from hubel.data.tables import SPELLINGS as USUAL
from hubel.data.tables import SUFFIXES, Table, decimal_comma, file_column
from hubel.data.walk import is_picture_name
from hubel.errors import DataError, UsageError
from hubel.words import plural

SPELLINGS = {role: USUAL[role] for role in ("label", "target", "split", "group")}
LAYOUT = "a table of numbers and words with a class or a number to learn: --column label=COLUMN or target=COLUMN"


def holds_rows(path: Path, columns: Mapping[str, str]) -> bool:
    """Are the rows of a table samples themselves, since no column names files?"""
    if columns.get("file") or columns.get("mask"):
        return False
    folder = os.path.realpath(path.parent)
    table = Table(path=path, columns=columns, folder=folder, root=folder)
    present = [name for name in table.present if name]
    return len(present) > 1 and not any(map(is_picture_name, present)) and not file_column(table)


def open_rows(
    path: str | os.PathLike[str], *, columns: Mapping[str, str] | None = None, known: Columns | None = None
) -> Manifest:
    """The rows of a CSV, TSV or JSONL file as points: `arrays` N F, NaN where a number is not known.

    `columns` says which column is what, where the usual names do not ("" for none); `known` are those of a net, by
    which the rows are read. A target of numbers makes it a regression. Raises UsageError, DataError.
    """
    table, roles = find_roles(path, columns or {}, SPELLINGS, LAYOUT)
    answer = next((role for role in ("label", "target") if role in roles), "")
    if not answer:
        listed = ", ".join(printable(name) for name in table.present[:20])
        raise DataError(
            f"{printable(str(path))} has no column 'file', 'label' or 'target'; it has {listed}",
            hint="--column label=COLUMN for a class, --column target=COLUMN for a number; of pictures --column "
            "file=COLUMN; rows in the order of time: --task sequence",
        )
    comma = decimal_comma(table)
    problems: list[Problem] = []
    series = _series(table, roles, columns or {})
    if series:
        roles["group"] = series
        problems.append(
            Problem(
                printable(series), "table",
                "rows of a series stay together and the net does not see its name (--column group= leaves both to it); "
                "--task sequence reads them in the order of time", left_out=False,
            )
        )  # fmt: skip
    names = [name for name in table.present if name and name not in (*roles.values(), *ignored(table))]
    if not names:
        raise DataError(f"{printable(str(path))} has no column for the net to see", hint=LAYOUT)
    lines, rows = _usable(table, roles, answer, comma, problems)
    if known is not None:
        check_fits(table, known)
    read = known or _varied(Columns(read_columns(names, rows, comma=comma)), rows, comma, problems)
    if not read.columns:
        what = f"no column of {printable(str(path))} says different things in different rows"
        raise DataError(f"{what}: there is nothing to learn from", hint=LAYOUT)
    problems += [
        Problem(
            printable(word), "table", f"the only row with that word in the column {printable(name)!r}", left_out=False
        )
        for name, word, _ in rare(read.columns, rows)[:20]
    ]
    cells = [row.get(roles[answer], "").strip() for row in rows]
    fractions = answer == "label" and _fractions(cells, comma)
    class_names: tuple[str, ...] = ()
    if answer == "target" or fractions:
        read = known or Columns(read.columns, read_columns([roles[answer]], rows, comma=comma))
        labels = np.array([as_number(cell, comma=comma) for cell in cells], dtype=np.float32)
    else:
        class_names = tuple(class_order(set(cells)))
        problems += look_alikes(class_names) + typing_errors(Counter(cells))
        labels = np.array([class_names.index(cell) for cell in cells], dtype=np.int64)
        if len(class_names) < 2:
            raise DataError(
                f"at least 2 classes are needed, {printable(str(path))} has one only: {printable(class_names[0])!r}",
                hint=LAYOUT,
            )
    groups = [row.get(roles.get("group", ""), "").strip() for row in rows]
    return Manifest(
        source=str(path),
        kind="points",
        arrays=read.encode(rows, comma=comma),
        labels=labels,
        class_names=class_names,
        given_split=np.array([split_word(row.get(roles.get("split", ""), "").strip()) for row in rows], dtype="<U5"),
        groups=np.array(groups) if len(set(groups)) > 1 else None,
        titles=tuple(f"line {line}" for line in lines),
        columns=read,
        problems=tuple(problems),
    )


def _series(table: Table, roles: Mapping[str, str], columns: Mapping[str, str]) -> str:
    """The column of a table of steps in time that names the series, unless there are groups or none are wished.

    Steps of one series are alike, and its name tells the answer to whoever has seen others of it.
    """
    found = roles_among(table.present, {}, {role: IN_TIME[role] for role in ("series", "time")}, besides=ignored(table))
    name = found.get("series", "") if {"series", "time"} <= set(found) else ""
    if not name or name in roles.values() or "group" in (*roles, *columns):
        return ""
    return name if len({row.get(name, "").strip() for _, row in table.rows}) < len(table.rows) else ""


def _usable(
    table: Table, roles: Mapping[str, str], answer: str, comma: bool, problems: list[Problem]
) -> tuple[list[int], list[Mapping[str, str]]]:
    """Lines and rows that say what is to be learnt; the others are named."""
    lines: list[int] = []
    rows: list[Mapping[str, str]] = []
    for line, row in table.rows:
        cell, part = row.get(roles[answer], "").strip(), row.get(roles.get("split", ""), "").strip()
        why = ""
        if is_missing(cell):
            why = f"no {answer}"
        elif answer == "target" and as_number(cell, comma=comma) is None:
            why = f"the target {printable(cell)!r} is no number"
        elif part and not split_word(part):
            why = f"the split {printable(part)!r} is none of train, val, test"
        if why:
            problems.append(Problem(f"line {line}", "bad row", why))
        else:
            lines.append(line)
            rows.append(row)
    if not rows:
        raise DataError(f"no row of {plural(len(table.rows), 'row')} can be used: {problems[0].reason}", hint=LAYOUT)
    return lines, rows


def _varied(read: Columns, rows: list[Mapping[str, str]], comma: bool, problems: list[Problem]) -> Columns:
    """Without the columns that nothing can be learnt from, which are named."""
    same = unvaried(read.columns, read.encode(rows, comma=comma)) if len(rows) > 1 else {}
    problems += [
        Problem(printable(name), "table", f"{why}: the net does not see it", left_out=False)
        for name, why in list(same.items())[:20]
    ]
    return Columns(tuple(column for column in read.columns if column.name not in same))


def _fractions(cells: list[str], comma: bool) -> bool:
    """Are these labels numbers, some of them with a fraction?"""
    values = [as_number(cell, comma=comma) for cell in cells]
    return all(value is not None for value in values) and any(value != round(value) for value in values if value)


def read_rows(given: object, known: Columns) -> tuple[tuple[str, ...], np.ndarray]:
    """New rows for a net that knows these columns: what each is called, and values N F as `open_rows` has them.

    `given`: a table, a row such as "5.1,3.5,red" in the order of the columns, a mapping by their names, a list of
    cells; or many of these. Raises UsageError for what is no row, DataError for a table that lacks a column.
    """
    names: list[str] = []
    parts: list[np.ndarray] = []
    for item in given if isinstance(given, (list, tuple)) and not _is_row(given) else [given]:
        if isinstance(item, (str, os.PathLike)) and os.fspath(item).casefold().endswith(SUFFIXES):
            table, _ = find_roles(item, {}, {}, LAYOUT)
            check_fits(table, known)
            names += [f"{table.path.name}:{line}" for line, _ in table.rows]
            parts.append(known.encode([row for _, row in table.rows], comma=decimal_comma(table)))
            continue
        row = _row(item, known)
        names.append(f"row {len(names) + 1}")
        parts.append(known.encode([row]))
    if not parts:
        raise UsageError("no row was given", hint=_hint(known))
    return tuple(names), np.concatenate(parts)


def _row(item: object, known: Columns) -> dict[str, str]:
    if isinstance(item, Mapping):
        cells = [item.get(column.name) for column in known.columns]
    elif isinstance(item, (str, os.PathLike)):
        cells = [cell.strip() for cell in os.fspath(item).split(",")]
    elif isinstance(item, (list, tuple, np.ndarray)):
        cells = list(item)
    else:
        raise UsageError(f"a row is a list of its cells, got {type(item).__name__}", hint=_hint(known))
    if len(cells) != len(known.columns):
        for cell in cells:
            refuse_file(cell, "the rows of a table (.csv, .tsv or .jsonl files)")
        raise UsageError(
            f"this net takes rows of {plural(len(known.columns), 'cell')}, got {len(cells)}: {str(item)[:80]!r}",
            hint=_hint(known),
        )
    row = {column.name: "" if cell is None else str(cell) for column, cell in zip(known.columns, cells, strict=True)}
    for column in known.columns:
        cell = row[column.name].strip()
        if not is_missing(cell) and (as_number(cell) is None if not column.words else cell not in column.words):
            wanted = "a number" if not column.words else f"one of {', '.join(map(printable, column.words[:10]))}"
            raise UsageError(f"{printable(column.name)} must be {wanted}, got {printable(cell)!r}", hint=_hint(known))
    return row


def _is_row(given: list[object] | tuple[object, ...]) -> bool:
    """Is this one row as a list of its cells?"""
    words = [cell for cell in given if isinstance(cell, str)]
    tables = any("," in word or word.casefold().endswith(SUFFIXES) for word in words)
    return bool(given) and all(isinstance(cell, (int, float, str)) for cell in given) and not tables


def _hint(known: Columns) -> str:
    names = ",".join(printable(column.name) for column in known.columns[:12])
    return f"a row as {names}, or a table with these columns"
