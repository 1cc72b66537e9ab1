"""Strange steps of series, signals and rows: what is learnt from normal ones alone, kept, and asked again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import hubel
from hubel.anomalies.step_artefact import load_steps
from hubel.anomalies.step_data import read_steps
from hubel.anomalies.step_graph import StepScore, generated_series
from hubel.anomalies.step_results import JudgedSteps, StepAnomalies
from hubel.cli import main
from hubel.deploy.onnx import apart
from hubel.errors import ArtefactError, DataError, UnknownName, UsageError
from hubel.metrics.surprise import METHODS
from hubel.verbs.export_detector import export_detector
from hubel.verbs.streaming import stream

ODD = range(60, 300, 60)


def rhythm(count: int, seed: int, odd: range = range(0)) -> np.ndarray:
    """T 2: a rhythm with noise, that pauses for six steps at each of `odd`, in the middle of its range."""
    at = np.arange(count)
    found = np.stack([10 + 3 * np.sin(0.5 * at), 5 * np.cos(0.5 * at)], axis=1)
    found += 0.2 * np.random.default_rng(seed).normal(size=found.shape)
    for start in odd:
        found[start : start + 6, 0] = 10
    return found


def written(path: Path, values: np.ndarray, odd: range | None = None) -> Path:
    head = "hour,load,heat" + ("" if odd is None else ",label")
    inside = {start + k for start in odd or () for k in range(6)}
    words = ["" if odd is None else ",pause" if step in inside else ",ok" for step in range(len(values))]
    lines = [f"{step},{a:.4f},{b:.4f}{word}" for step, ((a, b), word) in enumerate(zip(values, words, strict=True))]
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def rhythms(folder: Path) -> Path:
    """A rhythm to learn from, normal.csv, and one with pauses, mixed.csv."""
    written(folder / "normal.csv", rhythm(900, 0))
    written(folder / "mixed.csv", rhythm(300, 1, ODD), ODD)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rhythms(tmp_path_factory.mktemp("steps"))


@pytest.fixture(scope="module")
def found(place: Path) -> StepAnomalies:
    said = hubel.anomaly(
        place / "normal.csv", place / "mixed.csv", columns={"time": "hour"}, out=place / "detector", epochs=90,
        time=120.0, device="cpu", verbose=False,
    )  # fmt: skip
    assert isinstance(said, StepAnomalies)
    return said


def test_pauses_of_a_rhythm_are_found_by_the_net_and_by_windows(found: StepAnomalies) -> None:
    assert [one.method for one in found.methods] == ["recurrent", "pca", "knn", "average"]
    assert found.first.auroc > 0.9
    assert found.methods[1].auroc > 0.9
    assert found.methods[3].auroc < 0.7  # the rhythm itself is far from its mean
    assert found.first.false < 0.06
    assert found.detector.rate == 0.01
    assert found.detector.held == 262
    said = "\n".join(found.lines())
    assert 10 < found.detector.worth < 262
    assert found.detector.interval[0] < 0.01 < found.detector.interval[1]
    assert "Of normal steps about 1 % pass the threshold (95 % interval " in said
    assert "by 262 that were held out" in " ".join(said.split())
    assert max(map(len, said.splitlines())) <= 80


def test_a_detector_that_was_kept_says_the_same_step_by_step(found: StepAnomalies, place: Path) -> None:
    again = hubel.predict(found.folder, place / "mixed.csv", device="cpu")
    assert isinstance(again, JudgedSteps)
    np.testing.assert_array_equal(again[0].first, found.judged[0].first)
    text = (Path(found.folder) / "scores.csv").read_text()
    assert again.to_csv() == text
    assert text.splitlines()[0] == "series,step,line,strange,score_recurrent,score_pca,score_knn,score_average"
    assert "mixed" in (Path(found.folder) / "anomaly.html").read_text()


def test_a_table_that_grows_gets_the_answers_of_the_whole_one(found: StepAnomalies, place: Path) -> None:
    whole = hubel.predict(found.folder, place / "mixed.csv", device="cpu")[0]
    lines = list(stream(found.folder, place / "mixed.csv", idle=0.0, device="cpu"))
    assert [one.said["line"] for one in lines] == list(whole.lines)
    np.testing.assert_allclose([one.said["score"] or np.nan for one in lines], whole.first, rtol=1e-4)
    assert sum(one.said.get("strange", False) for one in lines) == int(whole.strange.sum())


def test_a_pause_that_nobody_may_foretell_is_no_alarm_at_the_very_beginning(found: StepAnomalies) -> None:
    assert np.isnan(found.judged[0].first[: found.detector.window]).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_score_as_one_net_is_that_of_the_detector_at_any_length(
    method: str, found: StepAnomalies, place: Path
) -> None:
    detector = replace(found.detector, methods=(method,))
    for series in [*generated_series(detector), rhythm(9, 0), rhythm(300, 1, ODD)]:
        plain = torch.from_numpy(series.astype(np.float32))
        with torch.no_grad():
            scores = StepScore(detector).eval()(plain).numpy()
        assert apart(scores, detector.judge(plain.numpy().T)[method]) < 1e-5


def test_a_detector_of_steps_is_exported_and_its_file_scores_as_it_does(
    found: StepAnomalies, place: Path, tmp_path: Path
) -> None:
    told = export_detector(found.folder, tmp_path / "rhythm.onnx", verbose=False)
    assert told.difference < 1e-5
    assert told.takes.startswith("steps: T x 2 float32, T from 9 on")
    session = onnxruntime.InferenceSession(tmp_path / "rhythm.onnx")
    said = session.get_modelmeta().custom_metadata_map
    assert (said["method"], json.loads(said["features"]), said["threshold"]) == ("recurrent", ["load", "heat"], "1")
    steps = read_steps(str(place / "mixed.csv"), columns={"time": "hour"}).values[0]
    (scores,) = session.run(None, {"steps": steps.T})
    assert apart(scores, found.judged[0].first) < 1e-5


def test_rows_that_do_not_follow_one_another_are_judged_by_themselves(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = [
        f"{a:.3f},{2 * a + b:.3f},red" for a, b in zip(draw.normal(5, 1, 400), draw.normal(0, 0.1, 400), strict=True)
    ]
    (tmp_path / "parts.csv").write_text("\n".join(["length,width,colour", *rows]) + "\n")
    (tmp_path / "new.csv").write_text("length,width,colour\n5,10,red\n5,13,red\n4,8.05,red\n")
    found = hubel.anomaly(tmp_path / "parts.csv", tmp_path / "new.csv", out=tmp_path / "d", device="cpu", verbose=False)
    assert isinstance(found, StepAnomalies)
    assert [one.method for one in found.methods] == ["knn", "pca"]
    assert found.judged[0].strange.tolist() == [False, True, False]
    assert all(score[1] > 1 for score in found.judged[0].scores.values())
    assert "1 of 3 rows is strange" in found.sentences[0]
    with pytest.raises(UsageError, match="each row is taken by itself"):
        hubel.anomaly(tmp_path / "parts.csv", method="average", out=tmp_path / "e", verbose=False)


def test_signals_in_folders_are_told_by_their_strangest_step(tmp_path: Path) -> None:
    for kind, count, odd in (("good", 24, range(0)), ("test/good", 6, range(0)), ("test/worn", 6, range(40, 41))):
        (tmp_path / kind).mkdir(parents=True)
        for k in range(count):
            np.save(tmp_path / kind / f"{k}.npy", rhythm(80, hash((count, k, len(odd))) % 9973, odd).T)
    (tmp_path / "test" / "worn" / "bad.npy").write_bytes(b"no numbers")
    found = hubel.anomaly(
        tmp_path / "good", tmp_path / "test", method="pca", out=tmp_path / "d", device="cpu", verbose=False
    )
    assert isinstance(found, StepAnomalies)
    assert found.first.auroc > 0.9
    assert [problem.path.rpartition("/")[2] for problem in found.judged.problems] == ["bad.npy"]
    (tmp_path / "arrive").mkdir()
    np.save(tmp_path / "arrive" / "1.npy", rhythm(80, 5, range(40, 41)).T)
    (tmp_path / "arrive" / "2.npy").write_bytes(b"no numbers")
    answers = {Path(one.name).name: one for one in stream(found.folder, tmp_path / "arrive", idle=0.6, device="cpu")}
    assert answers["1.npy"].said["worst"] > 1
    assert "NumPy" in answers["2.npy"].problem


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "padim"}, "padim"),
        ({"features": "pixels"}, "--features is for pictures"),
        ({"window": 0}, "at least one step"),
        ({"false_alarms": 2.0}, "between 0 and 1"),
        ({"columns": {"lable": "heat"}}, "did you mean label"),
    ],
)
def test_what_cannot_be_is_refused_by_name(place: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises((UsageError, UnknownName), match=message):
        hubel.anomaly(place / "normal.csv", out=place / "none", verbose=False, **settings)  # type: ignore[arg-type]
    assert not (place / "none").exists()


def test_strange_steps_among_the_normal_ones_are_named_by_their_line(place: Path) -> None:
    with pytest.raises(DataError, match=r"mixed.csv calls 24 lines strange; first: line 62"):
        hubel.anomaly(place / "mixed.csv", columns={"time": "hour"}, verbose=False, out=place / "none")
    with pytest.raises(DataError, match="at least 40 normal steps"):
        hubel.anomaly(written(place / "short.csv", rhythm(20, 0)), columns={"time": "hour"}, verbose=False)


def test_a_detector_that_was_changed_is_not_believed(found: StepAnomalies, place: Path, tmp_path: Path) -> None:
    for name in ("detector.json", "detector.safetensors"):
        (tmp_path / name).write_bytes((Path(found.folder) / name).read_bytes())
    assert load_steps(tmp_path).rate == 0.01
    said = json.loads((tmp_path / "detector.json").read_text())
    (tmp_path / "detector.json").write_text(json.dumps(said | {"rate": 0.5}))
    with pytest.raises(ArtefactError):
        load_steps(tmp_path)


def test_what_a_detector_of_steps_is_asked_wrongly_says_the_way_out(
    found: StepAnomalies, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, code, said in (
        (["predict", found.folder, str(place / "mixed.csv")], 0, "strange: "),
        (["predict", found.folder, str(place / "nothing.csv")], 3, "there is no file"),
        (["predict", found.folder, "--stream", str(place)], 2, "takes lines of a table"),
        (["export", found.folder, "--to", "page"], 2, "--to has no meaning for a detector"),
        (["anomaly", str(place / "normal.csv"), "--img-size", "32"], 2, "--img-size is for pictures"),
        (["anomaly", "--list"], 0, "net that foretells"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        heard = capsys.readouterr()
        assert (stop.value.code or 0, said in heard.out + heard.err) == (code, True), heard


def test_labels_of_steps_say_what_is_normal(place: Path) -> None:
    steps = read_steps(str(place / "mixed.csv"), columns={"time": "hour"})
    assert np.flatnonzero(steps.truth[0] == 1).tolist() == [start + k for start in ODD for k in range(6)]
    assert steps.columns.features == ["load", "heat"]
