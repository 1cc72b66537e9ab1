"""A run once more: the same bits, or what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError
from hubel.events import EpochDone, Event, StepDone
from hubel.records.control import give
from hubel.store import RunStore
from hubel.verbs.reproduce import reproduce
from hubel.watching import Watcher

SMALL: dict[str, Any] = {"limit": 200, "epochs": 2, "model": "mlp", "device": "cpu", "threads": 1}


def test_a_run_has_the_same_bits_once_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = hubel.train("digits", **SMALL, out=str(tmp_path))
    with pytest.raises(SystemExit, match="0"):
        main(["reproduce", str(run.folder), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["same"]
    assert found["parted"] is None
    assert found["accuracy"][0] == found["accuracy"][1] == run.summary["test"]["accuracy"]
    assert Path(found["again"]).name == "digits-1-again-1"
    assert "has the bits of" in str(reproduce(run.folder, out=tmp_path / "elsewhere"))


class Altering(Watcher):
    def __init__(self, out: Path) -> None:
        self.store = RunStore(out / "digits-1")

    def event(self, event: Event) -> None:
        if isinstance(event, StepDone) and (event.epoch, event.step) == (0, 2):
            give(self.store, "set", settings={"lr": 0.02})
            give(self.store, "set", settings={"weight_decay": 0.2})
        if isinstance(event, EpochDone) and event.epoch == 0:
            give(self.store, "set", settings={"epochs": 3})


def test_what_it_was_altered_by_is_repeated_after_the_same_steps(tmp_path: Path) -> None:
    run = hubel.train("digits", **SMALL, out=str(tmp_path), watch=Altering(tmp_path))
    assert len(json.loads((run.folder / "segments.json").read_text())) == 3
    again = reproduce(run.folder)
    assert again.same, again
    assert len(hubel.Run(again.again).history["epoch"]) == 3


def test_where_it_differs_it_says_from_where_on_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = hubel.train("digits", **SMALL, out=str(tmp_path))
    environment = json.loads((run.folder / "env.json").read_text())
    (run.folder / "env.json").write_text(json.dumps(environment | {"torch": "1.0"}))
    config = (run.folder / "config.yaml").read_text()
    (run.folder / "config.yaml").write_text(config.replace("  seed: 0", "  seed: 5", 1))
    with pytest.raises(SystemExit, match="1"):
        main(["reproduce", str(run.folder)])
    text = capsys.readouterr().out
    assert "from epoch 1 on" in " ".join(text.split())
    assert "torch: 1.0 when it was saved" in " ".join(text.split())


def test_what_has_not_finished_cannot_be_reproduced(tmp_path: Path) -> None:
    run = hubel.train("digits", **SMALL, out=str(tmp_path))
    (run.folder / "summary.json").write_text('{"status": "stopped", "reason": "SIGTERM", "best": {}}')
    with pytest.raises(ArtefactError, match="has not finished"):
        reproduce(run.folder)
