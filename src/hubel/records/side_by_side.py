"""Runs set side by side: their results, and the settings in which they differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hubel.records.ledger import RunRecord, find_run, told_share
from hubel.views import html_table

WIDTH = 80
"""Columns of a terminal."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side: a column each, a line for every result and for every setting in which they differ."""

    names: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]

    def __str__(self) -> str:
        table = [("", self.names), *self.lines]
        first = max(len(title) for title, _ in table)
        widths = [max(len(cells[i]) for _, cells in table) for i in range(len(self.names))]
        return "\n\n".join(
            "\n".join(
                f"{title:<{first}}  " + "  ".join(cells[i].ljust(widths[i]) for i in block).rstrip()
                for title, cells in table
            )
            for block in _blocks(widths, WIDTH - first)
        )

    def _repr_html_(self) -> str:
        return html_table(["", *self.names], ([title, *cells] for title, cells in self.lines))

    def to_dict(self) -> dict[str, dict[str, str]]:
        """Plain data for JSON: by run name."""
        return {name: {title: cells[i] for title, cells in self.lines} for i, name in enumerate(self.names)}


def _blocks(widths: list[int], room: int) -> list[list[int]]:
    """Which columns stand beside each other, so that lines are no longer than a terminal's.

    >>> _blocks([8, 8, 8, 30], 20)
    [[0, 1], [2], [3]]
    """
    found: list[list[int]] = []
    for i, width in enumerate(widths):
        if found and sum(widths[j] + 2 for j in found[-1]) + width + 2 <= room:
            found[-1].append(i)
        else:
            found.append([i])
    return found


def compare(names: list[str | Path] | list[str]) -> Comparison:
    """Set runs side by side. Raises ArtefactError for a run that does not exist."""
    found = [RunRecord(find_run(name)) for name in names]
    rows = [run.row() for run in found]
    lines: list[tuple[str, tuple[str, ...]]] = [
        ("status", tuple(row["status"] for row in rows)),
        ("data", tuple(row["data"] for row in rows)),
        ("model", tuple(row["model"] for row in rows)),
        ("parameters", tuple(f"{run.summary.get('parameters', 0):,}" for run in found)),
        ("epochs", tuple(str(row["epochs"]) for row in rows)),
        ("training time", tuple("" if row["seconds"] is None else f"{row['seconds']:.1f} s" for row in rows)),
        ("validation accuracy", tuple(told_share(row["val_accuracy"]) for row in rows)),
        ("test accuracy", tuple(told_share(row["test_accuracy"]) for row in rows)),
    ]
    flat = [{f"{s}.{k}": v for s, part in run.recipe.items() for k, v in part.items()} for run in found]
    shown = {"data.data", "model.model", "train.epochs", "run.name", "run.out"}
    for key in dict.fromkeys(key for recipe in flat for key in recipe):
        values = [json.dumps(recipe.get(key)) for recipe in flat]
        if len(set(values)) > 1 and key not in shown:
            lines.append((key, tuple(value.strip('"') for value in values)))
    return Comparison(named(run.folder for run in found), tuple(lines))


def named(folders: Iterable[Path]) -> tuple[str, ...]:
    """What runs are called beside each other: their own names, and the paths of those that share one.

    >>> named([Path("a/run-1"), Path("a/run-2"), Path("b/run-2")])
    ('run-1', 'a/run-2', 'b/run-2')
    """
    listed = list(folders)
    often = Counter(folder.name for folder in listed)
    found: list[str] = []
    for folder in listed:
        title = folder.name if often[folder.name] == 1 else str(folder)
        again = found.count(title)
        found.append(f"{title} ({again + 1})" if again else title)  # a run beside itself
    return tuple(found)
