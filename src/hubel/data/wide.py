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


def said_oddly(rows: Rows, names: Sequence[str]) -> list[str]:
    """What is odd in the columns of the labels `names`, and beside them: a label that every sample has or none, and
    cells that say nothing.

    >>> rows = [(2, {"file": "1.jpg", "cat": "1", "dog": "0", "cow": "0"}),
    ...         (3, {"file": "2.jpg", "cat": "1", "dog": "", "cow": "0"}),
    ...         (4, {"file": "3.jpg", "cat": "1", "dog": "1", "cow": "0"})]
    >>> for reason in said_oddly(rows, ["cat", "dog"]):
    ...     print(reason)
    every sample has the label 'cat'
    1 empty cell of the label 'dog' counts as 0, the first in line 3
    'cow' is 0 in every line: as no sample has that label, it is not learnt
    """
    found = []
    for name in names:
        cells = [row.get(name, "").strip().casefold() for _, row in rows]
        if all(cell in YES for cell in cells):
            found.append(f"every sample has the label {printable(name)!r}")
        empty = [line for (line, _), cell in zip(rows, cells, strict=True) if not cell]
        if 0 < len(empty) < len(cells) / 2:  # where most are empty, that is how no is written
            found.append(
                f"{plural(len(empty), 'empty cell')} of the label {printable(name)!r} "
                f"{'counts' if len(empty) == 1 else 'count'} as 0, the first in line {empty[0]}"
            )
    for name in dict.fromkeys(name for _, row in rows[:1000] for name in row if name and name not in names):
        if all(row.get(name, "").strip().casefold() in NO - {""} for _, row in rows):
            found.append(f"{printable(name)!r} is 0 in every line: as no sample has that label, it is not learnt")
    return found
