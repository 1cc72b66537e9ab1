"""Tables whose rows are data themselves: which column is what, and which of them a net sees."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from hubel.data.columns import Columns
from hubel.data.manifest import printable
from hubel.data.tables import Table, decimal_comma
from hubel.errors import DataError, UsageError, near


def find_roles(
    path: str | os.PathLike[str], columns: Mapping[str, str], spellings: Mapping[str, Sequence[str]], layout: str
) -> tuple[Table, dict[str, str]]:
    """The table, and role -> column for the roles of `spellings` that it has: as `columns` say ("" for none), else by
    the usual names. `ignore` may list several columns, with commas between, that the net is not to see.

    Raises UsageError for a role that no column has and for a file that is not there, DataError for a missing column.
    """
    wrong = [role for role in columns if role not in (*spellings, "ignore")]
    if wrong:
        listed = ", ".join((*spellings, "ignore"))
        close = near(wrong[0], listed.split(", "))
        raise UsageError(
            f"a column of such a table is one of {listed}, got {printable(wrong[0])!r}",
            hint=f"did you mean {close[0]}?" if close else "for example --column label=species",
        )
    place = Path(path).expanduser()
    if not place.is_file():
        raise UsageError(f"there is no table {printable(str(path))}", hint=layout)
    folder = os.path.realpath(place.parent)
    table = Table(path=place, columns=columns, folder=folder, root=folder)
    found = roles_among(table.present, columns, spellings, besides=ignored(table))
    for name in found.values():
        if name not in table.present:
            raise no_column(table, name, layout)
    if "target" in columns:
        found.pop("label", None)
    elif "label" in found:
        found.pop("target", None)
    for name in ignored(table):
        if name not in table.present:
            raise no_column(table, name, layout)
    return table, found


def roles_among(
    present: Sequence[str],
    columns: Mapping[str, str],
    spellings: Mapping[str, Sequence[str]],
    *,
    besides: Sequence[str] = (),
) -> dict[str, str]:
    """Role -> column: as `columns` say, whether it is there or not, else the first of the usual names that is free.

    >>> roles_among(["Time", "x"], {"series": ""}, {"series": ("series",), "time": ("time", "t")})
    {'time': 'Time'}
    """
    folded: dict[str, str] = {}
    for name in present:
        folded.setdefault(re.sub(r"[\W_]+", "", name.casefold()), name)
    taken = (*columns.values(), *besides)
    found = {}
    for role, words in spellings.items():
        usual = (folded[word] for word in words if word in folded and folded[word] not in taken)
        name = columns[role] if role in columns else next(usual, "")
        if name:
            found[role] = name
    return found


def ignored(table: Table) -> list[str]:
    """Columns that the net is not to see."""
    return [name.strip() for name in table.columns.get("ignore", "").split(",") if name.strip()]


def no_column(table: Table, name: str, layout: str) -> DataError:
    """The error for a column that is named and not there."""
    close = near(name, table.present)
    listed = ", ".join(printable(one) for one in table.present[:20])
    return DataError(
        f"{printable(str(table.path))} has no column {printable(name)!r}; it has {listed}",
        hint=f"did you mean {printable(close[0])}?" if close else layout,
    )


def check_fits(table: Table, known: Columns) -> None:
    """Raise DataError where a table lacks a column that a net was trained on, or has words where that had numbers."""
    lost = [column.name for column in known.columns if column.name not in table.present]
    if lost:
        raise DataError(
            f"{printable(str(table.path))} has no column {printable(lost[0])!r}, which the net was trained on",
            hint=f"it takes {', '.join(printable(column.name) for column in known.columns[:12])}",
        )
    comma = decimal_comma(table)
    for line, row in table.rows:
        for column in known.columns:
            cell = row.get(column.name, "").strip()
            if not column.knows(cell, comma=comma):
                raise DataError(
                    f"{printable(cell)!r} in line {line} of {printable(str(table.path))} is no number, and the column "
                    f"{printable(column.name)!r} held numbers when the net was trained",
                    hint="mend the table; an empty cell says that a number is not known",
                )
