"""What the shell is told when Tab is pressed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hubel.cli.completion import SCRIPTS, candidates


def test_commands_options_runs_nets_and_choices_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "photos-1").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert candidates(["comp"]) == ["compare", "completion", "components", "compress"]
    assert candidates(["train", "digits", "--img"]) == ["--img-size"]
    assert candidates(["train", "digits", "--imgs"]) == ["--imgsz"]
    assert candidates(["predict", "ph"]) == ["photos-1"]
    assert candidates(["runs", "rm", "ph"]) == ["photos-1"]
    assert candidates(["summary", "resnet1", "photo"]) == ["photos-1"]
    assert candidates(["train", "--preset", "a"]) == ["accurate"]
    assert candidates(["train", "--preset", "=", "a"]) == ["accurate"]
    assert candidates(["evaluate", "photos-1", "--split", ""]) == ["test", "train", "val"]
    assert candidates(["predict", "photos-1", "cat"]) == []  # files: the shell knows them better
    assert candidates(["no-such-command", ""]) == []


def test_completing_loads_no_torch() -> None:
    code = "import sys; from hubel.cli.completion import candidates; candidates(['train', '-m', 'res']); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"], capture_output=True, text=True
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_that_is_installed_takes_its_script(shell: str) -> None:
    if shutil.which(shell) is None or shell == "powershell":
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n"], input=SCRIPTS[shell], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
