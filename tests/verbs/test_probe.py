"""`probe` looks and writes nothing; `train --probe` trains with what was found, and saves the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubel.errors import UsageError
from hubel.recipes.schema import compose, read_file
from hubel.report.drawings.timing import draw_probes
from hubel.verbs.probe import probe
from hubel.verbs.train import train
from hubel.watching import Watcher

SMALL = {"model": "mnist_cnn", "device": "cpu", "limit": 400}


class Heard(Watcher):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def test_probing_gives_numbers_pictures_and_flags_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = probe("digits", steps=40, **SMALL)
    assert found.batch is not None
    assert found.rate is not None
    assert found.batch_size == found.batch.suggestion
    assert set(draw_probes(found)) == {"rate", "batch"}
    facts = json.loads(found.to_json())
    assert facts["rate"]["suggestion"] == found.rate.suggestion
    assert found.flags().startswith(f"--batch-size {found.batch.suggestion}")
    assert list(tmp_path.iterdir()) == []


def test_one_probe_alone_uses_what_the_recipe_says() -> None:
    found = probe("digits", what=["lr"], steps=12, batch_size=20, lr=0.01, **SMALL)
    assert (found.batch, found.batch_size, found.lr) == (None, 20, 0.01)


def test_a_run_trains_with_what_was_measured_and_says_why(tmp_path: Path) -> None:
    watch = Heard()
    run = train("digits", probe="lr,batch-size", epochs=1, out=str(tmp_path), watch=watch, **SMALL)
    saved = compose(read_file(run.folder / "config.yaml"))
    assert saved.train.probe is None, "a resumed or repeated run has the numbers, and does not measure again"
    reasons = json.loads((run.folder / "reasons.json").read_text())
    assert reasons["batch_size"].startswith("measured: ")
    said = " ".join(watch.remarks)
    assert f"batch size {saved.train.batch_size}" in said
    assert f"learning rate {saved.optimizer.lr:g}" in said or "no learning rate was found" in said


def test_what_is_given_cannot_be_probed_too() -> None:
    with pytest.raises(UsageError, match=r"lr is given \(0.1\) and to be probed"):
        train("digits", probe="lr", lr=0.1)
    with pytest.raises(UsageError, match="must be lr, batch_size"):
        train("digits", probe="momentum")
    with pytest.raises(UsageError, match="probes are lr and batch_size"):
        probe("digits", what=["momentum"])
    with pytest.raises(UsageError, match="a data source is needed"):
        probe()
