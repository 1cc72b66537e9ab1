"""Words that nobody means to type are answered in a sentence, with the right exit code."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.cli import main

LONG = "x" * 5000


def typed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, words)))
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["evaluate", ""], 2, "a run needs a name, got ''"),
        (["evaluate", LONG], 2, "no file can have so long a name"),
        (["evaluate", "a\0b"], 4, "there is no run"),
        (["predict", "RUN", ""], 3, "no"),
        (["predict", "RUN", "no*.png"], 3, "no file fits the pattern 'no*.png'"),
        (["predict", "RUN"], 2, "a picture is needed"),
        (["runs", "rm"], 2, "rm needs the name of a run"),
        (["runs", "ls", "x"], 2, "ls takes no names, got 'x'"),
        (["data", "digits", "--out", ""], 2, "--out must name a file"),
        (["data", "digits", "--out", "/"], 2, "--out must name a file"),
        (["step", "softmax", "--input", ""], 2, "these must be numbers: ''"),
        (["step", "softmax", "--input", "1 nan"], 2, "these must be numbers"),
        (["components", "kernel"], 2, "did you mean 'kernels'"),
        (["models", "no such net"], 2, "unknown model"),
        (["completion", "tcsh"], 2, "unknown shell 'tcsh'"),
        (["trian"], 2, "did you mean 'train'"),
        (["__complete"], 0, ""),
    ],
    ids=lambda value: " ".join(value)[:30].replace("\0", "0") if isinstance(value, list) else "",
)
def test_odd_words_are_answered(
    words: list[str], code: int, message: str, digits_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _, said = typed(capsys, *(str(digits_run) if word == "RUN" else word for word in words))
    assert (found, message in said, "fault of its own" in said) == (code, True, False), said


def test_patterns_that_the_shell_left_are_expanded(
    digits_run: Path, picture_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = typed(capsys, "predict", digits_run, picture_folder / "zero" / "00*.png")
    names = [path.name for path in sorted((picture_folder / "zero").glob("00*.png"))]
    assert (code, [line.split()[0] for line in text.splitlines()]) == (0, names)
    code, _, said = typed(capsys, "explain", digits_run, picture_folder / "*" / "*.png")
    assert (code, "one picture is needed" in said) == (2, True)


def test_a_name_that_is_no_utf8_is_read_and_shown(
    digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    for form in ("table", "csv"):
        code, text, _ = typed(capsys, "predict", digits_run, tmp_path / name, "--format", form)
        assert (code, "caf\\xe9.png" in text) == (0, True)


def test_labels_of_other_data_are_counted_as_the_net_counts_them(
    digits_run: Path, picture_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "l.svg"
    code, _, said = typed(capsys, "landscape", digits_run, picture_folder, "--points", "3", "--line", "--out", out)
    assert (code, "classes that" in said) == (3, True)  # "zero", "one": the net knows "0", "1"


@pytest.mark.parametrize(
    "words",
    ["compare bare bare", "runs show bare", "doctor bare", "reproduce bare", "train --resume bare", "clean bare"],
)
def test_weights_without_a_training_are_told_from_a_run(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    shutil.copytree(digits_run / "weights", tmp_path / "runs" / "bare" / "weights")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="4"):
        main(words.split())
    assert "bare is weights without a training" in capsys.readouterr().err


def test_words_that_an_option_takes_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["pretrain", "photos", "--method", "nosuch"])
    assert "--method must be rotation or byol, got 'nosuch'" in capsys.readouterr().err
