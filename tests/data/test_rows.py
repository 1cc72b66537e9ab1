"""Tables whose rows are samples: numbers and words in, a class or a number to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

import hubel
from hubel.data.columns import Columns
from hubel.data.rows import read_rows
from hubel.data.sources import open_source
from hubel.errors import DataError, UsageError
from hubel.verbs.streaming import stream

QUICK = {"threads": 1, "device": "cpu", "verbose": False}


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Iris as people have it: a table, here with a column of words and a number that is not known."""
    bunch = load_iris()
    lines = ["sepal length,sepal width,petal length,petal width,size,species"]
    for values, label in zip(bunch.data, bunch.target, strict=True):
        size = "large" if values[0] > 5.8 else "small"
        lines.append(",".join([*(f"{value}" for value in values), size, str(bunch.target_names[label])]))
    lines[5] = lines[5].replace("3.6", "NA", 1)
    path = tmp_path_factory.mktemp("flowers") / "flowers.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def flowers_run(flowers: Path, tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """A perceptron that knows the species."""
    return hubel.train(
        flowers, epochs=30, out=str(tmp_path_factory.mktemp("runs")), val_fraction=0.15, test_fraction=0.2, **QUICK
    )


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prices that follow from size, age and place."""
    draw = np.random.default_rng(0)
    lines = ["size,age,place,price"]
    for _ in range(240):
        size, age, place = draw.uniform(40, 200), draw.integers(0, 90), draw.choice(["old town", "rim"])
        price = 2_500 * size - 900 * age + 60_000 * (place == "old town") + draw.normal(0, 8_000)
        lines.append(f"{size:.1f},{age},{place},{price:.2f}")
    path = tmp_path_factory.mktemp("houses") / "houses.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_steps_of_one_series_are_neither_known_by_its_name_nor_parted(tmp_path: Path) -> None:
    lines = [
        "series,time,load,label",
        *(f"m{row // 20},{row % 20},{row % 7},{'ab'[row // 20 % 2]}" for row in range(400)),
    ]
    (tmp_path / "machines.csv").write_text("\n".join(lines) + "\n")
    found = open_source(tmp_path / "machines.csv")
    assert [column.name for column in found.columns.columns] == ["time", "load"]
    assert list(found.groups[:21]) == ["m0"] * 20 + ["m1"]
    assert ["--task sequence" in problem.reason for problem in found.problems] == [True]
    as_it_is = open_source(tmp_path / "machines.csv", columns={"group": ""})
    assert [column.name for column in as_it_is.columns.columns] == ["series", "time", "load"]
    assert as_it_is.groups is None
    assert not as_it_is.problems


def test_rows_are_points_with_a_class(flowers: Path) -> None:
    found = open_source(flowers)
    assert found.kind == "points"
    assert found.class_names == ("setosa", "versicolor", "virginica")
    assert found.columns is not None
    assert found.columns.features == [
        "sepal length", "sepal width", "petal length", "petal width", "size=large", "size=small",
    ]  # fmt: skip
    assert found.arrays is not None
    assert found.arrays.shape == (150, 6)
    assert np.isnan(found.arrays).sum() == 1


def test_species_are_learnt_and_new_rows_read_as_the_first_were(flowers_run: hubel.Run, flowers: Path) -> None:
    found = flowers_run.evaluate()
    assert found.top1 >= 0.85
    whole = flowers_run.predict(flowers)
    assert len(whole) == 150
    assert (
        np.mean([p.label == n for p, n in zip(whole, load_iris().target_names[load_iris().target], strict=True)]) > 0.9
    )
    (typed,) = flowers_run.predict("5.1,3.5,1.4,0.2,small")
    assert typed.label == "setosa"
    assert typed.probabilities == pytest.approx(whole[0].probabilities, abs=1e-6)
    (mapped,) = flowers_run.predict({"size": "small", "petal width": 0.2, "petal length": 1.4, "sepal length": 5.1})
    assert mapped.label == "setosa"
    other = flowers_run.evaluate(flowers)
    assert other.samples == 150
    assert other.top1 > 0.85


def test_a_price_is_told_in_its_own_units(houses: Path, tmp_path: Path) -> None:
    run = hubel.train(houses, columns={"target": "price"}, epochs=60, out=str(tmp_path), test_fraction=0.2, **QUICK)
    found = run.evaluate()
    assert found.r2 > 0.9
    assert 4_000 < found.rmse < 60_000
    (first,) = run.predict("120,30,rim")
    assert first.value == pytest.approx(2_500 * 120 - 900 * 30, rel=0.2)
    again = run.evaluate(houses)
    assert again.samples == 240
    assert again.r2 > 0.9


@pytest.mark.slow
def test_a_table_is_gone_on_with_to_the_same_bits(flowers: Path, tmp_path: Path) -> None:
    whole = hubel.train(flowers, epochs=4, schedule="constant", out=str(tmp_path / "a"), **QUICK)
    half = hubel.train(flowers, epochs=2, schedule="constant", out=str(tmp_path / "b"), **QUICK)
    hubel.train(resume=half.folder, epochs=4)
    assert half.history["train_loss"] == whole.history["train_loss"]


