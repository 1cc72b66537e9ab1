"""Trainings that are killed, stopped and resumed end with the bits of those that were left alone (T01, T08-T10)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel.store.run
from disks import killing
from hubel.checkpoint import load_state
from hubel.cli import main
from hubel.errors import RunLocked
from hubel.store import RunStore
from hubel.verbs.train import train
from hubel.watching import Watcher
from trainers import SETTINGS, fingerprint, flags, quietly, steps_logged


class Listening(Watcher):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return fingerprint(train("digits", **SETTINGS, out=str(tmp_path_factory.mktemp("undisturbed"))).folder)


def start(work: Callable[[], object]) -> int:
    """Run `work` in a forked child, which exits with 0, its own code, or 70; the child's number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 70
        try:
            quietly(work)()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        except KeyboardInterrupt:  # it came when the command had ended
            code = 130
        finally:
            os._exit(code)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def sit(out: Path, operation: int | None) -> None:
    """One sitting of a trainer: begin, or go on with what is there; perhaps to be killed at a file operation."""
    if operation is not None:
        ops = killing(operation)
        hubel.store.run.FileOps = lambda: ops  # type: ignore[misc,assignment]
    train("digits", **SETTINGS, out=str(out), resume="auto")


def kill_and_resume(tmp_path: Path, undisturbed: dict[str, str], kills: int, seed: int) -> tuple[int, int]:
    """Kill trainers until `kills` are done, half of them inside a save; how many died, how many runs were finished."""
    draw = random.Random(seed)
    killed = runs = 0
    while killed < kills:
        out = tmp_path / str(runs)
        out.mkdir()
        done = False
        while not done:
            way = "none" if killed >= kills else draw.choice(("operation", "time"))
            operation = draw.randint(1, 400) if way == "operation" else None
            child = start(lambda out=out, operation=operation: sit(out, operation))
            if way == "time":
                time.sleep(draw.uniform(0.05, 1.0))
                os.kill(child, signal.SIGKILL)
            code = ended(child)
            assert code in (0, -signal.SIGKILL), f"a sitting ended with {code}"
            killed += code != 0
            done = code == 0
        finished = [folder for folder in out.iterdir() if (folder / "report.html").exists()]
        # A kill between a run's last word (summary.json) and the end of its process finds nothing left to resume: the
        # next sitting starts anew, and both runs must be whole.
        assert finished
        for folder in finished:
            assert fingerprint(folder) == undisturbed
            assert not [path for path in folder.rglob("*") if path.suffix in (".tmp", ".next")]
        runs += 1
    return killed, runs


def test_t01_ten_kills_and_the_same_bits(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    killed, runs = kill_and_resume(tmp_path, undisturbed, 10, seed=1)
    assert killed == 10
    assert runs >= 1


@pytest.mark.slow
def test_t01_a_thousand_kills_and_the_same_bits(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    killed, runs = kill_and_resume(tmp_path, undisturbed, int(os.environ.get("HUBEL_KILLS", "1000")), seed=1000)
    print(f"{killed} kills, {runs} runs, all bit-identical")


def stop_and_resume(tmp_path: Path, undisturbed: dict[str, str], count: int, seed: int) -> int:
    """Send signals at random instants; how many hit a running training."""
    draw = random.Random(seed)
    hits = 0
    for number in range(count):
        out = tmp_path / str(number)
        sent = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[number % 3]
        child = start(lambda out=out: main(flags(out)))
        log = out / "digits-1" / "events.jsonl"
        while not log.exists():
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.6))
        os.kill(child, sent)
        if number % 2:
            time.sleep(0.01)
            os.kill(child, sent)
        asked = time.monotonic()
        code = ended(child)
        assert time.monotonic() - asked < 10
        run = out / "digits-1"
        assert code in (0, 128 + sent, -sent), f"exit code {code} after {sent.name}"
        # Signals are the system's again once the summary is written: the process was leaving already.
        late = RunStore(run).exists("summary.json") and RunStore(run).read_json("summary.json")["status"] == "finished"
        # A second signal may come when the run has said its last word: then it is the system that ends the process,
        # which a shell calls 128 + sent all the same, and nothing is lost, as follows.
        assert late or code == 128 + sent or (number % 2 and code == -sent)
        if not late:
            hits += 1
            steps = len(steps_logged(run))
            assert load_state(RunStore(run)).meta["training"]["step"] == steps, "the state is not that of the last step"
            assert RunStore(run).read_json("summary.json")["status"] == "stopped"
            assert ended(start(lambda run=run: main(["train", "--resume", str(run), "--quiet"]))) == 0
        assert fingerprint(run) == undisturbed
    return hits


