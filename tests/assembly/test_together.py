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


ORDERING = """
import json, sys, threading, hubel
from hubel.events import StepDone
from hubel.records.control import give
from hubel.runtime import rank
from hubel.store import RunStore
from hubel.watching import Watcher

class Ordering(Watcher):
    def __init__(self, out):
        self.store, self.given = RunStore(f"{out}/digits-1"), set()
    def event(self, event):
        if not isinstance(event, StepDone) or rank():
            return
        step = event.epoch * event.steps + event.step
        for at, command, more in json.loads(sys.argv[1]):
            if step == at and at not in self.given:
                self.given.add(at)
                give(self.store, command, **more)
                if command == "pause":  # for longer than a sign of life: the others hear several
                    threading.Timer(1.3, lambda: give(self.store, "step", steps=2)).start()
                    threading.Timer(2.0, lambda: give(self.store, "resume")).start()
"""
"""A watcher that gives the orders of the first argument, (step, command, more) each, in the first process."""


def ordered(out: Path, orders: list[tuple[int, str, dict[str, object]]], **settings: object) -> tuple[int, str]:
    """hubel.train in two processes, which gets these orders: exit code and errors."""
    out.mkdir()
    arguments = {**SETTINGS, "epochs": 6, "out": str(out), **settings}
    (out / "script.py").write_text(
        f"{ORDERING}\nhubel.train('digits', watch=Ordering({str(out)!r}), **{arguments!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(out / "script.py"),
         json.dumps(orders)],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return done.returncode, done.stderr


def told(out: Path) -> list[dict[str, object]]:
    log = (out / "digits-1" / "control.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, log) if "answer" in line]


@pytest.mark.slow
def test_two_processes_pause_step_and_go_on_to_the_same_bits(tmp_path: Path) -> None:
    code, errors = ordered(tmp_path / "asked", [(3, "pause", {}), (20, "save", {})])
    assert code == 0, errors
    assert ordered(tmp_path / "plain", [])[0] == 0
    assert apart(weights(tmp_path / "asked"), weights(tmp_path / "plain")) == 0
    answers = told(tmp_path / "asked")
    assert len(answers) == 4
    assert not any("refused" in answer for answer in answers)


@pytest.mark.slow
def test_two_processes_take_up_settings_together_and_resume_to_the_same_bits(tmp_path: Path) -> None:
    alter = (3, "set", {"settings": {"lr": 0.01}})
    code, errors = ordered(tmp_path / "altered", [alter, (9, "set", {"settings": {"model": "mlp"}})])
    assert code == 0, errors
    done, refused = told(tmp_path / "altered")
    assert "refused" not in done
    assert str(refused["refused"]).startswith("a run keeps the model")
    assert hubel.Run(tmp_path / "altered" / "digits-1").recipe["optimizer"]["lr"] == 0.01
    code, errors = ordered(tmp_path / "stopped", [alter, (15, "stop", {})])
    assert code != 0
    assert "Traceback" not in errors or "Stopped" in errors
    script = f"import hubel\nhubel.train(resume={str(tmp_path / 'stopped' / 'digits-1')!r})\n"
    (tmp_path / "again.py").write_text(script)
    again = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(tmp_path / "again.py")],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    steps = [next(row["step"] for row in json.loads((tmp_path / name / "digits-1" / "segments.json").read_text()))
             for name in ("altered", "stopped")]  # fmt: skip
    if steps[0] == steps[1]:  # when orders are read depends on the clock
        assert apart(weights(tmp_path / "altered"), weights(tmp_path / "stopped")) == 0


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