def test_simple_methods_take_the_same_table(flowers: Path) -> None:
    found = hubel.baseline(flowers, learners=["logistic"], verbose=False)
    assert "logistic" in str(found)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["a,b", "1,2", "3,4"], "has no column 'file', 'label' or 'target'; it has a, b"),
        (["label,split", "x,train", "y,test"], "has no column for the net to see"),
        (["a,label", "1,x", "2,x"], "at least 2 classes are needed"),
        (["a,label", "1,x", "2,y", "3,x", "4z,y"], "holds numbers, but 1 cell that is none: '4z' in line 5"),
        (["scan,label", *(f"p{k},x" for k in range(9)), "q,y"], "the column 'scan' holds 10 different words"),
        (["a,target", "1,x", "2,"], "no row of 2 rows can be used"),
        (["a,b,a,label", "1,2,3,x", "4,5,6,y"], "has 2 columns called 'a', number 1, 3"),
        (["a,w,label", "1,u,x", '2,"u,y', "3,v,x", "4,v,y"], "that opens in line 3 is never closed"),
        (["a,label", "1,x", "2,y", "3,x", "1e300,y"], "1 cell that is none: '1e300' in line 5"),
        (["a,w,label", "1,u,x", "1,u,y"], "no column of .* says different things in different rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(lines: list[str], words: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=words):
        open_source(tmp_path / "t.csv")


def test_rows_that_cannot_be_used_and_words_that_stand_alone_are_named(tmp_path: Path) -> None:
    lines = ["a,w,label", "1,red,x", "2,red,y", "3,rde,x", "4,blue,", "5,red,y", "6,blue,x", "7,blue,y"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    found = open_source(tmp_path / "t.csv")
    assert [(p.path, p.left_out) for p in found.problems] == [("line 5", True), ("rde", False)]
    assert found.name(3) == "line 6"


def test_a_column_that_says_the_same_in_every_row_is_not_seen_and_named(tmp_path: Path) -> None:
    lines = ["a,site,dose,none,label", "1,A,5,,x", "2,A,5,,y", "3,A,5,,x", "4,A,,,y"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    found = open_source(tmp_path / "t.csv")
    assert found.columns is not None
    assert found.columns.features == ["a"]
    assert [p.path for p in found.problems] == ["site", "dose", "none"]


@pytest.mark.parametrize(
    ("size", "nought"), [(1e-12, 0.0), (1e30, 0.0), (1.0, 1.7e9)], ids=["picofarads", "large", "seconds since 1970"]
)
def test_the_size_of_its_numbers_hides_no_column_from_the_net(size: float, nought: float, tmp_path: Path) -> None:
    draws = np.random.default_rng(0).normal(size=60)
    cells = [f"{nought + size * draw:.17g}" for draw in draws]
    (tmp_path / "t.csv").write_text("a,label\n" + "\n".join(f"{cell},{k % 2}" for k, cell in enumerate(cells)) + "\n")
    found = open_source(tmp_path / "t.csv")
    assert found.columns is not None
    assert found.arrays is not None
    known = found.columns.measured(found.arrays)
    wanted = (draws - draws.mean()) / draws.std()
    assert known.scaled(found.arrays)[:, 0] == pytest.approx(wanted, abs=1e-3)
    assert known.scaled(read_rows(cells[:1], known)[1])[0, 0] == pytest.approx(wanted[0], abs=1e-3)


def test_what_is_no_row_of_the_net_is_refused(flowers_run: hubel.Run, flowers: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes rows of 5 cells, got 2"):
        flowers_run.predict("1,2")
    with pytest.raises(UsageError, match="size must be one of large, small, got 'huge'"):
        flowers_run.predict("5.1,3.5,1.4,0.2,huge")
    with pytest.raises(UsageError, match="sepal width must be a number, got 'x'"):
        flowers_run.predict("5.1,x,1.4,0.2,small")
    (tmp_path / "less.csv").write_text("sepal length,size\n1,small\n")
    with pytest.raises(DataError, match="has no column 'sepal width', which the net was trained on"):
        flowers_run.predict(tmp_path / "less.csv")
    (tmp_path / "odd.csv").write_text(
        "sepal length,sepal width,petal length,petal width,size\n1,2,3,4,small\n1,x,3,4,small\n"
    )
    with pytest.raises(DataError, match=r"'x' in line 3 of .* is no number, and the column 'sepal width' held numbers"):
        flowers_run.predict(tmp_path / "odd.csv")
    with pytest.raises(UsageError, match="--follow-links has no meaning for a table whose rows are samples"):
        open_source(flowers, follow_links=True)
    with pytest.raises(UsageError, match="a column of such a table is one of"):
        open_source(flowers, columns={"lable": "species"})


def test_mappings_and_lists_of_cells_are_rows() -> None:
    known = Columns.from_dict({
        "columns": [{"name": "a", "words": [], "mean": 0.0, "std": 1.0},
                    {"name": "w", "words": ["u", "v"], "mean": 0.0, "std": 1.0}], "answers": [],
    })  # fmt: skip
    for given in ("1,v", [1, "v"], {"w": "v", "a": 1}, ["1,v"]):
        names, values = read_rows(given, known)
        assert names == ("row 1",)
        assert values.tolist() == [[1, 0, 1]]


def test_rows_are_answered_as_a_table_grows(flowers_run: hubel.Run, flowers: Path, tmp_path: Path) -> None:
    head, *rows = flowers.read_text().splitlines()
    new = tmp_path / "new.csv"
    new.write_text("\n".join([head, rows[0], rows[149], "5.1,3.5,wide,0.2,small,setosa"]) + "\n")
    odd, *found = stream(flowers_run.folder, new, idle=0.0, device="cpu")
    assert "'wide' in the column 'petal length' is no number" in odd.problem
    whole = flowers_run.predict([rows[0].rsplit(",", 1)[0], rows[149].rsplit(",", 1)[0]])
    assert [one.said["label"] for one in found] == [one.label for one in whole]
    assert [one.said["probability"] for one in found] == pytest.approx([one.probability for one in whole])
