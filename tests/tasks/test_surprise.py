"""Strange steps of a series: how far each is from what was foretold, beside simple methods."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import hubel
from hubel.cli import main
from hubel.errors import UsageError
from hubel.evaluation.sequences import SequenceNumbers
from hubel.metrics.surprise import METHODS, RATE, WINDOW, learn_surprise, surprises
from hubel.verbs.streaming import stream

from .conftest import QUICK


def load(count: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    at = np.arange(count)
    return np.stack([10 + 3 * np.sin(0.5 * at), 5 * np.cos(0.5 * at)], axis=1) + 0.2 * draw.normal(size=(count, 2))


def written(path: Path, values: np.ndarray) -> Path:
    lines = [f"{step},{a:.4f},{b:.4f}" for step, (a, b) in enumerate(values)]
    path.write_text("\n".join(["hour,load,heat", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    place = tmp_path_factory.mktemp("load")
    return hubel.train(
        written(place / "load.csv", load(1500)), task="sequence", model="gru", columns={"time": "hour"}, epochs=12,
        lr=0.02, out=str(place), model_options={"units": 12}, val_fraction=0.2, test_fraction=0.2, **QUICK,
    )  # fmt: skip


def test_what_breaks_the_rhythm_is_strange_although_its_size_is_usual(run: hubel.Run, tmp_path: Path) -> None:
    values = load(400, seed=1)
    values[200:206, 0] = 10  # a pause in the middle of its range
    (said,) = run.predict(written(tmp_path / "new.csv", values))
    assert said.steps is not None
    assert set(said.steps) == set(METHODS)
    strange = np.flatnonzero(said.steps["recurrent"] > 1)
    inside = (strange >= 200) & (strange <= 207)
    assert inside.sum() >= 3
    assert (~inside).sum() <= 0.04 * 400
    assert "steps are strange: " in said.told
    assert "pca says" in said.told
    assert said.numbers["strange_steps"] == len(strange)
    assert said.numbers["steps"] == 400


def test_the_stated_share_of_normal_steps_is_called_strange(run: hubel.Run) -> None:
    found = run.evaluate()
    assert isinstance(found, SequenceNumbers)
    assert found.alarms <= 0.05
    assert any(row[0] == "steps called strange" for row in found.rows())


def test_without_what_was_learnt_beside_the_weights_nothing_is_called_strange(run: hubel.Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.folder, tmp_path / "copy"))
    (copy / "weights" / "best.learnt.safetensors").unlink()
    (said,) = hubel.predict(copy, written(tmp_path / "new.csv", load(50)))
    assert said.steps is None
    assert "strange" not in said.told


def test_scores_are_those_of_brute_force() -> None:
    draw = np.random.default_rng(0)
    train = [draw.normal(size=(120, 2)) for _ in range(2)]
    val, told = [draw.normal(size=(150, 2))], [draw.normal(size=(150, 2))]
    known = learn_surprise(train, val, told)
    assert known is not None
    limits = dict(zip(METHODS, known["limits"].tolist(), strict=True))
    found = surprises(known, val[0], told[0])
    step = 77
    error = (told[0][step - 1] - val[0][step]) / known["spread"]
    assert found["recurrent"][step] * limits["recurrent"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    away = val[0][step] - val[0][step - WINDOW : step].mean(0)
    assert found["average"][step] * limits["average"] == pytest.approx(np.sqrt((away**2).mean()), rel=1e-5)
    window = val[0][step - WINDOW + 1 : step + 1].T.reshape(-1)
    apart = np.sort(np.sqrt(np.square(known["bank"] - window).mean(1)))[:5].mean()
    assert found["knn"][step] * limits["knn"] == pytest.approx(apart, rel=1e-4)
    basis = known["directions"]
    rest = (window - known["mean"]) - (window - known["mean"]) @ basis.T @ basis
    assert found["pca"][step] * limits["pca"] == pytest.approx(np.sqrt((rest**2).mean()), rel=1e-4)
    for name in METHODS:
        scores = found[name][np.isfinite(found[name])]
        assert (scores > 1 + 1e-6).sum() <= RATE * (len(scores) + 1)


def test_numbers_that_are_not_known_count_nowhere() -> None:
    draw = np.random.default_rng(0)
    series = [draw.normal(size=(200, 2)) for _ in range(3)]
    known = learn_surprise(series[:1], series[1:2], [np.zeros((200, 2))])
    assert known is not None
    holed = series[2].copy()
    holed[50, 0] = np.nan
    holed[60] = np.nan
    found = surprises(known, holed, np.zeros((200, 2)))
    whole = surprises(known, series[2], np.zeros((200, 2)))
    assert np.isfinite(found["recurrent"][50])
    assert np.isnan(found["recurrent"][60])
    np.testing.assert_allclose(found["recurrent"][61:], whole["recurrent"][61:])
    assert learn_surprise(series[:1], [series[1][:40]], [np.zeros((40, 2))]) is None  # too few for the rate


def test_a_table_in_which_nothing_says_when_is_taken_row_by_row_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = written(tmp_path / "load.csv", load(50))
    with pytest.raises(SystemExit) as left:
        main(["anomaly", str(place), "--out", str(tmp_path / "detector")])
    assert not left.value.code
    assert "--column time=COLUMN" in capsys.readouterr().err


def test_a_table_that_grows_is_told_line_by_line_as_the_whole_one(run: hubel.Run, tmp_path: Path) -> None:
    values = load(120, seed=2)
    values[60:66, 0] = 10
    place = written(tmp_path / "new.csv", values)
    (whole,) = run.predict(place)
    assert whole.steps is not None
    with place.open("a") as file:
        file.write("120,1")  # half a line, which may grow
    lines = list(stream(run.folder, place, idle=0.0, device="cpu"))
    assert [one.said.get("step") for one in lines] == [*range(1, 121), None]
    scores = np.array([np.nan if one.said["score"] is None else one.said["score"] for one in lines[:-1]])
    np.testing.assert_allclose(scores, whole.steps["recurrent"], rtol=1e-3)
    assert lines[-2].told.endswith(whole.told.partition(": ")[2].partition(";")[0])
    assert "no end of line" in lines[-1].problem
    with pytest.raises(UsageError, match="takes lines of a table"):
        stream(run.folder, tmp_path)
