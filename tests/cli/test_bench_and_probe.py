"""`hubel bench` and `hubel probe` as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubel.cli import main


def typed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


QUICK = ("--batch", "2", "--form", "eager", "--form", "ready", "--seconds", "0.01", "--device", "cpu")


def test_bench_prints_machine_forms_and_times_and_draws(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, text, remarks = typed(capsys, "bench", "mnist_cnn", *QUICK, "--picture", tmp_path / "deep" / "bench.svg")
    assert code == 0
    assert "mnist_cnn, fresh weights, input 1x28x28" in text
    assert "34,826 parameters" in text
    assert all(word in text for word in ("median", "p99", "images/s", "time/eager"))
    assert "tolerance of a logit" in remarks
    assert (tmp_path / "deep" / "bench.svg").read_bytes().startswith(b"<svg")


def test_bench_prints_json_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = typed(capsys, "bench", "mnist_cnn", *QUICK, "--json")
    facts = json.loads(text)
    assert code == 0
    assert [row["batch"] for row in facts["timings"]] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("bench", "resnet81"), 2, "did you mean 'resnet18'"),
        (("bench", "runs/none-1"), 4, "there is no run"),
        (("bench", "mnist_cnn", "--form", "eagr"), 2, "did you mean 'eager'"),
        (("bench", "mnist_cnn", "--input", "3x2"), 2, "channels x height x width"),
        (("bench", "x", "--clients", "2", "--form", "eager"), 2, "unknown form 'eager'"),
        (("bench", "x", "--clients", "2", "--form", "onnx", "--form", "ready"), 2, "a server runs in one form"),
        (("bench", "x", "--clients", "2", "--input", "3x8x8"), 2, "--input is for a net alone"),
        (("bench", "mnist_cnn", "--rate", "5"), 2, "--rate is for a server"),
        (("probe", "digits", "--only", "momentum"), 2, "probes are lr and batch_size"),
        (("train", "digits", "--probe", "lr", "--lr", "0.1"), 2, "leave out --lr or --probe"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    found, _, remarks = typed(capsys, *words)
    assert (found, said in remarks) == (code, True), remarks


def test_probe_prints_a_table_the_rates_and_a_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("probe", "digits", "--model", "mnist_cnn", "--limit", "400", "--steps", "40", "--device", "cpu")
    code, text, _ = typed(capsys, *words, "--picture", tmp_path / "p.svg")
    assert code == 0
    assert "mnist_cnn on digits, adamw" in text
    assert "images/s" in text
    assert "what hubel train takes unasked" in text
    assert text.splitlines()[-1].startswith("hubel train digits --batch-size ")
    assert {path.name for path in tmp_path.iterdir()} == {"p-rate.svg", "p-batch.svg"}
    code, text, _ = typed(capsys, *words, "--only", "lr", "--json")
    assert set(json.loads(text)) == {"data", "model", "optimizer", "lr", "batch_size", "rate"}
