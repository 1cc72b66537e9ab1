"""A threshold is fitted on validation, measured on the test, kept with the run, and taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, DataError, UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """Two classes of noise whose levels overlap, one rarer than the other."""
    folder = tmp_path_factory.mktemp("sets")
    random = np.random.default_rng(0)
    for name, count, level in (("healthy", 300, 110), ("sick", 150, 126)):
        (folder / "data" / name).mkdir(parents=True)
        for number in range(count):
            noise = np.clip(level + 14 * random.standard_normal() + 20 * random.standard_normal((8, 8)), 0, 255)
            Image.fromarray(noise.astype(np.uint8)).save(folder / "data" / name / f"{number}.png")
    return hubel.train(
        str(folder / "data"), model="softmax_regression", from_="none", epochs=8, threads=1, val_fraction=0.25,
        test_fraction=0.25, out=str(folder / "runs"),
    )  # fmt: skip


def test_a_wished_recall_is_had_on_validation_and_measured_on_the_test(run: hubel.Run) -> None:
    found = run.threshold(recall=0.95)
    assert (found.positive, found.negative, found.split) == ("sick", "healthy", "test")
    assert found.fitted.recall >= 0.95
    assert found.measured.recall > found.usual.recall
    assert found.measured.precision < found.usual.precision
    assert "95 % interval" in " ".join(str(found).split())
    assert found.to_dict()["fitted"]["recall"] >= 0.95
    assert run.threshold(precision=0.9).value > run.threshold(recall=0.95).value
    other = run.threshold(recall=0.95, positive="healthy")
    assert other.positive == "healthy"


def test_costs_from_a_file_move_the_threshold_to_the_dearer_mistake(run: hubel.Run, tmp_path: Path) -> None:
    table = tmp_path / "costs.csv"
    table.write_text("true,healthy,sick\nhealthy,0,1\nsick,20,0\n")
    missed = run.threshold(cost=table)
    table.write_text("true,healthy,sick\nhealthy,0,20\nsick,1,0\n")
    alarms = run.threshold(cost=table)
    assert missed.value < 0.5 < alarms.value
    assert missed.measured.cost < missed.usual.cost
    assert missed.measured.recall > alarms.measured.recall


def test_a_kept_threshold_is_used_by_predict_and_taken_back(run: hubel.Run, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = sorted((Path(run.recipe["data"]["data"]) / "healthy").glob("*.png"))[:60]
    before = run.predict(pictures)
    with pytest.raises(SystemExit) as end:
        main(["evaluate", str(run.folder), "--recall", "0.99", "--keep"])
    assert end.value.code == 0
    assert "sick is said from a probability of" in " ".join(capsys.readouterr().out.split())
    kept = json.loads((run.folder / "weights" / "best.threshold.json").read_text())
    after = run.predict(pictures)
    assert [answer.probabilities for answer in after] == [answer.probabilities for answer in before]
    said = [answer.probabilities["sick"] >= kept["value"] for answer in after]
    assert [answer.label == "sick" for answer in after] == said
    assert sum(said) > sum(answer.label == "sick" for answer in before)
    sick = next(answer for answer in after if answer.label == "sick" and answer.probabilities["sick"] < 0.5)
    assert sick.probability == sick.probabilities["sick"]
    run.threshold(value=0.5, keep=True)
    assert [answer.label for answer in run.predict(pictures)] == [answer.label for answer in before]


def test_an_exported_file_names_classes_by_the_threshold_that_was_kept(run: hubel.Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pictures = sorted((Path(run.recipe["data"]["data"]) / "healthy").glob("*.png"))[:60]
    run.threshold(recall=0.99, keep=True)
    try:
        file = tmp_path / "net.onnx"
        run.export("onnx", out=file)
        by_run, by_file = run.predict(pictures), hubel.predict(file, pictures)
        assert [answer.label for answer in by_file] == [answer.label for answer in by_run]
        assert any(answer.label == "sick" and answer.probabilities["sick"] < 0.5 for answer in by_file)
        stored = json.loads({entry.key: entry.value for entry in onnx_notes(file)}["hubel"])
        assert stored["threshold"]["positive"] == "sick"
    finally:
        run.threshold(value=0.5, keep=True)


def onnx_notes(file: Path) -> Any:
    """The metadata of an exported file."""
    import onnx

    return onnx.load(str(file)).metadata_props


def test_a_threshold_of_other_weights_is_none_and_a_damaged_one_is_named(run: hubel.Run) -> None:
    file = run.folder / "weights" / "best.threshold.json"
    file.write_text(json.dumps({"format": 1, "weights": "0" * 64, "positive": "sick", "value": 0.2, "wish": ""}))
    assert run.load().threshold is None
    digest = run.load().provenance.sha256
    for wrong in ({"positive": "fox", "value": 0.2}, {"positive": "sick", "value": 7}, {"positive": "sick"}):
        file.write_text(json.dumps({"format": 1, "weights": digest, **wrong}))
        with pytest.raises(ArtefactError, match="is no threshold"):
            run.load()
    file.unlink()


def test_what_cannot_be_is_refused(run: hubel.Run, digits_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this run has 10 classes"):
        hubel.Run(digits_run).threshold(recall=0.9)
    with pytest.raises(UsageError, match="unknown class 'ill'"):
        run.threshold(recall=0.9, positive="ill")
    with pytest.raises(UsageError, match="--recall and --precision"):
        run.threshold(recall=0.9, precision=0.9)
    with pytest.raises(UsageError, match="fitted on the val split"):
        run.threshold(recall=0.9, split="val")
    with pytest.raises(DataError, match="cannot be read: No such file or directory"):
        run.threshold(cost=tmp_path / "none.csv")
    for words in (["--keep"], ["--recall", "0.9", str(tmp_path)], ["--positive", "sick"]):
        with pytest.raises(SystemExit) as end:
            main(["evaluate", str(run.folder), *words])
        assert end.value.code == 2
