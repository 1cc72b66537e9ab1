"""`hubel components` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubel.cli import main


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main(["components", *words])
    captured = capsys.readouterr()
    return int(done.value.code or 0), captured.out, captured.err


def test_without_a_word_it_lists_all_kinds_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys)
    assert code == 0
    assert all(line == line[:80] for line in text.splitlines())
    assert all(word in text for word in ("layers", "cross-entropy", "muon", "cosine", "random-erase", "orthogonal"))


@pytest.mark.parametrize(
    "kind",
    [
        "layers",
        "blocks",
        "activations",
        "losses",
        "optimisers",
        "schedules",
        "initialisations",
        "augmentations",
        "sound",
        "video",
    ],
)
def test_a_kind_lists_its_parts_with_formulas_in_80_columns(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, kind)
    assert code == 0
    assert max(map(len, text.splitlines())) <= 80
    assert all(len(line.split()) > 1 for line in text.splitlines())


def test_a_name_shows_one_part_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, "selu")
    assert code == 0
    assert "selu: Scaled ELU (activations)" in text
    assert "1706.02515" in text


def test_what_recipes_cannot_name_says_how_python_calls_it(capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = run(capsys, "pitch-shift")
    assert "in Python   hubel.data.augment_audio.pitch_shift" in text
    assert "options     semitones" in text


def test_names_can_be_matched_and_given_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = run(capsys, "activations", "--match", "*elu", "--json")
    names = [part["name"] for part in json.loads(text)]
    assert names == ["relu", "leaky-relu", "prelu", "elu", "celu", "selu", "gelu"]


def test_a_wrong_name_is_a_usage_error_with_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "gellu")
    assert code == 2
    assert "did you mean 'gelu'" in error


def test_a_picture_is_written_to_a_file_of_the_right_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = run(capsys, "schedules", "--picture", str(tmp_path / "s.svg"))
    assert code == 0
    assert (tmp_path / "s.svg").read_bytes().startswith(b"<svg")
    code, _, error = run(capsys, "schedules", "--picture", str(tmp_path / "s.png"))
    assert code == 2
    assert "is a svg file" in error
    code, _, error = run(capsys, "--picture", str(tmp_path / "s.png"))
    assert code == 2
    assert "needs a kind" in error
