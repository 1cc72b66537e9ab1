"""Two processes that train one net: with common statistics they make the net that one process makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from torch import nn

import hubel
import hubel.assembly.together as module
from hubel.recipes.schema import compose
from hubel.watching import Watcher

SETTINGS = {
    "model": "quicknet", "model_options": {"width": 0.15}, "epochs": 2, "limit": 320, "batch_size": 64, "device": "cpu",
    "threads": 1, "optimizer": "sgd", "lr": 0.05, "augment": "none",
}  # fmt: skip


def torchrun(out: Path, processes: int, **settings: object) -> subprocess.CompletedProcess[str]:
    """hubel.train in several processes, as torchrun starts them."""
    script = out / "script.py"
    out.mkdir()
    arguments = {**SETTINGS, "out": str(out), **settings}
    script.write_text(f"import hubel\nhubel.train('digits', **{arguments!r})\n")
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", str(script)],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def weights(out: Path) -> dict[str, np.ndarray]:
    return load_file(out / "digits-1" / "weights" / "last.safetensors")


def apart(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(one[name] - two[name]).max()) for name in one if one[name].dtype.kind == "f")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "two"
    done = torchrun(out, 2, sync_bn=True)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return out


def test_two_processes_with_common_statistics_make_the_net_that_one_makes(together: Path, tmp_path: Path) -> None:
    hubel.train("digits", **SETTINGS, out=str(tmp_path / "one"))
    assert apart(weights(tmp_path / "one"), weights(together)) < 1e-5


@pytest.mark.slow
def test_two_processes_learn_from_a_teacher_as_one_does(together: Path, tmp_path: Path) -> None:
    taught = {"teacher": str(together / "digits-1"), "teacher_weight": 1.0, "seed": 1}
    done = torchrun(tmp_path / "two", 2, sync_bn=True, **taught)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("of 320 training samples right") <= 1
    hubel.train("digits", **SETTINGS, **taught, out=str(tmp_path / "one"))
    assert apart(weights(tmp_path / "one"), weights(tmp_path / "two")) < 1e-5


@pytest.mark.slow
def test_with_statistics_of_their_own_they_make_another(together: Path, tmp_path: Path) -> None:
    done = torchrun(tmp_path / "own", 2)
    assert done.returncode == 0, done.stderr
    assert apart(weights(tmp_path / "own"), weights(together)) > 1e-3


def test_each_process_has_a_log(together: Path) -> None:
    for rank in (0, 1):
        lines = (together / "digits-1" / "logs" / f"rank-{rank}.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        assert [event["event"] for event in events] == ["start", "epoch", "epoch", "finished"]
        assert (events[0]["rank"], events[0]["processes"]) == (rank, 2)
        assert events[1]["own_images_per_second"] > 0
    assert any("2 processes" in note for note in hubel.Run(together / "digits-1").summary["energy"]["notes"])


def test_few_samples_a_process_are_remarked_upon_and_a_net_without_batch_norm_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Heard(Watcher):
        def __init__(self) -> None:
            self.words: list[str] = []

        def remark(self, text: str) -> None:
            self.words.append(text)

    monkeypatch.setattr(module, "world", lambda: 4)
    with_norm, without = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), nn.Linear(2, 3)
    for net, samples, remarks in ((with_norm, 32, 1), (with_norm, 64, 0), (without, 32, 0)):
        watch = Heard()
        module.agree(compose({"data": "digits"}), net, samples, watch)
        assert len(watch.words) == remarks
        assert all("--sync-bn takes it from all 32" in word for word in watch.words)


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_out_is_refused_with_one_that_can(tmp_path: Path) -> None:
    done = torchrun(tmp_path / "odd", 2, sync_bn=True, batch_size=63)
    assert done.returncode != 0
    assert "a batch of 63 cannot be shared out" in done.stderr
    assert "--batch-size 62" in done.stderr


@pytest.mark.slow
def test_a_signal_to_all_stops_between_two_steps_and_the_run_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    arguments = {**SETTINGS, "out": str(tmp_path), "epochs": 12, "limit": 1000, "sync_bn": True}
    script.write_text(f"import hubel\nhubel.train('digits', resume='auto', **{arguments!r})\n")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    log, until = tmp_path / "digits-1" / "metrics.csv", time.monotonic() + 200
    while not (log.exists() and len(log.read_text().splitlines()) > 2) and time.monotonic() < until:
        time.sleep(0.05)
    first.terminate()
    first.communicate(timeout=120)
    summary = json.loads((tmp_path / "digits-1" / "summary.json").read_text())
    assert (summary["status"], summary["reason"]) == ("stopped", "SIGTERM")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    run = hubel.Run(tmp_path / "digits-1")
    assert run.status == "finished"
    assert run.history["epoch"] == list(range(1, 13))
    assert not (tmp_path / "digits-2").exists()
