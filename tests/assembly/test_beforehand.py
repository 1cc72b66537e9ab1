"""What a net says of new pictures before it learns them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import hubel


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return hubel.train("digits", epochs=4, seed=1, out=str(tmp_path_factory.mktemp("old")), device="cpu", threads=1)


def beforehand(run: hubel.Run) -> dict[str, object]:
    return json.loads((run.folder / "transfer.json").read_text())["beforehand"]


def test_it_is_told_class_by_class_what_the_old_net_calls_the_new_pictures(
    teacher: hubel.Run, picture_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    shutil.copytree(picture_folder, folder)
    (folder / "zero").rename(folder / "0")  # the old net has a word for this one
    options = {"from": str(teacher.folder), "unfreeze": "head", "out": str(tmp_path), "device": "cpu", "threads": 1}
    run = hubel.train(folder, epochs=1, seed=1, **options)
    told = beforehand(run)
    by_name = {row["name"]: row for row in told["classes"]}
    assert set(by_name) == {"0", "one", "two"}
    tested = run.evaluate()
    for k, name in enumerate(tested.class_names):
        paths = [folder / path for path, label in zip(tested.paths, tested.labels, strict=True) if label == k]
        said = [answer.label for answer in teacher.predict(paths)]
        assert by_name[name]["samples"] == len(said)
        assert by_name[name]["called"][0][1] == max(map(said.count, said))
    assert told["of"] == by_name["0"]["samples"]
    assert told["right"] == by_name["0"]["right"] > 0
    page = (run.folder / "report.html").read_text()
    assert "What it would have said by itself" in page
    assert "are called by that very name" in page
    shown = told["shown"]
    assert shown[0]["name"] == "0", "what the old net has the very name for comes first"
    assert {one["name"] for one in shown} == {"0", "one", "two"}
    assert all(one["called"] == by_name[one["name"]]["called"][0][0] for one in shown)
    assert "Its class, and what the old net calls it" in page


def test_a_source_that_is_gone_costs_no_report(teacher: hubel.Run, picture_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "old"
    shutil.copytree(teacher.folder, copy)
    options = {"from": str(copy), "unfreeze": "head", "out": str(tmp_path / "new"), "device": "cpu", "threads": 1}
    run = hubel.train(picture_folder, epochs=1, seed=1, **options)
    (run.folder / "summary.json").unlink()
    store = json.loads((run.folder / "transfer.json").read_text())
    del store["beforehand"]
    (run.folder / "transfer.json").write_text(json.dumps(store))
    shutil.rmtree(copy)
    again = hubel.train(resume=str(run.folder))
    assert beforehand(again) == {}
    assert "What it would have said by itself" not in (again.folder / "report.html").read_text()
