"""The command line as a user meets it: what is printed, and the exit codes.

Most of it is asked in this process. What only a process can show (its exit code, its streams, a terminal, signals) is
asked of a real one: each takes seconds to load torch.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from hubel.cli import COMMANDS, main

SMALL = ["--epochs", "2", "--limit", "200", "--model-option", "width=0.1", "--threads", "1", "--device", "cpu"]


def hubel(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command in this process: its exit code and what it printed."""
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told), chdir(cwd or "."), pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    return subprocess.CompletedProcess(words, int(end.value.code or 0), said.getvalue(), told.getvalue())


def process(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "hubel", *map(str, words)], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def test_help_lists_the_commands_in_eighty_columns() -> None:
    done = process("--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("train", "evaluate", "predict", "data", "models", "runs"))
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_ends_with_the_code_of_what_is_made(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "mkdir", full)
    done = hubel("summary", "lenet5", "--out", tmp_path / "far" / "lenet5.svg")
    assert done.returncode == 4
    assert os.strerror(number) in done.stderr
    assert "elsewhere with --out" in done.stderr


def test_every_command_explains_itself() -> None:
    for _, group in COMMANDS:
        for command, _, _ in group:
            done = hubel(command, "--help")
            assert done.returncode == 0, done.stderr
            assert "Usage" in done.stdout


def test_a_mistyped_command_is_met_with_the_right_one() -> None:
    done = process("trian", "digits")
    assert done.returncode == 2
    assert "unknown command 'trian'" in done.stderr
    assert "did you mean 'train'" in done.stderr


def test_training_prints_one_line_an_epoch_where_nobody_watches(tmp_path: Path) -> None:
    done = process("train", "digits", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith("epoch ") for line in done.stderr.splitlines()) == 2
    assert "of the test samples correctly" in done.stdout
    assert "runs/digits-1/report.html" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_training_shows_a_bar_on_a_terminal(tmp_path: Path) -> None:
    seen = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 4096)
        seen.extend(data)
        return data

    folder = os.getcwd()
    os.chdir(tmp_path)
    try:
        with open(os.devnull, "wb") as nowhere:
            before = os.dup(1)
            os.dup2(nowhere.fileno(), 1)  # pty.spawn copies the child's terminal to our standard output
            try:
                code = pty.spawn([sys.executable, "-m", "hubel", "train", "digits", *SMALL, "--epochs", "6"], read)
            finally:
                os.dup2(before, 1)
                os.close(before)
    finally:
        os.chdir(folder)
    assert code == 0
    text = seen.decode(errors="replace")
    assert "images/s" in text
    assert "left" in text
    assert "━" in text


def test_settings_are_taken_as_flags_assignments_and_bare_words(tmp_path: Path) -> None:
    done = hubel("train", "digits", *SMALL, "seed=3", "--set", "optimizer.lr=0.01", "--batch", "50", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "runs" / "digits-1" / "config.yaml").read_text()
    assert "seed: 3" in text
    assert "lr: 0.01" in text
    assert "batch_size: 50" in text


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train"], 2, "a data source is needed"),
        (["train", "nowhere/at/all"], 2, "does not exist"),
        (["train", "digits", "--lr", "fast"], 2, "optimizer.lr must"),
        (["train", "digits", "--epocs", "3"], 2, "did you mean --epochs"),
        (["train", "digits", "--config", "missing.yaml"], 2, "cannot be read"),
        (["evaluate", "runs/none-1"], 4, "there is no run 'runs/none-1'"),
        (["predict", "runs/none-1", "x.jpg"], 4, "there is no run"),
        (["train", "--resume", "runs/none-1"], 4, "there is no run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_gets_a_message_and_the_right_exit_code(
    words: list[str], code: int, message: str, tmp_path: Path
) -> None:
    done = hubel(*words, cwd=tmp_path)
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr
    assert not (tmp_path / "runs").exists()


def test_unusable_pictures_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name / "a.jpg").write_text("not a picture")
        (tmp_path / "pictures" / name / "b.jpg").touch()
    done = hubel("train", "pictures", cwd=tmp_path)
    assert done.returncode == 3
    assert "no usable sample" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_predictions_come_as_table_json_and_csv(digits_run: Path, picture_folder: Path, tmp_path: Path) -> None:
    files = [picture_folder / "zero" / "000.png", picture_folder / "one" / "001.png"]
    table = hubel("predict", digits_run, *files)
    assert table.stdout.splitlines()[0].startswith("000.png  0 ")
    rows = json.loads(hubel("predict", digits_run, *files, "--format", "json").stdout)
    assert [row["label"] for row in rows] == ["0", "1"]
    cells = list(csv.DictReader(io.StringIO(hubel("predict", digits_run, *files, "--format", "csv").stdout)))
    assert float(cells[0]["probability"]) == pytest.approx(rows[0]["probability"], abs=1e-5)
    (tmp_path / "broken.png").write_bytes(files[0].read_bytes()[:60])
    mixed = hubel("predict", digits_run, files[0], tmp_path / "broken.png")
    assert mixed.returncode == 3
    assert "broken.png" in mixed.stderr
    assert "000.png" in mixed.stdout


def test_evaluation_prints_a_table_and_writes_files(digits_run: Path, tmp_path: Path) -> None:
    done = hubel("evaluate", digits_run, "--split", "val", "--out", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert {path.name for path in (tmp_path / "results").iterdir()} >= {"evaluation.json", "per_class.csv"}
    assert hubel("evaluate", digits_run, "--split", "tets").returncode == 2


def test_runs_are_listed_and_compared(digits_run: Path) -> None:
    listed = hubel("runs", "--out", digits_run.parent)
    assert digits_run.name in listed.stdout
    rows = json.loads(hubel("runs", "--out", digits_run.parent, "--json").stdout)
    assert rows[0]["run"] == digits_run.name
    assert "no runs yet" in hubel("runs", "--out", "nowhere").stdout


def test_ctrl_c_stops_with_a_checkpoint_that_can_be_used_and_resumed(tmp_path: Path) -> None:
    words = ["train", "digits", "--epochs", "400", "--model-option", "width=0.1", "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hubel", *words], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    log = tmp_path / "runs" / "digits-1" / "metrics.csv"
    for _ in range(600):
        if log.exists() and len(log.read_text().splitlines()) > 3:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in said
    assert hubel("evaluate", "runs/digits-1", cwd=tmp_path).returncode == 0


def test_ctrl_c_while_torch_is_loaded_ends_without_a_traceback(tmp_path: Path) -> None:
    half = "import sys, types\nsys.modules['torch.distributed'] = types.ModuleType('torch.distributed')\n"
    (tmp_path / "torch.py").write_text(half + "raise KeyboardInterrupt\n")
    places = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "hubel", "summary", "lenet5"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": places},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = hubel("train", "digits", *SMALL, "--out", tmp_path / "file" / "runs")
    assert done.returncode in (1, 4)
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_of_several_processes_ends_without_taking_python_down() -> None:
    # Threads that torch keeps alive could abort it there, after all its work was done.
    program = (
        "import atexit, sys; atexit.register(print, 'taken down'); import hubel.runtime.distributed; "
        "sys.argv = ['hubel', 'models', 'lenet5']; from hubel.cli import main; main()"
    )
    ends = []
    for alone in (True, False):
        environment = os.environ | ({} if alone else {"TORCHELASTIC_RUN_ID": "1", "RANK": "1"})
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert "lenet5" in done.stdout
        ends.append("taken down" in done.stdout)
    assert ends == [True, False]
