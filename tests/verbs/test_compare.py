"""Runs compared from what their folders keep."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hubel.cli import main
from hubel.errors import ArtefactError
from hubel.evaluation import assess
from hubel.records import side_by_side
from hubel.types import Predictions
from hubel.verbs.compare import page, weigh

LABELS = np.arange(120) % 3


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three finished runs as far as a comparison reads them; the third was tested on other samples."""
    folders = []
    for index, wrong in enumerate((40, 10, 10)):
        answers = np.where(np.arange(120) < wrong, (LABELS + 1) % 3, LABELS)
        ids = np.arange(120) + 1000 * (index == 2)
        result = assess(Predictions(4.0 * np.eye(3)[answers], LABELS, ids), ["a", "b", "c"])
        folder = tmp_path / f"photos-{index + 1}"
        folder.mkdir()
        (folder / "config.yaml").write_text(f"optimizer:\n  lr: 0.{index + 1}\n")
        (folder / "metrics.csv").write_text("epoch,train_loss,val_accuracy\n1,0.5,0.7\n2,0.4,0.8\n")
        (folder / "evaluation.json").write_text(json.dumps(result.to_dict()))
        (folder / "predictions.csv").write_text(result.predictions_csv())
        folders.append(folder)
    return folders


def test_the_better_run_is_found_without_measuring_again(runs: list[Path]) -> None:
    found = weigh(runs)
    assert found.best == "photos-2"
    assert [(t.second, t.wins, t.losses) for t in found.tests] == [("photos-1", 30, 0)]
    assert found.unpaired == ("photos-3",)
    assert "photos-3 was tested on other samples than photos-2" in found.findings[-1]


def test_runs_of_other_splits_are_said_to_be_that(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["compare", str(runs[1]), str(runs[2])])
    assert not end.value.code
    assert "no test is made of it" in capsys.readouterr().out


def test_the_page_of_three_runs_says_how_many_pairs_and_holds_each_against_each(runs: list[Path]) -> None:
    lines = (runs[0] / "predictions.csv").read_text().splitlines(keepends=True)
    assert "Each against each" not in page(runs[:2])
    (runs[2] / "predictions.csv").write_text("".join(lines))
    (runs[2] / "evaluation.json").write_text((runs[0] / "evaluation.json").read_text())
    text = page(runs)
    assert "Each against each" in text
    assert "corrected for the 3 pairs" in text
    assert text.count('<td class="number">+25.00*</td>') == 2


def test_json_holds_the_test_too(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", str(runs[0]), str(runs[1]), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert list(told["runs"]) == ["photos-1", "photos-2"]
    assert told["comparison"]["tests"][0]["wins"] == 30
    assert "photos-2 is better" in told["comparison"]["findings"][0]


def test_many_runs_stand_in_blocks_of_80_columns() -> None:
    names = tuple(f"photographs-of-leaves-{number}" for number in range(6))
    text = str(side_by_side.Comparison(names, (("test accuracy", ("98.00 %",) * 6),)))
    assert max(map(len, text.splitlines())) <= 80
    assert (text.count("98.00 %"), text.count("test accuracy")) == (6, 3)


def test_the_page_holds_results_curves_and_settings(runs: list[Path]) -> None:
    text = page(runs[:2])
    for words in ("photos-2 is better than photos-1", "Validation accuracy", "optimizer.lr", "0.2"):
        assert words in text, words


def test_the_command_prints_the_finding_and_writes_the_page(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["runs", str(runs[0]), str(runs[1]), "--report", str(tmp_path / "compare.html")])
    assert not end.value.code
    assert "photos-2 is better than photos-1" in capsys.readouterr().out
    assert (tmp_path / "compare.html").read_text().startswith("<!doctype html>")


def test_a_run_that_was_not_measured_is_named(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    (runs[0] / "evaluation.json").unlink()
    with pytest.raises(ArtefactError, match="photos-1 was never measured"):
        weigh(runs)
    with pytest.raises(SystemExit) as end:
        main(["runs", str(runs[0]), str(runs[1])])
    assert not end.value.code
    assert "no test of the difference" in capsys.readouterr().out
