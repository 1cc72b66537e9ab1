"""The group that each sample is of: what a column of its table says, or a folder on its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hubel.data.manifest import Manifest, printable
from hubel.data.rows import holds_rows
from hubel.data.sources import has_tables, open_source
from hubel.data.tables import SUFFIXES as TABLES
from hubel.errors import DataError, UsageError, near
from hubel.recipes.schema import compose, read_file
from hubel.records.own_data import find_again, placed, reading_of
from hubel.words import plural

FOLDER = "folder"


def groups_of(
    folder: Path | None, data: str | None, names: Sequence[str] | None, by: str, *,
    data_root: str | Path | None = None, reading: Mapping[str, Any] | None = None,
) -> list[str]:  # fmt: skip
    """For samples called `names`: their group `by`, of `data` or, where that is None, of the run's own in `folder`.

    `by` is a column of the table; "folder" is the folder that a picture lies in, a number the folder at that place of
    its path (1 is the first below the data). Raises UsageError for what is none of these, DataError as the source does.
    """
    if names is None:
        raise UsageError(f"--by {by} needs data in files: this set has neither a table nor folders", hint=_WAYS)
    if by == FOLDER or by.isdigit():
        return [_part(name, by) for name in names]
    manifest = _read(folder, data, by, data_root, reading)
    groups = manifest.groups if manifest.groups is not None else [""] * len(manifest)
    known = {manifest.name(row): str(group) for row, group in enumerate(groups)}
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise DataError(f"the table no longer has a row for {missing}", hint="read the data as they were")
    return [known[name] for name in names]


_WAYS = "--by takes a column of a table, folder, the number of a folder on the path, brightness or contrast"


def _part(name: str, by: str) -> str:
    parts = PurePosixPath(name).parts[:-1]
    if by == FOLDER:
        return "/".join(parts)
    place = int(by)
    if not 1 <= place <= len(parts):
        raise UsageError(
            f"{name} lies in {plural(len(parts), 'folder')} below the data, and --by {place} asks for another",
            hint=f"--by 1 is {parts[0]!r}" if parts else _WAYS,
        )
    return parts[place - 1]


def _read(
    folder: Path | None, data: str | None, by: str, data_root: str | Path | None, reading: Mapping[str, Any] | None
) -> Manifest:
    """The data again, with the column as the one that groups; without edits, which make groups of their own and leave
    samples out."""
    try:
        if data is not None:
            read = reading_of(folder, data, reading)
            _require_table(data, by)
            columns = _grouping(data, read.get("columns") or {}, by)
            return open_source(data, **read | {"columns": columns, "edits": ()})
        assert folder is not None
        recipe = placed(folder, compose(read_file(folder / "config.yaml")), data_root)
        _require_table(recipe.data.data if data_root is None else str(data_root), by)
        return find_again(recipe.change(columns=_grouping(recipe.data.data, recipe.data.columns, by)), edits=())
    except DataError as error:
        # The columns that the message lists: in quotes where files are named, else after "it has".
        there = error.what.partition("but ")[2].split("'")[1::2] or error.what.partition("; it has ")[2].split(", ")
        if by in there:  # it was the column of the labels, and was missed as such
            what = f"--by {by} names the column of the classes, and those are shown one by one already"
            raise UsageError(what, hint=f"it has: {', '.join(there)}") from None
        close = near(by, there)
        raise DataError(error.what, hint=f"did you mean --by {close[0]}?" if close else _WAYS) from None


def _grouping(data: str, columns: Mapping[str, str], by: str) -> dict[str, str]:
    """Columns by what they are, `by` as the one that groups; of rows, the one that did before is still nothing that a
    net sees."""
    before, path = columns.get("group") or "", Path(data).expanduser()
    found = {**columns, "group": by}
    if before and before != by and path.is_file() and holds_rows(path, columns):
        found["ignore"] = ",".join(filter(None, (columns.get("ignore"), before)))
    return found


def _require_table(data: str, by: str) -> None:
    if not data.casefold().endswith(TABLES) and not has_tables(Path(data).expanduser()):
        raise UsageError(f"--by {by} names a column, and {printable(data)} has no table", hint=_WAYS)
