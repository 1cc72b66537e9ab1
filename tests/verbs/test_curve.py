"""Learning curves as a user asks for them: stopped and gone on with, doubted where nothing can be told, shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, UsageError
from hubel.events import EpochDone
from hubel.watching import Watcher

QUICK: dict[str, Any] = {"epochs": 1, "model": "softmax_regression", "threads": 1, "verbose": False}


class Dies(Watcher):
    """Breaks off after so many epochs."""

    def __init__(self, after: int) -> None:
        self.left = after

    def event(self, event: object) -> None:
        self.left -= isinstance(event, EpochDone)
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_curve_that_was_stopped_goes_on_and_is_shown_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        hubel.curve("digits", seeds=2, out=str(tmp_path), watch=Dies(3), **QUICK)
    folder = tmp_path / "digits-curve-1"
    found = hubel.curve(folder, threads=1)
    assert found.sizes == (179, 358, 718, 1437)
    assert all(len(values) == 2 for values in found.accuracies)
    assert found == hubel.curve(folder)
    assert json.loads((folder / "curve.json").read_text())["now"] == pytest.approx(found.now)
    assert "Class by class" in (folder / "curve.html").read_text() or found.doubts
    with pytest.raises(ArtefactError, match="learning curve"):
        hubel.predict(folder, np.zeros((8, 8)))
    with pytest.raises(UsageError, match="epochs cannot be changed"):
        hubel.curve(folder, epochs=3)
    with pytest.raises(SystemExit) as end:
        main(["curve", str(folder), "--json", "--page", str(tmp_path / "page.html")])
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out)["sizes"] == [179, 358, 718, 1437]
    assert (tmp_path / "page.html").is_file()
    parts = [json.loads(path.read_text()) for path in sorted(folder.glob("part-*/split.json"))]
    assert len({tuple(part["test"]) for part in parts}) == 1
    assert set(parts[0]["train"]) != set(parts[1]["train"])


def test_twenty_pictures_are_not_even_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("oak", "elm"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(10):
            levels = np.random.default_rng(number + len(name) * ord(name[0])).integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(levels).save(tmp_path / "data" / name / f"{number}.png")
    found = hubel.curve(str(tmp_path / "data"), out=str(tmp_path / "runs"), **QUICK)
    assert "cannot be told" in found.sentence
    assert len(found.doubts) == 2
    assert not (tmp_path / "runs").exists()
    with pytest.raises(SystemExit) as end:
        main(["curve", str(tmp_path / "data"), "--out", str(tmp_path / "runs"), "--page", str(tmp_path / "page.html")])
    assert end.value.code == 0
    assert "cannot be told" in capsys.readouterr().out
    assert "cannot be told" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seeds": 1}, "seeds must be from 2 to 20"),
        ({"limit": 100}, "chooses the parts"),
        ({"train_fraction": 0.5}, "chooses the parts"),
        ({"fold": "1/3"}, "one of a series"),
    ],
)
def test_what_a_curve_cannot_be_is_refused(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words):
        hubel.curve("digits", out=str(tmp_path / "runs"), **QUICK, **settings)
    assert not (tmp_path / "runs").exists()


def test_a_series_of_folds_is_no_curve(tmp_path: Path) -> None:
    folder = tmp_path / "digits-folds-1"
    folder.mkdir()
    plan = {"format": 1, "kind": "folds", "recipe": {"data": "digits"}, "members": [{"fold": "1/2"}, {"fold": "2/2"}]}
    (folder / "series.json").write_text(json.dumps(plan))
    with pytest.raises(UsageError, match="series over folds"):
        hubel.curve(folder)
    (folder / "series.json").write_text("{}")
    with pytest.raises(ArtefactError, match="no plan of a series"):
        hubel.curve(folder)