def test_t08_signals_save_the_last_step_and_leave(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    assert stop_and_resume(tmp_path, undisturbed, 3, seed=8) >= 1


@pytest.mark.slow
def test_t08_sixty_signals_save_the_last_step_and_leave(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    assert stop_and_resume(tmp_path, undisturbed, 60, seed=88) >= 10


def test_t09_the_same_seed_gives_the_same_bits_and_workers_do_not_matter(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name in ("dark", "light"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            level = 60 if name == "dark" else 180
            pixels = draw.integers(level - 50, level + 50, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    settings: dict[str, Any] = {
        **SETTINGS,
        "img_size": 16,
        "limit": None,
        "epochs": 2,
        "batch_size": 8,
        "micro_batch": 4,
    }
    found = []
    for number, workers in enumerate((0, 0, 1, 2)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HUBEL_HOME", str(tmp_path / f"cache-{number}"))
            out = str(tmp_path / f"runs-{number}")
            found.append(fingerprint(train(tmp_path / "photos", **settings, workers=workers, out=out).folder))
    assert found[0] == found[1] == found[2] == found[3]
    other = fingerprint(train(tmp_path / "photos", **settings, seed=1, out=str(tmp_path / "other")).folder)
    assert other["state"] != found[0]["state"], "another seed must give other bits, or this test sees nothing"


def test_t09_other_threads_at_resume_are_named(tmp_path: Path) -> None:
    run = half_done(tmp_path)
    environment = RunStore(run).read_json("env.json")
    RunStore(run).write_json("env.json", environment | {"threads": 64, "torch": "1.0"})
    watch = Listening()
    train(resume=run, watch=watch)
    assert any("threads: 64 when it was saved" in remark for remark in watch.remarks)
    assert any("torch: 1.0 when it was saved" in remark for remark in watch.remarks)


def half_done(tmp_path: Path) -> Path:
    """A run that was killed in its second epoch."""
    child = start(lambda: train("digits", **SETTINGS, out=str(tmp_path)))
    run = tmp_path / "digits-1"
    while not (run / "metrics.csv").exists() or not list(run.glob("state/*.json")):
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    return run


def test_t10_two_trainers_cannot_have_one_run_and_readers_do_not_wait(tmp_path: Path) -> None:
    run = half_done(tmp_path)
    with RunStore(run).lock():
        with pytest.raises(RunLocked, match=f"process {os.getpid()} is training"):
            train(resume=run)
        assert ended(start(lambda: main(["train", "--resume", str(run)]))) == 4
        assert ended(start(lambda: main(["runs", "--out", str(tmp_path)]))) == 0
    train(resume=run)


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    run = half_done(tmp_path)
    watch = Listening()
    assert train(resume="auto", out=str(tmp_path), watch=watch).folder == run
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    train(resume=run, watch=watch)
    assert any("finished already" in remark for remark in watch.remarks)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_resume_passes_over_a_damaged_state_and_says_so(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    run = half_done(tmp_path)
    newest = sorted((run / "state").glob("*.safetensors"))[-1]
    if not newest.with_suffix(".json").exists():  # the kill fell inside a save
        newest = sorted((run / "state").glob("*.json"))[-1].with_suffix(".safetensors")
    if len(list((run / "state").glob("*.json"))) < 2:
        pytest.skip("the kill came before the second state")
    os.truncate(newest, newest.stat().st_size // 2)
    watch = Listening()
    train(resume=run, watch=watch)
    assert any("a damaged state was passed over" in remark for remark in watch.remarks)
    assert fingerprint(run) == undisturbed


FILLING = """
mount -t tmpfs -o size=9m none "$1" && cd "$1"
"$2" train digits --quiet --model mnist_gap --epochs 25 --save-every 0.01 --out runs 2> "$1.said" &
trainer=$!
until ls runs/*/state/*.json > /dev/null 2>&1; do sleep 0.05; done
for n in 1 2 3 4 5 6 7 8; do dd if=/dev/zero of=fill-$n bs=1k count=9000 2> /dev/null; sleep 0.05; done
wait $trainer; code=$?
cat "$1.said" >&2
[ $code = 4 ] || exit 1
[ -z "$(find runs -name '.*tmp')" ] || exit 2
rm fill-*
"$2" train --resume auto --quiet > /dev/null || exit 3
ls runs/*/report.html
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to mount a small file system")
def test_t04_a_disk_that_fills_up_stops_the_run_and_it_resumes_when_there_is_room(tmp_path: Path) -> None:
    hubel_program = str(Path(sys.executable).with_name("hubel"))
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", FILLING, "sh", str(tmp_path), hubel_program], capture_output=True, text=True
    )
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, (done.returncode, done.stderr)
    assert "No space left on device" in done.stderr
    assert "goes on by --resume" in done.stderr
