"""Going on with a run and saying something beside it: taken up and written down, or refused; never without effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.numpy import load_file

import hubel
import hubel.verbs.conclude
from hubel.errors import UsageError
from hubel.store import RunStore
from hubel.verbs.train import train
from hubel.watching import Watcher
from trainers import Brief, Enough

SETTINGS: dict[str, Any] = {"model": "mlp", "epochs": 2, "limit": 200, "batch_size": 50, "threads": 1, "device": "cpu"}


class Notes(Watcher):
    """Keeps what is remarked."""

    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        """Keep it."""
        self.remarks.append(text)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return hubel.train("digits", **SETTINGS, out=str(tmp_path)).folder


def rates(run: Path) -> list[float]:
    return hubel.Run(run).history["lr"]


def test_a_finished_run_is_lengthened_and_the_segment_is_written_down(run: Path) -> None:
    notes = Notes()
    longer = train(resume=run, epochs=5, lr=0.001, watch=notes)
    assert (longer.status, longer.history["epoch"]) == ("finished", [1, 2, 3, 4, 5])
    segments = json.loads((run / "segments.json").read_text())
    assert [(part["epoch"], part["step"]) for part in segments] == [(2, 8)]
    assert segments[0]["changed"]["epochs"] == [2, 5]
    assert segments[0]["changed"]["lr"][1] == 0.001
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["train"]["epochs"], config["optimizer"]["lr"]) == (5, 0.001)
    assert max(rates(run)[2:]) <= 0.001 < max(rates(run)[:2])
    assert any("epochs 2 → 5" in note for note in notes.remarks)
    assert "said when it went on after epoch 2" in (run / "report.html").read_text()


def test_a_run_lengthened_in_two_sittings_has_the_bits_of_one(run: Path, tmp_path: Path) -> None:
    other = hubel.train("digits", **SETTINGS, out=str(tmp_path / "other")).folder
    train(resume=run, epochs=5)
    with pytest.raises(Enough):
        train(resume=other, epochs=5, save_every=0.001, watch=Brief(5))
    assert hubel.Run(other).status != "finished", "while it is lengthened it can be resumed"
    train(resume=other)
    one, two = (load_file(folder / "weights" / "last.safetensors") for folder in (run, other))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 1}, "nothing would be left to train: epoch 2 is done\n  --epochs 3 at least"),
        ({"lr": 0.5}, "nothing would be left to train"),
        ({"model": "mnist_cnn"}, "keeps the model"),
        ({"data": "moons"}, "keeps the data"),
    ],
    ids=["epochs", "lr", "model", "data"],
)
def test_what_would_have_no_effect_is_refused_and_leaves_the_run_as_it_was(
    given: dict[str, Any], message: str, run: Path
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=message):
        train(resume=run, **given)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_finished_run_with_nothing_new_stays_finished(run: Path) -> None:
    notes = Notes()
    assert train("digits", resume=run, epochs=2, watch=notes).status == "finished"
    assert any("nothing to resume" in note for note in notes.remarks)
    assert not (run / "segments.json").exists()


def test_a_report_that_fails_costs_no_run_and_is_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("Failed to process string with tex because latex could not be found")

    notes = Notes()
    with monkeypatch.context() as patch:
        patch.setattr(hubel.verbs.conclude, "figures", broken)
        run = train("digits", **SETTINGS, out=str(tmp_path), watch=notes)
    assert run.status == "finished"
    assert run.summary["test"]["accuracy"] > 0
    assert not run.report.exists()
    assert any("latex could not be found; the run is whole, and hubel train --resume" in note for note in notes.remarks)
    before = (run.folder / "weights" / "best.safetensors").read_bytes()
    again = train(resume=run.folder)
    assert again.report.exists()
    assert again.summary["test"] == run.summary["test"]
    assert (run.folder / "weights" / "best.safetensors").read_bytes() == before


def test_auto_goes_on_with_the_same_recipe_only(tmp_path: Path) -> None:
    with pytest.raises(Enough):
        train("digits", **SETTINGS, out=str(tmp_path), save_every=0.001, watch=Brief(3))
    notes = Notes()
    other = train("digits", **SETTINGS | {"lr": 0.3}, out=str(tmp_path), resume="auto", watch=notes)
    assert other.name == "digits-2"
    assert any("digits-1 differs in lr" in note for note in notes.remarks)
    same = train("digits", **SETTINGS, out=str(tmp_path), resume="auto")
    assert (same.name, same.status) == ("digits-1", "finished")
    assert not RunStore(same.folder).exists("segments.json")
