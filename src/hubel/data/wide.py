"""Labels as columns: a table with a column for each label, 1 where a picture has it and 0 where not.

    file,cat,dog,child
    1.jpg,1,0,1               the same as  1.jpg,cat|child

Such a table becomes one with a column of lists, which `hubel.data.lists` knows. A column whose cells are 0 and 1 but
for a few is refused by line: most likely a typing error.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubel.data.manifest import printable
from hubel.errors import DataError
from hubel.words import plural

YES, NO = frozenset({"1", "1.0", "true", "yes", "x"}), frozenset({"0", "0.0", "false", "no", ""})
TYPING = 0.1
"""Where fewer of the cells than this are neither, the column is one of labels all the same."""
Rows = list[tuple[int, dict[str, str]]]


def label_columns(rows: Rows, names: Sequence[str]) -> list[str]:
    """Those of `names` that hold yes and no. Raises DataError for one that does but for a few cells.

    >>> label_columns([(2, {"a": "1", "b": "7"}), (3, {"a": "0", "b": "x"})], ["a", "b"])
    ['a']
    """
    found = []
    for name in names:
        cells = [(line, row.get(name, "").strip().casefold()) for line, row in rows]
        odd = [(line, cell) for line, cell in cells if cell not in YES and cell not in NO]
        said = {cell for _, cell in cells} - {""}
        if odd and len(odd) < TYPING * len(cells):
            line, cell = odd[0]
            raise DataError(
                f"the column {printable(name)!r} says 0 or 1, but for {plural(len(odd), 'cell')}: "
                f"{printable(cell)!r} in line {line}",
                hint="mend the table; --column label=COLUMN names another column for the labels",
            )
        if not odd and said & YES:
            found.append(name)
    return found


def joined(rows: Rows, names: Sequence[str], column: str) -> Rows:
    """The rows with one `column` that lists which of the labels `names` each has, "none" for none of them.

    >>> joined([(2, {"file": "1.jpg", "cat": "1", "dog": "1"})], ["cat", "dog"], "label")[0][1]["label"]
    'cat|dog'
    """
    return [
        (line, row | {column: "|".join(n for n in names if row.get(n, "").strip().casefold() in YES) or "none"})
        for line, row in rows
    ]
