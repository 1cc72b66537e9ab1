"""A run measured by a column of the table it was trained on, and by folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.cli import main
from hubel.errors import HubelError, UsageError
from hubel.records.own_data import own_data
from hubel.verbs.groups import grouped


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """Dark and light pictures by two cameras; a table says which."""
    folder = tmp_path_factory.mktemp("groups")
    draw = np.random.default_rng(0)
    lines = ["file,label,camera,hospital,split"]
    for number in range(200):
        name, camera = ("dark", "light")[number % 2], ("old", "new")[number // 2 % 2]
        place = folder / "photos" / camera / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 60, (28, 28), dtype=np.uint8) + np.uint8(120 * (number % 2))
        Image.fromarray(pixels).save(place)
        part = "train" if number < 60 else "val" if number < 100 else "test"
        lines.append(f"{camera}/{number}.png,{name},{camera},one,{part}")
    (folder / "photos" / "table.csv").write_text("\n".join(lines) + "\n")
    return hubel.train(
        folder / "photos" / "table.csv", model="lenet5", epochs=1, out=str(folder / "runs"), device="cpu", threads=1,
        verbose=False,
    )  # fmt: skip


def test_a_column_of_the_table_groups_the_test_samples(run: hubel.Run) -> None:
    result = run.evaluate()
    found = grouped(run.folder, result, "camera")
    assert sorted((g.name, g.samples) for g in found.groups) == [("new", 50), ("old", 50)]
    assert isinstance(result, hubel.Evaluation)
    assert result.paths is not None
    own = np.array([path.startswith("old/") for path in result.paths])
    old = next(g for g in found.groups if g.name == "old")
    assert old.right == (result.labels == result.predicted)[own].sum()


def test_edits_since_neither_take_a_sample_away_nor_join_the_groups(run: hubel.Run) -> None:
    result, table = run.evaluate(), Path(run.folder).parents[1] / "photos" / "table.csv"
    before = grouped(run.folder, result, "camera").to_dict()
    hubel.edit(table, "exclude", "old/100.png", "new/102.png")
    hubel.edit(table, "group", "new/*.png", "a film")
    assert grouped(run.folder, result, "camera").to_dict() == before
    hubel.edit(table, "undo")
    hubel.edit(table, "undo")


@pytest.mark.parametrize("among", [{"columns": {"ignore": "camera"}}, {"columns": {"group": "camera"}}])
def test_rows_of_a_table_are_grouped_by_a_column_as_files_are(among: dict[str, dict[str, str]], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sites = ("north", "south", "")
    rows = [
        f"{x:.3f},cam{number % 30},{sites[number // 30 % 3]},{'ab'[int(x > 0)]}"
        for number, x in enumerate(rng.normal(size=120))
    ]
    (tmp_path / "t.csv").write_text("\n".join(["x,camera,site,label", *rows]) + "\n")
    quick: dict[str, Any] = {"epochs": 1, "threads": 1, "verbose": False, "out": str(tmp_path / "runs")}
    run = hubel.train(tmp_path / "t.csv", **quick, **among)
    result = run.evaluate()
    assert isinstance(result, hubel.Evaluation)
    assert result.paths is not None
    found = grouped(run.folder, result, "camera")
    own = [rows[int(name.removeprefix("line ")) - 2].split(",")[1] for name in result.paths]
    assert {g.name: g.samples for g in found.groups} == {name: own.count(name) for name in own}
    assert len(found.groups) > 2
    places = grouped(run.folder, result, "site")
    assert {g.name for g in places.groups} == {"north", "south", "(not said)"}
    with pytest.raises(UsageError, match="names the column of the classes"):
        grouped(run.folder, result, "label")


def test_a_run_that_was_grouped_by_one_column_is_measured_by_another(run: hubel.Run) -> None:
    table = Path(run.folder).parents[1] / "photos" / "table.csv"
    quick: dict[str, Any] = {"model": "lenet5", "epochs": 1, "threads": 1, "verbose": False, "out": run.folder.parent}
    other = hubel.train(table, columns={"group": "file"}, **quick)  # each picture a group
    found = grouped(other.folder, other.evaluate(), "camera")
    assert {g.name for g in found.groups} == {"new", "old"}


def test_folders_group_as_well_by_their_number_or_as_they_are(run: hubel.Run) -> None:
    result = run.evaluate()
    by_number, whole = grouped(run.folder, result, "1"), grouped(run.folder, result, "folder")
    assert [g.name for g in by_number.groups] == [g.name for g in whole.groups] == ["new", "old"]


def test_fifths_of_the_pictures_from_dark_to_bright_are_groups_of_every_data_set(run: hubel.Run) -> None:
    result = run.evaluate()
    assert isinstance(result, hubel.Evaluation)
    found = grouped(run.folder, result, "brightness")
    assert sum(g.samples for g in found.groups) == 100
    assert all(abs(g.samples - 20) <= 1 for g in found.groups), "but for pictures that are alike"
    assert [g.name.split()[0] for g in found.groups] == ["lowest", "low", "middle", "high", "highest"]
    shown = str(found).splitlines()
    assert [line[: len(g.name)] for line, g in zip(shown[1:6], found.groups, strict=True)] == [
        g.name for g in found.groups
    ]
    assert max(map(len, shown)) <= 80
    own = own_data(run.folder, hubel.load(run.folder)).decoded.images[result.ids]
    lowest = next(g for g in found.groups if g.name.startswith("lowest "))
    dark = own.reshape(len(own), -1).mean(axis=1).argsort()[: lowest.samples]
    assert lowest.right == (result.labels == result.predicted)[dark].sum()
    assert grouped(run.folder, result, "contrast", pictures=own).by == "contrast"
    table = str(Path(run.folder).parents[1] / "photos" / "table.csv")
    elsewhere = hubel.evaluate(run.folder, table)
    assert sum(g.samples for g in grouped(run.folder, elsewhere, "brightness", table).groups) == elsewhere.samples
    points = hubel.train("iris", epochs=1, out=run.folder.parent, device="cpu", threads=1, verbose=False)
    with pytest.raises(UsageError, match="points have no brightness"):
        grouped(points.folder, points.evaluate(), "brightness")


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("camra", "did you mean --by camera?"),
        ("hospital", "have one hospital: 'one'"),
        ("file", "it tells samples, not groups"),
        ("2", "lies in 1 folder below the data"),
        ("label", "shown one by one already"),
    ],
)
def test_what_does_not_group_is_said(run: hubel.Run, by: str, words: str) -> None:
    with pytest.raises(HubelError) as error:
        grouped(run.folder, run.evaluate(), by)
    assert words in str(error.value)


def test_the_command_prints_groups_and_puts_them_into_json(run: hubel.Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(run.folder), "--by", "camera", "--json"])
    assert not end.value.code
    found = json.loads(capsys.readouterr().out)["groups"]
    assert {group["name"] for group in found["groups"]} == {"old", "new"}
    table = str(Path(run.folder).parents[1] / "photos" / "table.csv")
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(run.folder), table, "--by", "camera"])
    assert not end.value.code
    assert "by camera" in capsys.readouterr().out


def test_data_without_a_table_have_no_columns(tmp_path: Path) -> None:
    digits = hubel.train("digits", limit=60, epochs=1, out=str(tmp_path), device="cpu", threads=1, verbose=False)
    with pytest.raises(UsageError, match="needs data in files"):
        grouped(digits.folder, digits.evaluate("digits"), "camera", "digits")
