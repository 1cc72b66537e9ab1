"""Strange steps by a net whose drop-out stays on, over a window: its error and how far its passes lie apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import hubel
from anomalies.test_steps import ODD, rhythm, rhythms, written
from hubel.anomalies.mc_dropout import PASSES, judge_dropout, opened
from hubel.anomalies.step_artefact import load_steps
from hubel.anomalies.step_graph import StepScore, generated_series
from hubel.anomalies.step_results import StepAnomalies
from hubel.anomalies.steps import STEP_METHODS, checked_steps
from hubel.deploy.onnx import apart
from hubel.errors import DataError, UsageError
from hubel.metrics.surprise import METHODS
from hubel.verbs.streaming import stream


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rhythms(tmp_path_factory.mktemp("dropout"))


@pytest.fixture(scope="module")
def found(place: Path) -> StepAnomalies:
    said = hubel.anomaly(
        place / "normal.csv", place / "mixed.csv", columns={"time": "hour"}, method="dropout", out=place / "detector",
        epochs=90, time=120.0, device="cpu", verbose=False,
    )  # fmt: skip
    assert isinstance(said, StepAnomalies)
    return said


def test_pauses_of_a_rhythm_are_found_and_a_window_is_strange_behind_them(found: StepAnomalies) -> None:
    assert [one.method for one in found.methods] == ["dropout", "pca", "knn"]
    assert found.first.auroc > 0.85
    assert found.first.caught > 0.8
    scores = found.judged[0].first
    window = found.detector.window
    assert np.isnan(scores[: 2 * window - 1]).all()
    assert np.isfinite(scores[2 * window - 1 :]).all()
    assert found.detector.held == 270 - (2 * window - 1)
    behind = [start + 6 + step for start in ODD for step in range(window - 2)]
    assert np.mean(scores[behind] > 1) > 0.5


def test_scores_are_those_of_passes_made_one_by_one(found: StepAnomalies) -> None:
    detector, window = found.detector, found.detector.window
    values = rhythm(60, 3).T.astype(np.float32)
    values[0, 30:33] = np.nan
    scaled = detector.columns.scaled(values[None])[0]
    series = np.where(scaled[detector.places] == 0, np.nan, scaled[detector.places]).T.astype(np.float64)
    state, net = detector.dropout, opened(detector.dropout, len(scaled), 2)
    said = []
    for one in range(PASSES):
        with torch.no_grad():
            states = net.reader(torch.from_numpy(scaled.T[None]))[0][0] * net.kept[0, one]
            said.append(net.head(net.dense(states).clamp(min=0) * net.kept[1, one]).double().numpy())
    wanted = []
    for step in range(2 * window - 1, 60):
        parts = []
        for then in range(step - window + 1, step + 1):
            for column in np.flatnonzero(np.isfinite(series[then])):
                told = np.array([one[then - 1, column] for one in said])
                error = (told.mean() - series[then, column]) / state["error"][column]
                parts.append((error**2 + (told.std() / state["spread"][column]) ** 2) / 2)
        wanted.append(np.sqrt(np.mean(parts)) / state["limit"][0])
    scores = judge_dropout(state, scaled, detector.places, window, "cpu")
    np.testing.assert_allclose(scores[2 * window - 1 :], wanted, rtol=1e-6)
    assert np.mean([one.std() for one in np.stack(said, axis=-1).reshape(-1, PASSES)]) > 0


def test_what_was_dropped_is_kept_so_that_the_same_steps_get_the_same_scores(
    found: StepAnomalies, place: Path
) -> None:  # fmt: skip
    again = hubel.predict(found.folder, place / "mixed.csv", device="cpu")
    np.testing.assert_array_equal(again[0].first, found.judged[0].first)  # type: ignore[union-attr]
    lines = list(stream(found.folder, place / "mixed.csv", idle=0.0, device="cpu"))
    np.testing.assert_allclose([one.said["score"] or np.nan for one in lines], found.judged[0].first, rtol=1e-4)
    assert {"mean", "drifting"} <= set(lines[-1].said)
    kept = load_steps(found.folder).dropout["net.kept"]
    assert set(np.unique(kept).tolist()) == {0.0, 1.25}
    assert 0.7 < (kept > 0).mean() < 0.9


def test_its_file_gives_its_scores_at_any_length(found: StepAnomalies, tmp_path: Path) -> None:
    words = ["export", found.folder, "--out", str(tmp_path / "d.onnx"), "--json"]
    done = subprocess.run([sys.executable, "-m", "hubel", *words], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["difference"] < 1e-5
    assert told["takes"].startswith("steps: T x 2 float32, T from 16 on")
    session = onnxruntime.InferenceSession(tmp_path / "d.onnx")
    for series in [*generated_series(found.detector), rhythm(16, 0), rhythm(300, 1, ODD)]:
        steps = series.astype(np.float32)
        ours = found.detector.judge(steps.T)["dropout"]
        assert apart(session.run(None, {"steps": steps})[0], ours) < 1e-5
        with torch.no_grad():
            assert apart(StepScore(found.detector).eval()(torch.from_numpy(steps)).numpy(), ours) < 1e-5


def test_it_is_learnt_where_it_is_named_and_refused_where_nothing_follows(place: Path) -> None:
    assert checked_steps([], "series", 8) == METHODS
    assert checked_steps(["all"], "series", 8) == tuple(STEP_METHODS) == (*METHODS, "dropout")
    with pytest.raises(UsageError, match="'dropout' needs steps that follow one another"):
        checked_steps(["dropout"], "rows", 1)
    with pytest.raises(DataError, match="in series of at least 60"):
        hubel.anomaly(
            written(place / "short.csv", rhythm(80, 0)), columns={"time": "hour"}, method="dropout", window=30,
            out=place / "none", verbose=False,
        )  # fmt: skip
