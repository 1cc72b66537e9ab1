"""Runs set side by side: their results, and the settings in which they differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from hubel.errors import UsageError
from hubel.records.ledger import RunRecord, find_run, told_share, value_of
from hubel.records.series import SeriesRecord
from hubel.views import html_table
from hubel.words import MEASURES

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
        *((f"test {title}", cells) for title, cells in _other_scores(found)),
    ]
    lines = [line for line in lines if any(line[1])]  # tasks without right and wrong have no accuracy
    # Nets that answer together have no settings: in their folder stands the recipe of the first of them.
    flat = [
        {} if run.members else {f"{s}.{k}": v for s, part in run.recipe.items() for k, v in part.items()}
        for run in found
    ]
    shown = {"data.data", "model.model", "train.epochs", "run.name", "run.out"}
    for key in dict.fromkeys(key for recipe in flat for key in recipe):
        values = [json.dumps(recipe.get(key)) if recipe else "" for recipe in flat]
        if len({value for value, recipe in zip(values, flat, strict=True) if recipe}) > 1 and key not in shown:
            lines.append((key, tuple(value.strip('"') for value in values)))
    return Comparison(named(run.folder for run in found), tuple(lines))


def _other_scores(runs: Iterable[RunRecord]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What counts for tasks without right and wrong answers, and the test's value of it for each run that has one."""
    tests = [run.summary.get("test") or {} for run in runs]
    for name, measure in MEASURES.items():
        if name != "accuracy":
            values = [test.get(name) for test in tests]
            yield measure.title, tuple(measure.written(v) if isinstance(v, (int, float)) else "" for v in values)


def members(first: SeriesRecord, second: SeriesRecord) -> tuple[str, dict[str, tuple[RunRecord, RunRecord]]]:
    """What two series are over; fold or seed -> the run of it in each, of those that have finished in both.

    Raises UsageError for series of two kinds, and of a curve.
    """
    kinds = list(dict.fromkeys((first.kind, second.kind)))
    if kinds not in (["folds"], ["seeds"]):
        raise UsageError(
            f"series of one kind are compared, folds or seeds, got {' and '.join(kinds)}",
            hint="two runs of them: hubel compare SERIES/fold-1 SERIES/run-1",
        )
    found = [
        {
            " ".join(f"{name} {value}" for name, value in series.members[place].items()): run
            for place, run in sorted(series.runs().items())
            if run.status == "finished"
        }
        for series in (first, second)
    ]
    return kinds[0], {name: (run, found[1][name]) for name, run in found[0].items() if name in found[1]}


def compare_members(
    names: tuple[str, str], pairs: Mapping[str, tuple[RunRecord, RunRecord]]
) -> tuple[Comparison, str, dict[str, tuple[float, float]]]:
    """Two series side by side, member by member; which number counts (`MEASURES`); a pair of it for each member.

    `names` are those of the series. What they are and in which settings they differ is that of their first members.
    """
    told = {name: (value_of(one.summary), value_of(other.summary)) for name, (one, other) in pairs.items()}
    known = {name: (one, other) for name, (one, other) in told.items() if one and other and one[0] == other[0]}
    metric = next((one[0] for one, _ in known.values()), "accuracy")
    values = {name: (one[1], other[1]) for name, (one, other) in known.items()}
    lines = compare([str(run.folder) for run in next(iter(pairs.values()))]).lines if pairs else ()
    table = [line for line in lines if line[0] in ("data", "model", "parameters")]
    rows = dict(values)
    if len(values) > 1:
        columns = list(zip(*values.values(), strict=True))
        rows["mean"] = (fmean(columns[0]), fmean(columns[1]))
        rows["deviation"] = (stdev(columns[0]), stdev(columns[1]))
    for name, (one, other) in rows.items():
        table.append((name, (MEASURES[metric].written(one), MEASURES[metric].written(other))))
    table += [line for line in lines if "." in line[0]]
    return Comparison(names, tuple(table)), metric, values


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
