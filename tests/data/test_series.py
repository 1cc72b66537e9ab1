"""Tables of rows in time: which column is what, unequal lengths, gaps, pieces; and columns as numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hubel.data.columns import Columns, read_columns
from hubel.data.manifest import Manifest
from hubel.data.series import open_series, read_series
from hubel.data.sources import open_source
from hubel.errors import DataError, UsageError


def opened(folder: Path, *rows: str, **settings: object) -> Manifest:
    path = folder / "rows.csv"
    path.write_text("\n".join(rows) + "\n")
    return open_series(path, **settings)  # type: ignore[arg-type]


TWO = ("series,time,x,label", "b,2,20,no", "a,1,1,yes", "a,0,0,yes", "a,2,2,yes", "b,1,10,no")


def test_rows_stand_in_the_order_of_time_and_short_series_are_filled_up(tmp_path: Path) -> None:
    found = opened(tmp_path, *TWO)
    assert found.titles == ("b", "a")
    assert found.arrays is not None
    assert found.arrays.tolist() == [[[10, 20, np.inf]], [[0, 1, 2]]]
    assert found.class_names == ("no", "yes")
    assert found.labels.tolist() == [0, 1]
    assert found.targets is not None
    np.testing.assert_array_equal(found.targets[..., 0], [[np.nan, 0, np.nan], [np.nan, np.nan, 1]])
    assert found.groups is not None


def test_dates_are_times_and_other_columns_may_be_named(tmp_path: Path) -> None:
    found = opened(
        tmp_path, "pump;at;x;junk;y", "1;2024-05-01 00:00;1;q;3", "1;2024-05-01 01:00;2;r;4", "2;2024-05-02;5;s;6",
        "2;2024-05-01;6;t;7", columns={"series": "pump", "time": "at", "target": "y", "ignore": "junk"},
    )  # fmt: skip
    assert found.columns is not None
    assert found.columns.features == ["x"]
    assert [column.name for column in found.columns.answers] == ["y"]
    assert found.targets is not None
    assert found.targets[..., 0].tolist() == [[3, 4], [7, 6]]
    assert found.class_names == ()


def test_without_label_and_target_the_next_step_is_asked(tmp_path: Path) -> None:
    found = opened(tmp_path, "series,x,word", "a,1,u", "a,2,v", "a,3,u", "b,4,v", "b,5,v")
    assert found.targets is not None
    np.testing.assert_array_equal(found.targets[..., 0], [[2, 3, np.nan], [5, np.nan, np.nan]])
    assert found.columns is not None
    assert [column.name for column in found.columns.answers] == ["x"]
    assert found.columns.features == ["x", "word=u", "word=v"]


def test_labels_that_change_are_asked_wherever_they_are_known(tmp_path: Path) -> None:
    found = opened(tmp_path, "series,x,label", "a,1,on", "a,2,?", "a,3,off", "b,4,on", "b,5,on")
    assert found.targets is not None
    np.testing.assert_array_equal(found.targets[..., 0], [[1, np.nan, 0], [1, 1, np.nan]])


def test_gaps_in_time_are_named(tmp_path: Path) -> None:
    lost = {"a": (3, 4), "b": (3,)}
    rows = [f"{series},{time},1" for series in "ab" for time in range(12) if time not in lost[series]]
    found = opened(tmp_path, "series,time,x", *rows)
    gaps = [problem for problem in found.problems if problem.kind == "gap"]
    assert [(gap.path, gap.left_out) for gap in gaps] == [("a", False), ("b", False)]
    assert "between lines 4 and 5 about 2 steps of time are missing" in gaps[0].reason
    uneven = opened(tmp_path, "series,time,x", *(f"{s},{t},1" for s in "ab" for t in (0, 1, 9, 10, 30, 31)))
    (told,) = [problem for problem in uneven.problems if problem.kind == "gap"]
    assert "steps of time are uneven" in told.reason


def test_one_long_series_is_cut_and_no_piece_spans_a_gap(tmp_path: Path) -> None:
    times = [t for t in range(330) if not 100 <= t < 110]
    found = opened(tmp_path, "time,x", *(f"{t},{t}" for t in times), test=0.2)
    assert found.arrays is not None
    lengths = np.isfinite(found.arrays[:, 0]).sum(1)
    assert lengths.min() >= 2
    for row, length in zip(found.arrays[:, 0], lengths, strict=True):
        assert (np.diff(row[:length]) == 1).all()
    parts = found.given_split.tolist()
    assert parts == sorted(parts, key=["train", "val", "test"].index)
    assert abs(parts.count("test") / len(parts) - 0.2) < 0.05
    assert found.groups is None


def test_long_series_among_several_are_cut_and_their_pieces_stay_together(tmp_path: Path) -> None:
    rows = [f"{series},{t},{'hot' if series == 'a' else 'cold'}" for series in "ab" for t in range(1100)]
    found = opened(tmp_path, "series,x,label", *rows)
    assert found.arrays is not None
    assert found.arrays.shape[2] <= 1.5 * 512
    assert found.groups is not None
    assert found.groups.tolist() == ["a", "a", "b", "b"]
    assert len(set(found.titles or ())) == 4


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (("series,time,x", "a,0,1", "a,0,2", "b,1,2"), "lines 2 and 3 are of one series .a. and one time"),
        (("series,time,x", "a,soon,1"), "line 2: the time 'soon' is neither a number nor a date"),
        (("series,label", "a,yes"), "has no column for the net to see"),
        (("series,x,label", "a,1,yes", "b,1,yes"), "at least 2 classes are needed"),
        (("series,x,target", "a,1,high", "b,1,2"), "holds 'high', which is no number"),
        (("series,word", "a,u", "a,v", "b,u"), "neither a label nor a target"),
        (("series,x,label", "a,1,yes", "a,2,no", "b,1,"), "holds 1 usable series"),
        (
            ("series,x", *(f"a,{k}" for k in range(9)), "a,1o"),
            "holds numbers, but 1 cell that is none: '1o' in line 11",
        ),
        (("series,x", *(f"a,name{k}" for k in range(99))), "99 different words"),
        (("series,split,x", "a,tomorrow,1", "b,train,2"), "the split 'tomorrow' is none of"),
        (
            ("series,split,x", "a,train,1", "a,test,2", "b,train,2"),
            "line 3: the series a is in two parts, train and test",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said(rows: tuple[str, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        opened(tmp_path, *rows)


def test_columns_that_are_not_there_are_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no column 'tim'; it has series, time, x, label") as refused:
        opened(tmp_path, *TWO, columns={"time": "tim"})
    assert "did you mean time?" in str(refused.value.hint)
    with pytest.raises(UsageError, match="there is no table"):
        open_series(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text("time,x\n0,1\n1,2\n")
    with pytest.raises(DataError, match="has no column 'file'") as told:
        open_source(tmp_path / "t.csv")
    assert "--task sequence" in told.value.hint


def test_new_rows_are_read_by_the_columns_that_are_known(tmp_path: Path) -> None:
    found = opened(tmp_path, "series,time,x,word", "a,0,1,u", "a,1,2,v", "b,0,3,u", "b,1,5,u")
    assert found.columns is not None
    assert found.arrays is not None
    known = found.columns.measured(found.arrays, found.targets)
    (tmp_path / "new.csv").write_text("time,word,x,series\n1,v,,c\n0,w,3,c\n")
    names, values = read_series(tmp_path / "new.csv", known)
    assert names == ("c",)
    np.testing.assert_array_equal(values[0], [[3, np.nan], [0, 0], [0, 1]])
    scaled = known.scaled(values)
    mean, std = np.mean([1, 2, 3, 5]), np.std([1, 2, 3, 5])
    np.testing.assert_allclose(scaled[0], [[(3 - mean) / std, 0], [0, 0], [0, 1], [1, 1]], rtol=1e-6)


def test_columns_are_plain_data_and_back() -> None:
    rows = [{"x": "1", "w": "u"}, {"x": "NA", "w": "v"}, {"x": "3", "w": ""}]
    known = Columns(read_columns(["x", "w"], rows), read_columns(["x"], rows))
    known = known.measured(known.encode(rows), known.encode(rows)[:, None, :1])
    assert Columns.from_dict(known.to_dict()) == known
    np.testing.assert_allclose(known.told(known.scaled_targets(np.array([[7.0]]))), [[7.0]])


def test_a_label_that_changes_in_one_series_of_many_is_named_before_it_turns_the_question(tmp_path: Path) -> None:
    rows = [f"{series},{step % 2},{('ok', 'worn')[series % 2]}" for series in range(20) for step in range(3)]
    asked_once = opened(tmp_path, "series,x,label", *rows)
    assert asked_once.problems == ()
    rows[4] = rows[4].replace("worn", "wron")
    told = {problem.path: problem.reason for problem in opened(tmp_path, "series,x,label", *rows).problems}
    assert told["wron"] == "occurs once, and 'worn' 10 times: a typing error?"
    assert told["1"].startswith("its label changes ('wron' in line 6), as in 1 of 20 series only")


@pytest.mark.parametrize(("first", "named"), [("hour", "hour"), ("step", ""), ("noise", "")])
def test_a_column_that_rises_from_row_to_row_may_say_when(first: str, named: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=80)
    found = opened(tmp_path, f"{first},x", *(f"{x[-k] if first == 'noise' else 3 * k},{x[k]}" for k in range(80)))
    told = [problem.path for problem in found.problems if "--column time=" in problem.reason]
    assert told == [named] * bool(named)
