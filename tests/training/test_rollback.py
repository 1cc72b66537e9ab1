"""A batch that would ruin the run: back to the last state, that step left out, and the same on every replay (T13)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import hubel.assembly.balance
from hubel.errors import HubelError
from hubel.store import RunStore
from hubel.types import Batch
from hubel.verbs.train import train
from trainers import SETTINGS, fingerprint

PLAIN: dict[str, Any] = {**SETTINGS, "model": "mnist_gap", "model_options": {}, "limit": None, "epochs": 3, "lr": 0.01}
STEPS = 3 * (1437 // 32)


def poison(monkeypatch: pytest.MonkeyPatch, positions: set[tuple[int, int]], factor: float = 1e42) -> None:
    """Make the pictures of these (epoch, step) so bright that the loss overflows, or with 10,000 is a finite spike."""
    honest = hubel.assembly.balance.batches

    def batches(*arguments: Any, epoch: int = 0, start_step: int = 0, **words: Any) -> Iterator[Batch]:
        found = honest(*arguments, epoch=epoch, start_step=start_step, **words)
        for step, batch in enumerate(found, start=start_step):
            bad = words.get("shuffle") and (epoch, step) in positions
            bright = batch.images * 1e20 * (factor / 1e20)  # in two: 1e42 is no float32
            yield Batch(bright, batch.labels, batch.ids) if bad else batch

    monkeypatch.setattr(hubel.assembly.balance, "batches", batches)


def accuracy(run: Path) -> float:
    return float(RunStore(run).read_json("summary.json")["best"]["val_accuracy"])


def rollbacks(run: Path) -> list[int]:
    events = [json.loads(line) for line in RunStore(run).read_lines("events.jsonl")]
    return [event["step"] for event in events if event["event"] == "rollback"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> float:
    return accuracy(train("digits", **PLAIN, out=str(tmp_path_factory.mktemp("clean"))).folder)


def recover(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    clean: float,
    positions: list[tuple[int, int]],
    factor: float = 1e42,
) -> None:
    for position in positions:
        with monkeypatch.context() as patch:
            poison(patch, {position}, factor)
            runs = [
                train(
                    "digits", **PLAIN, on_nonfinite="rollback", out=str(tmp_path / f"{position[0]}-{position[1]}")
                ).folder
                for _ in range(2)
            ]
        steps_per_epoch = int(fingerprint(runs[0])["step"]) // PLAIN["epochs"]
        assert rollbacks(runs[0]) == [position[0] * steps_per_epoch + position[1]]
        assert accuracy(runs[0]) >= clean - 0.015
        assert fingerprint(runs[0]) == fingerprint(runs[1]), "the recovery must replay identically"


def test_t13_a_poisoned_batch_is_left_out_and_the_recovery_replays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clean: float
) -> None:
    recover(monkeypatch, tmp_path, clean, [(1, 7)])


def test_t13_a_finite_spike_is_left_out_and_the_recovery_replays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clean: float
) -> None:
    recover(monkeypatch, tmp_path, clean, [(1, 7)], factor=1e4)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1e42, 1e4])
def test_t13_a_poisoned_batch_at_twenty_positions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clean: float, factor: float
) -> None:
    places = [(epoch, step) for epoch in (0, 1, 2) for step in range(4, 40, 5)][:20]
    recover(monkeypatch, tmp_path, clean, places, factor)


def test_t13_a_run_that_is_poisoned_again_and_again_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    poison(monkeypatch, {(0, step) for step in range(3, 12)})
    with pytest.raises(HubelError, match="is not finite"):
        train("digits", **PLAIN, on_nonfinite="rollback", out=str(tmp_path))
    assert RunStore(tmp_path / "digits-1").read_json("summary.json")["status"] == "stopped"
