"""A run on points answers numbers as a run on pictures answers pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hubel
from hubel.cli import main
from hubel.deploy.points import classify_points, measure_plane, read_points
from hubel.errors import DataError, UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return hubel.train("moons", epochs=6, out=str(tmp_path_factory.mktemp("points")))


def test_a_point_is_answered_from_text_list_array_and_table(run: hubel.Run, tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("x,y\n0.5,-1\n-0.5,1\n")
    answers = {
        "text": hubel.predict(run, "0.5,-1"),
        "list": hubel.predict(run, [0.5, -1]),
        "array": hubel.predict(run, np.array([[0.5, -1.0]])),
        "table": hubel.predict(run, str(table)),
    }
    expected = torch.softmax(hubel.load(run.folder).look()(torch.tensor([[0.5, -1.0]])), 1)[0].tolist()
    for kind, found in answers.items():
        assert list(found[0].probabilities.values()) == pytest.approx(expected, abs=1e-6), kind
    assert [p.name for p in answers["table"]] == ["points.csv:2", "points.csv:3"]


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ("1,2,3", UsageError, "takes points of 2 numbers, got 3"),
        ("a,b", UsageError, "a point is a row of numbers, got 'a,b'"),
        ("nan,1", UsageError, "finite numbers"),
        (np.zeros((2, 2, 2)), UsageError, "points must be F or N F"),
        ([], UsageError, "no point was given"),
        ("none.csv", DataError, "there is no table"),
    ],
    ids=["columns", "words", "nan", "shape", "none", "gone"],
)
def test_what_is_no_point_is_refused_in_words(given: object, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        read_points(given, 2)


def test_a_line_of_a_table_that_is_no_row_of_numbers_is_named(tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text("1,2\n3,x\n")
    with pytest.raises(DataError, match=r"line 2 of .*bad.csv is no row of numbers: '3,x'"):
        read_points(str(table), 2)


def test_the_plane_holds_the_answers_of_the_net_itself(run: hubel.Run) -> None:
    classifier = hubel.load(run.folder)
    found = measure_plane(classifier, np.array([[-1.0, -1.0], [1.0, 1.0]]), side=5)
    corner = classify_points(classifier, np.array([[found.across[-1], found.up[0]]])).probabilities[0]
    assert found.shares[0, -1] == pytest.approx(corner, abs=1e-6)


def test_the_boundary_of_a_table_is_drawn_in_its_own_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    rows = [f"{400 + 50 * k + 10 * draw.normal():.1f},{0.001 * draw.normal():.5f},{('low', 'high')[k % 2]}"
            for k in (0, 1) for _ in range(30)]  # fmt: skip
    (tmp_path / "wells.csv").write_text("\n".join(["depth,leak,label", *rows]) + "\n")
    run = hubel.train(tmp_path / "wells.csv", epochs=2, out=str(tmp_path), threads=1, device="cpu", verbose=False)
    from hubel.verbs import boundary as verb

    seen: dict[str, Any] = {}
    monkeypatch.setattr(verb, "draw_plane", lambda *given, **named: seen.update(named, given=given))
    verb.boundary(run.folder)
    plane, points, *_ = seen["given"]
    assert seen["axes"] == ("depth", "leak")
    assert 340 < plane.across[0] < points[:, 0].min() < 430 < points[:, 0].max() < plane.across[-1] < 510
    assert -0.01 < plane.up[0] < 0 < plane.up[-1] < 0.01


def test_points_have_a_boundary_a_map_and_a_landscape(
    run: hubel.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(run.folder)
    for arguments in (
        ["predict", folder, "0.5,-1", "--boundary", str(tmp_path / "boundary.svg")],
        ["embed", folder, "--method", "pca", "--out", str(tmp_path / "map.svg")],
        ["landscape", folder, "moons", "--points", "5", "--limit", "32", "--out", str(tmp_path / "land.svg")],
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0, capsys.readouterr().err
    assert "point 1" in capsys.readouterr().out
    assert all((tmp_path / name).stat().st_size > 2000 for name in ("boundary.svg", "map.svg", "land.svg"))
