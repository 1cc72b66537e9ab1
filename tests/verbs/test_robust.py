"""A run on spoilt and moved pictures, alone and beside another."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, DataError, UnknownName, UsageError
from hubel.robustness.beside import RobustComparison, lay_beside
from hubel.robustness.corruptions import corrupt
from hubel.robustness.measuring import Robustness, as_cell
from hubel.watching import Watcher


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[hubel.Run]:
    folder = str(tmp_path_factory.mktemp("robust"))
    known = {"out": folder, "device": "cpu", "threads": 1, "verbose": False, "seed": 1}
    return [hubel.train("digits", epochs=epochs, **known) for epochs in (3, 1)]


class Listening(Watcher):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def test_accuracies_are_those_of_the_spoilt_pictures(runs: list[hubel.Run]) -> None:
    found = runs[0].robust(corruptions=["noise", "fog"], severities=(1, 5), shifts=2, limit=60)
    assert len(found.ids) == 60
    assert found.available == 180
    assert found.corruptions == ("gaussian-noise", "shot-noise", "impulse-noise", "speckle-noise", "fog")
    cell = found.of("fog")[1]
    pictures = np.uint8(np.round(load_digits().images[found.ids] * 255 / 16))[:, None]
    answers = runs[0].predict_proba(list(corrupt(pictures, found.ids, "fog", 5)[:, 0]))
    assert np.abs(answers.max(axis=1) - cell.confidence).max() < 1e-4
    assert (answers.argmax(axis=1) == cell.predicted).all()
    assert found.corrupted == pytest.approx(np.mean([c.accuracy for c in found.cells]))
    assert found.interval[0] < found.corrupted < found.interval[1]
    assert [curve.at for curve in found.curves[:2]] == [(0, 1, 2), (0, 1, 2)]
    assert found.curves[0].accuracy[0] == found.clean.accuracy


def test_the_pictures_as_they_are_get_the_accuracy_of_evaluate(runs: list[hubel.Run]) -> None:
    found = runs[0].robust(corruptions=["none"], shifts=1)
    assert found.clean.accuracy == pytest.approx(runs[0].evaluate().top1)
    assert found.clean.ece == pytest.approx(runs[0].evaluate().calibration.ece, abs=1e-6)
    assert not found.cells


def test_two_runs_are_laid_beside_each_other_on_the_same_pictures(runs: list[hubel.Run]) -> None:
    found = hubel.robust([run.folder for run in runs], corruptions=["contrast", "jpeg"], shifts=0)
    assert isinstance(found, RobustComparison)
    first, second = found.runs
    assert (first.ids == second.ids).all()
    clean, together, contrast, _ = found.beside[0]
    assert clean.difference == pytest.approx(second.clean.accuracy - first.clean.accuracy)
    assert together.difference == pytest.approx(second.corrupted - first.corrupted)
    assert contrast.error_ratio == pytest.approx((1 - second.accuracy("contrast")) / (1 - first.accuracy("contrast")))
    assert together.interval[0] <= together.difference <= together.interval[1]
    assert f"{runs[1].folder.name} against {runs[0].folder.name}" in found.sentences[0]


def test_differences_that_may_be_luck_are_called_so() -> None:
    labels = np.zeros(40, np.int64)
    answers = np.eye(2)[np.arange(40) % 2]

    def run(name: str, logits: np.ndarray) -> Robustness:
        clean = as_cell("", 0, logits, labels)
        cell = replace(clean, corruption="fog", severity=1)
        return Robustness(
            run=name, split="test", ids=np.arange(40), shape=(1, 8, 8), seed=0, clean=clean, cells=(cell,)
        )

    same, better = run("a", answers), run("b", answers * 0 + [1.0, 0])
    assert "+0.0 points on pictures as they are" in lay_beside([same, run("c", answers)]).sentences[0]
    assert "may be luck" in lay_beside([same, run("c", np.roll(answers, 1, axis=0))]).sentences[0]
    found = lay_beside([same, better])
    assert "may be luck" not in found.sentences[0]
    assert found.mean_error_ratio(1) == 0
    assert np.isnan(lay_beside([better, same]).mean_error_ratio(1))


def test_a_limit_takes_pictures_evenly_and_says_so(runs: list[hubel.Run]) -> None:
    heard = Listening()
    found = hubel.robust(runs[0].folder, corruptions=["jpeg"], severities=[1], shifts=8, limit=9, watch=heard)
    assert isinstance(found, Robustness)
    every = hubel.robust(runs[0].folder, corruptions=["jpeg"], severities=[1], shifts=0)
    assert isinstance(every, Robustness)
    assert found.ids.tolist() == every.ids[::20].tolist()
    assert any("9 of 180 test pictures, evenly taken" in text for text in heard.remarks)
    assert any("up to 4 pixels, half their side, and not by 8" in text for text in heard.remarks)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"corruptions": ["fogg"]}, UnknownName, "did you mean 'fog'"),
        ({"corruptions": ["saturate"]}, UsageError, "these pictures are grey"),
        ({"severities": [6]}, UsageError, "from 1 to 5, got 6"),
        ({"severities": []}, UsageError, "got none"),
        ({"shifts": -1}, UsageError, "got -1"),
        ({"limit": 0}, UsageError, "got 0"),
        ({"split": "tset"}, UnknownName, "did you mean 'test'"),
        ({"corruptions": ["none"], "shifts": 0}, UsageError, "nothing is asked for"),
    ],
)
def test_what_cannot_be_measured_is_said(
    runs: list[hubel.Run], settings: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as found:
        hubel.robust(runs[0].folder, **settings)  # type: ignore[arg-type]
    assert words in str(found.value)


def test_runs_that_share_no_pictures_are_not_compared(runs: list[hubel.Run], tmp_path: Path) -> None:
    for number in range(40):
        place = tmp_path / "photos" / ("dark", "light")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 5 * number, np.uint8)).save(place)
    known = {"epochs": 1, "out": str(tmp_path), "device": "cpu", "threads": 1, "verbose": False}
    other = hubel.train(tmp_path / "photos", model="lenet5", img_size=28, **known)
    with pytest.raises(UsageError, match="has other classes than"):
        hubel.robust([runs[0].folder, other.folder], corruptions=["jpeg"])
    points = hubel.train("iris", **known)
    with pytest.raises(ArtefactError, match="learnt from points"):
        hubel.robust(points.folder)
    untested = hubel.train("digits", limit=100, test_fraction=0.0, **known)
    with pytest.raises(DataError, match="no samples in the test split"):
        hubel.robust(untested.folder)
    assert isinstance(hubel.robust(untested.folder, split="val", corruptions=["jpeg"], shifts=0), Robustness)


def test_the_command_prints_json_and_writes_a_page(
    runs: list[hubel.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--corruptions", "fog,blur", "--severities", "1,5", "--shifts", "2", "--limit", "20"]
    with pytest.raises(SystemExit) as end:
        main(["robust", *map(str, (run.folder for run in runs)), *words, "--json", "--out", str(tmp_path / "r.html")])
    assert not end.value.code
    said = json.loads(capsys.readouterr().out)
    assert [run["samples"] for run in said["runs"]] == [20, 20]
    page = (tmp_path / "r.html").read_text()
    assert "data:image/png" in page
    assert "error ratio" in page
    assert "Lost to" in page
    assert "mirrored border" in page
    with pytest.raises(SystemExit) as end:
        main(["robust", str(runs[0].folder), *words])
    assert not end.value.code
    out = capsys.readouterr().out
    assert "as they are" in out
    assert max(map(len, out.splitlines())) <= 80
    for wrong in (["robust"], ["robust", "--list", "runs/a"], ["robust", str(runs[0].folder), "--severities", "high"]):
        with pytest.raises(SystemExit) as end:
            main(wrong)
        assert end.value.code == 2
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["robust", "--list"])
    assert "gaussian-noise" in capsys.readouterr().out
