"""`hubel baseline`, and the row in the report of a training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.classical.beside import Beside
from hubel.classical.results import Baseline
from hubel.cli import main
from hubel.verbs.baseline import write_page
from hubel.verbs.train import train
from hubel.watching import Watcher


def test_simple_methods_get_the_parts_that_a_training_takes(digits_run: Path) -> None:
    alone, beside = (hubel.baseline(data, learners=["knn"], features=["pixels"]) for data in ("digits", digits_run))
    assert isinstance(alone, Baseline)
    assert isinstance(beside, Beside)
    assert beside.net == digits_run.name
    assert beside.simple.test.ids.tolist() == hubel.Run(digits_run).evaluate().ids.tolist()
    assert "deep" not in str(alone)
    page = write_page(beside)
    assert "nearest neighbours" in page
    assert beside.paired.samples == len(beside.simple.test.ids)


def test_points_and_iris_are_measured_too() -> None:
    found = hubel.baseline("iris", learners=["svm", "knn"])
    assert isinstance(found, Baseline)
    assert found.chosen.features == "numbers"
    assert found.chosen.score > 0.9


def test_the_report_says_what_a_simple_method_gets(tmp_path: Path) -> None:
    settings = {"limit": 200, "epochs": 1, "threads": 1, "device": "cpu", "out": str(tmp_path)}
    quiet = hubel.train("moons", **settings)
    assert "baseline" not in quiet.summary
    assert "Is deep learning needed here" not in quiet.report.read_text()
    asked = hubel.train("moons", baseline=True, **settings)
    found = asked.summary["baseline"]
    assert found["verdict"] in ("yes", "no", "not known")
    assert found["simple"]["samples"] == {"train": 200, "val": 100, "test": 100}
    assert "Is deep learning needed here" in asked.report.read_text()
    assert "simple   " in str(asked)


def test_a_training_that_cannot_be_held_beside_a_simple_method_says_so(tmp_path: Path) -> None:
    remarks: list[str] = []

    class Kept(Watcher):
        def remark(self, text: str) -> None:
            remarks.append(text)

    table = tmp_path / "prices.csv"
    table.write_text("size,target\n" + "\n".join(f"{k},{2 * k}.5" for k in range(40)) + "\n")
    settings = {"epochs": 1, "threads": 1, "device": "cpu", "out": str(tmp_path / "runs")}
    train(str(table), baseline=True, watch=Kept(), **settings)
    assert any(f"hubel baseline {table}" in text for text in remarks), remarks


def test_the_command_prints_json_and_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("dark", 40), ("bright", 190)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(30):
            picture = rng.integers(0, 60, (12, 12, 3)) + level
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "photos" / name / f"{number}.png")
    with pytest.raises(SystemExit) as end:
        main(["baseline", str(tmp_path / "photos"), "--learners", "knn", "--json", "--out", str(tmp_path / "b.html")])
    assert end.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test"]["top1"] == 1.0
    assert {one["features"] for one in found["tried"]} == {"hog", "pixels", "colours"}
    assert "<!doctype html>" in (tmp_path / "b.html").read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["digits", "--time", "soon"], 2, "must be a duration"),
        (["digits", "--learners", "knm"], 2, "did you mean 'knn'"),
        (["nowhere"], 2, "no source is called 'nowhere'"),
        (["digits", "--test-fraction", "0", "--learners", "knn"], 3, "no test part"),
    ],
)
def test_bad_words_are_explained(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["baseline", *words])
    assert end.value.code == code
    assert said in capsys.readouterr().err
