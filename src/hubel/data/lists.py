"""Labels that are lists: "cat|dog" in the cell of a table says that both are there, "none" that nothing is.

Letters: N samples, K labels.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

from hubel.data.manifest import Manifest, Problem
from hubel.data.names import class_order, look_alikes, shown_names, typing_errors
from hubel.errors import DataError
from hubel.words import plural

MARKS = ("|", ";", ",", "+")
"""What may stand between labels; of several that occur, the one that leaves the fewest labels."""
NOTHING = frozenset({"none", "-", "nothing", "no finding"})
"""A cell that says that no label is there."""


def in_lists(manifest: Manifest) -> str | None:
    """Labels that a cell lists, such as cat|dog, or an edit of one of several: the data mean several; else None."""
    said = (
        p.path for p in manifest.problems if p.kind == "label edit" or (p.kind == "several labels" and "|" in p.path)
    )
    return next(said, None)


def parted(text: str, known: Container[str]) -> list[str]:
    """The labels that a text lists: itself where it is a known one, else what stands between marks; [] for none.

    >>> parted("cat|dog", {"cat", "dog"}), parted("black, white", {"black, white"}), parted("none", {"cat"})
    (['cat', 'dog'], ['black, white'], [])
    """
    if text in known:
        return [text]
    if text.casefold() in NOTHING:
        return []
    lists = [[part.strip() for part in text.split(mark) if part.strip()] for mark in MARKS if mark in text]
    found = next((parts for parts in lists if all(part in known for part in parts)), None)
    # A new label is listed by the mark that labels are written with here.
    return found or [part.strip() for part in text.split("|") if part.strip()]


def mark_of(cells: Sequence[str]) -> str:
    """What stands between labels in these cells, "" where nothing does.

    Names hold such marks, too ("hair, blond"): split at one of those, the same few labels would be left in all their
    combinations. Where two marks leave as many, it is the one in most cells.

    >>> mark_of(["cat|dog", "cat"]), mark_of(["cat", "golden retriever"])
    ('|', '')
    >>> mark_of(["hair, blond", "hair, blond|hat", "hair, blond", "hat|bag"])
    '|'
    """
    counts = {mark: sum(mark in cell.strip(mark) for cell in cells) for mark in MARKS}
    found = [mark for mark in MARKS if counts[mark]]
    return min(found, key=lambda mark: (_different(cells, mark), -counts[mark])) if len(found) > 1 else "".join(found)


def _different(cells: Sequence[str], mark: str) -> int:
    return len({part.strip() for cell in set(cells) for part in cell.split(mark)} - {""})


def read_lists(cells: Sequence[str], mark: str | None = None) -> tuple[tuple[str, ...], np.ndarray, list[Problem]]:
    """(K labels, N K uint8 of 0 and 1, what is odd) of N cells. Raises DataError for fewer than two labels.

    `mark` stands between labels, where that is known.

    >>> names, there, problems = read_lists(["cat|dog", "dog", "none"])
    >>> names, there.tolist(), problems
    (('cat', 'dog'), [[1, 1], [0, 1], [0, 0]], [])
    """
    mark = mark_of(cells) if mark is None else mark
    lists = [[part.strip() for part in (cell.split(mark) if mark else [cell]) if part.strip()] for cell in cells]
    lists = [[] if len(parts) == 1 and parts[0].casefold() in NOTHING else parts for parts in lists]
    shown = shown_names(part for parts in lists for part in parts)
    names = tuple(class_order(set(shown.values())))
    if len(names) < 2:
        listed = f": {names[0]!r}" if names else ""
        raise DataError(
            f"at least 2 different labels are needed, the cells name {len(names)}{listed}",
            hint="labels are written cat|dog; where each sample has one: --task classify",
        )
    index = {name: k for k, name in enumerate(names)}
    there = np.zeros((len(cells), len(names)), np.uint8)
    twice = 0
    for row, parts in enumerate(lists):
        there[row, [index[shown[part]] for part in parts]] = 1
        twice += len(set(parts)) < len(parts)
    problems = look_alikes(names) + typing_errors(dict(zip(names, there.sum(0).tolist(), strict=True)))
    if twice:
        said = f"{plural(twice, 'cell')} with a label twice: it counts once"
        problems.append(Problem("labels", "several labels", said, left_out=False))
    return names, there, problems


def rarest(there: np.ndarray) -> np.ndarray:
    """N: of each sample the rarest label that it has, 0 where it has none: by these a split deals samples out."""
    counts = np.where(there > 0, there.sum(0), np.iinfo(np.int64).max)
    return np.where(there.any(1), counts.argmin(1), 0).astype(np.int64)
