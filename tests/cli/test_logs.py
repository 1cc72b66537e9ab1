"""How much is told while a command works, in which form, and to whom else."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from hubel.cli import main
from hubel.errors import MissingExtra, UnknownName, UsageError
from hubel.events import EpochDone, Finished
from hubel.faces.progress import Showing
from hubel.training.loggers import LOGGERS, ScalarLog, build_loggers

SMALL = ["train", "digits", "--limit", "60", "--epochs", "2", "--model", "mlp", "--threads", "1", "--device", "cpu"]


def typed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, words)))
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_log_json_tells_what_happens_as_lines_of_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_LOG", str(tmp_path / "hubel.log"))
    code, text, said = typed(capsys, *SMALL, "--out", tmp_path, "--log", "json")
    assert (code, "test" in text) == (0, True)
    told = [json.loads(line) for line in said.splitlines()]
    assert [each["event"] for each in told if each["event"] in ("training", "epoch", "finished")] == [
        "training", "epoch", "epoch", "finished",
    ]  # fmt: skip
    assert next(each for each in told if each["event"] == "training")["model"] == "mlp"
    kept = [json.loads(line)["event"] for line in (tmp_path / "hubel.log").read_text().splitlines()]
    assert kept.count("epoch") == 2


def test_errors_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = typed(capsys, "predict", "runs/none", "x.png", "--log=json")
    last = json.loads(said.splitlines()[-1])
    assert (code, last["exit_code"], last["event"]) == (4, 4, "error")


def test_the_level_of_the_log_says_how_much_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_LOG", "error")
    assert typed(capsys, "models", "lenet5")[2] == ""
    monkeypatch.setenv("HUBEL_LOG", "info")
    assert "architectures" in typed(capsys, "models", "lenet5")[2]
    monkeypatch.setenv("HUBEL_LOG", "warnin")
    code, _, said = typed(capsys, "models", "lenet5")
    assert (code, "did you mean 'warning'?" in said) == (2, True)
    monkeypatch.setenv("HUBEL_LOG", str(tmp_path / "no" / "such" / "folder.log"))
    assert typed(capsys, "models", "lenet5")[0] == 2


def test_print_config_is_a_recipe_with_every_choice_made_and_trains_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, text, _ = typed(capsys, *SMALL, "--out", tmp_path / "runs", "--print-config")
    assert code == 0
    assert not (tmp_path / "runs").exists()
    (tmp_path / "recipe.yaml").write_text(text)
    again = typed(capsys, "train", "--config", tmp_path / "recipe.yaml", "--print-config")
    assert again[:2] == (0, text)
    assert "optimizer: adamw" in text


def test_a_logger_that_is_not_there_is_known_before_anything_is_trained() -> None:
    with pytest.raises(UnknownName, match="tensorbord"):
        build_loggers(["tensorbord"], print)
    for name in LOGGERS:
        if importlib.util.find_spec(name) is None:
            with pytest.raises(MissingExtra, match=f"{name}.*not installed") as refusal:
                build_loggers([name], print)
            assert refusal.value.hint == f"pip install 'hubel[{name}]'"


def test_a_tool_that_breaks_costs_no_run() -> None:
    class Broken(ScalarLog):
        def write(self, row: object, epoch: int) -> None:
            raise OSError("no space left on device")

    told: list[str] = []
    log = Broken("mine", told.append)
    for epoch in range(3):
        log.event(EpochDone(epoch=epoch, row={"train_loss": 1.0}, best=False))
    log.event(Finished("epochs", 3, 1.0))
    log.done()
    assert len(told) == 1
    assert "no space left on device" in told[0]


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_reads_what_was_trained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    accumulator = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    assert typed(capsys, *SMALL, "--out", tmp_path, "--log-to", "tensorboard", "-q")[0] == 0
    seen = accumulator.EventAccumulator(str(tmp_path / "digits-1"))
    seen.Reload()
    assert [event.step for event in seen.Scalars("loss/train")] == [1, 2]


def test_a_form_of_the_log_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed(capsys, "models", "--log", "xml")[0] == UsageError.exit_code


def test_more_epochs_than_fit_by_the_first_guess_are_counted_on(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Showing()
    shown.epochs = 2
    for epoch in range(4):
        shown.event(EpochDone(epoch=epoch, row={"train_loss": 1.0, "images_per_second": 9.0}, best=False))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["1/2", "2/2", "3/3", "4/4"]
