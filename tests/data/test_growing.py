"""A table that grows: every whole line once, no half lines, and series that go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubel.data.columns import Column, Columns
from hubel.data.growing import Growing, growing
from hubel.data.series_growing import GrowingSeries, Line, NewSteps, answered_lines
from hubel.errors import DataError


def cells(table: Growing) -> list[tuple[int, dict[str, str]]]:
    return [(row.line, dict(row.cells)) for row in table.look().rows]


def test_each_whole_line_is_read_once_and_half_a_line_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\ufefftime;x\r\n1;2,5\r\n2;".encode())
    table = Growing(str(path))
    assert cells(table) == [(2, {"time": "1", "x": "2,5"})]
    assert (table.comma, table.unended) == (True, 3)
    assert cells(table) == []
    with path.open("ab") as file:
        file.write(b'"a\n')
    assert cells(table) == []  # a quotation mark is open
    with path.open("ab") as file:
        file.write(b'b"\n\n3;4\n')
    assert cells(table) == [(3, {"time": "2", "x": "a\nb"}), (6, {"time": "3", "x": "4"})]
    assert table.unended == 0


def test_a_letter_that_is_half_written_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    whole = '{"x": "ä"}\n'.encode()
    path.write_bytes(whole[:8])
    table = Growing(str(path))
    assert cells(table) == []
    path.write_bytes(whole + b"[1]\n")
    first, second = table.look().rows
    assert first.cells == {"x": "ä"}
    assert second.problem == "it is no JSON object"


def test_a_table_that_is_written_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n2\n")
    table = Growing(str(path))
    assert len(table.look().rows) == 2
    path.write_text("x\n9\n")
    found = table.look()
    assert (found.anew, [row.cells["x"] for row in found.rows]) == (True, ["9"])
    path.unlink()
    with pytest.raises(DataError, match="is gone"):
        table.look()


def test_lines_of_another_length_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n1\n1,2,3\n")
    problems = [row.problem for row in Growing(str(tmp_path / "a.csv")).look().rows]
    assert problems == ["", "it has 1 cells, the first line 2", "it has 3 cells, the first line 2"]


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no table"):
        Growing(str(tmp_path / "none.csv")).look()
    (tmp_path / "wide.csv").write_bytes("x\n1\n".encode("utf-16"))
    with pytest.raises(DataError, match="not text in UTF-8"):
        Growing(str(tmp_path / "wide.csv")).look()


def test_it_ends_when_nothing_has_come_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n")
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        if clock[0] == 1.0:
            with path.open("a") as file:
                file.write("2\n")

    looks = growing(Growing(str(path)), idle=2.0, every=0.5, now=lambda: clock[0], sleep=sleep)
    assert [row.cells["x"] for look in looks for row in look.rows] == ["1", "2"]
    assert clock[0] == 3.0


KNOWN = Columns((Column(name="x"),), (Column(name="x"),))


def test_steps_of_several_series_go_on_where_each_was(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("series,time,x\na,1,1\nb,1,5\na,2,2\n")
    table, series = Growing(str(path)), GrowingSeries(KNOWN, {})
    first = [new for new in series.add(table, table.look().rows) if isinstance(new, NewSteps)]
    assert [(new.series, new.lines, new.values[0].tolist()) for new in first] == [
        ("a", (2, 4), [1, 2]),
        ("b", (3,), [5]),
    ]
    with path.open("a") as file:
        file.write("a,2,7\na,3,3?\na,3,3\n")
    late, odd, more = series.add(table, table.look().rows)
    assert not isinstance(late, NewSteps)
    assert not isinstance(odd, NewSteps)
    assert late.problem == "its time is not after that of line 4"
    assert "'3?'" in odd.problem
    assert isinstance(more, NewSteps)
    assert (more.values[0].tolist(), more.first, more.numbers) == ([1, 2, 3], 2, (3,))


def test_a_line_without_an_end_is_told_and_not_answered(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x\n1\n2")

    def says(new: NewSteps) -> list[tuple[str, dict[str, object]]]:
        return [(f"{value:g}", {}) for value in new.values[0, new.first :].tolist()]

    found: list[Line] = list(answered_lines(str(path), KNOWN, {}, says, idle=0.0))
    assert [(one.name, one.told, bool(one.problem)) for one in found] == [("line 2", "1", False), ("line 3", "", True)]
    path.write_text("y\n1\n")
    with pytest.raises(DataError, match="no column 'x'"):
        list(answered_lines(str(path), KNOWN, {}, says, idle=0.0))
