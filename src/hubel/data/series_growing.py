"""Series that grow: the steps that are new in a table, each with those before it that a net is to know.

Of every series the last LONGEST steps are kept, as no net learnt from longer ones. Letters: F features, T steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hubel.data.columns import Columns
from hubel.data.growing import Growing, Look, Row, growing
from hubel.data.manifest import printable
from hubel.data.roles import roles_among
from hubel.data.series_pieces import LONGEST, SPELLINGS, moment
from hubel.errors import DataError


@dataclass(frozen=True, kw_only=True)
class NewSteps:
    """Steps of one series that are new, behind those that are known."""

    series: str
    """"" where the table is one series."""
    lines: tuple[int, ...]
    """Of the new steps."""
    values: np.ndarray
    """F T: what is kept of the steps before, then the new ones."""
    numbers: tuple[int, ...]
    """Of the new steps in their series, from 1."""

    @property
    def first(self) -> int:
        """Where the new ones begin in `values`."""
        return self.values.shape[1] - len(self.lines)


@dataclass
class _SoFar:
    kept: np.ndarray
    count: int = 0
    when: float = -np.inf
    line: int = 0


@dataclass
class GrowingSeries:
    """What is known of every series of a table that grows."""

    known: Columns
    said: Mapping[str, str]
    """Role -> column, where that was said."""
    _series: dict[str, _SoFar] = field(default_factory=dict)

    def add(self, table: Growing, rows: Sequence[Row], *, anew: bool = False) -> Iterator[NewSteps | Row]:
        """The new steps, series by series, and rows that are none, with what is wrong with them. Raises DataError for a
        table that lacks a column.

        `anew`: the table was written anew, and all series begin again.
        """
        if anew:
            self._series.clear()
        wanted = {role: name for role, name in self.said.items() if role in ("series", "time")}
        roles = roles_among(table.names, wanted, SPELLINGS)
        lost = [c.name for c in self.known.columns if c.name not in table.names] if table.names else []
        lost += [name for name in wanted.values() if name and name not in table.names] if table.names else []
        if lost:
            raise DataError(
                f"{printable(table.path)} has no column {printable(lost[0])!r}, which is learnt from",
                hint=f"it takes {', '.join(printable(c.name) for c in self.known.columns[:12])}",
            )
        groups: dict[str, list[Row]] = {}
        for row in rows:
            name = printable(row.cells.get(roles.get("series", ""), "").strip())
            problem = row.problem or self._late(name, row, roles, comma=table.comma)
            if problem:
                yield Row(line=row.line, cells=row.cells, problem=problem)
            else:
                groups.setdefault(name, []).append(row)
        for name, some in groups.items():
            yield self._steps(name, some, comma=table.comma)

    def _late(self, name: str, row: Row, roles: Mapping[str, str], *, comma: bool) -> str:
        """Why a row is no next step of its series; "" where it is one."""
        here = self._series.setdefault(name, _SoFar(np.zeros((len(self.known.features), 0), np.float32)))
        when = here.when
        if "time" in roles:
            try:
                when = moment(row.cells.get(roles["time"], "").strip(), row.line, roles["time"], comma=comma)
            except DataError as error:
                return error.what.partition(": ")[2]
            if when <= here.when:
                return f"its time is not after that of line {here.line}"
        for column in self.known.columns:
            cell = row.cells.get(column.name, "").strip()
            if not column.knows(cell, comma=comma):
                return f"{printable(cell)!r} in the column {printable(column.name)!r} is no number"
        here.when, here.line = when, row.line
        return ""

    def _steps(self, name: str, rows: Sequence[Row], *, comma: bool) -> NewSteps:
        here = self._series[name]
        new = self.known.encode([row.cells for row in rows], comma=comma).T
        values = np.concatenate([here.kept, new], axis=1)
        numbers = tuple(range(here.count + 1, here.count + len(rows) + 1))
        here.kept, here.count = values[:, -LONGEST:], here.count + len(rows)
        return NewSteps(series=name, lines=tuple(row.line for row in rows), values=values, numbers=numbers)


Says = Callable[[NewSteps], list[tuple[str, dict[str, Any]]]]
"""What is said of each new step: in words, and as plain data."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What is said of one line of a table that grows."""

    name: str
    told: str = ""
    said: dict[str, Any]
    problem: str = ""


def answered_lines(
    path: str, known: Columns, said: Mapping[str, str], says: Says, *, idle: float | None = None,
    restart: Callable[[], None] = lambda: None, looks: Iterator[Look] | None = None, table: Growing | None = None,
) -> Iterator[Line]:  # fmt: skip
    """Each line of a table once, as it comes, with what `says` says of it; without end, or until none came for `idle`
    seconds. Lines that are no steps are told with the reason. Raises DataError for a table that is not there, is gone,
    or lacks a column. `restart` is called where the table was written anew.
    """
    table = table or Growing(path)
    series = GrowingSeries(known, said)
    for look in looks or growing(table, idle=idle):
        if look.anew:
            restart()
        for new in series.add(table, look.rows, anew=look.anew):
            if isinstance(new, Row):
                yield Line(name=f"line {new.line}", said={}, problem=new.problem)
                continue
            before = f"{new.series}, " if new.series else ""
            for line, step, (told, plain) in zip(new.lines, new.numbers, says(new), strict=True):
                where: dict[str, Any] = {"series": new.series} if new.series else {}
                yield Line(name=f"{before}line {line}", told=told, said=where | {"line": line, "step": step} | plain)
    if table.unended:
        why = "it has no end of line, so that it may be half a line, and was not answered"
        yield Line(name=f"line {table.unended}", said={}, problem=why)
