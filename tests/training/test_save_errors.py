"""A disk that refuses in the middle of a training: the run stops and resumes, or goes on and tries again (T04)."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import hubel.store.run
from disks import Counting
from hubel.cli import main
from hubel.store import FileOps, RunStore, SaveFailed
from hubel.verbs.train import train
from hubel.watching import Watcher
from trainers import SETTINGS, fingerprint, flags

OFTEN = SETTINGS | {"save_every": 0.001}
"""With a save after every step: how many there are must not depend on how fast this machine is."""


class Listening(Watcher):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


@contextmanager
def refusing(first: int, number: int, kinds: tuple[str, ...], most: int = 1_000_000) -> Iterator[list[str]]:
    """A disk that from its operation `first` on answers operations of `kinds` with an error, `most` times."""
    refused: list[str] = []

    def at(n: int, name: str, arguments: tuple[Any, ...]) -> None:
        if n >= first and name in kinds and len(refused) < most:
            refused.append(name)
            raise OSError(number, os.strerror(number))

    ops = Counting(at)
    hubel.store.run.FileOps = lambda: ops  # type: ignore[misc,assignment]
    try:
        yield refused
    finally:
        hubel.store.run.FileOps = FileOps  # type: ignore[misc]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return fingerprint(train("digits", **SETTINGS, out=str(tmp_path_factory.mktemp("undisturbed"))).folder)


@pytest.mark.parametrize(
    ("number", "kinds"),
    [
        (errno.ENOSPC, ("write",)),
        (errno.EIO, ("fsync",)),
        (errno.EROFS, ("create", "append", "rename", "mkdir")),
        (errno.EDQUOT, ("write", "fsync", "create", "fsync_folder")),
    ],
)
def test_t04_with_continue_a_run_outlives_a_disk_that_refuses_for_a_while(
    tmp_path: Path, undisturbed: dict[str, str], number: int, kinds: tuple[str, ...]
) -> None:
    watch = Listening()
    with refusing(200, number, kinds, most=12) as refused:
        run = train("digits", **OFTEN, on_save_error="continue", out=str(tmp_path), watch=watch).folder
    assert len(refused) == 12
    assert fingerprint(run) == undisturbed, "no number, no row and no line is lost"
    said = [remark for remark in watch.remarks if "training goes on" in remark or "takes files again" in remark]
    assert len(said) == 2, "told once when it begins and once when it is over"
    assert os.strerror(number) in said[0]
    events = [json.loads(line) for line in RunStore(run).read_lines("events.jsonl")]
    assert [event["reason"] for event in events if event["event"] == "save failed"] == [said[0].split("; training")[0]]
    assert not [path for path in run.rglob("*") if path.suffix in (".tmp", ".next")]


def test_t04_a_disk_without_room_for_the_training_is_refused_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubel.store.run, "free_bytes", lambda folder: 1 << 20)
    with pytest.raises(SaveFailed, match=r"the run needs .* has 1\.\d+ MB free"):
        train("digits", **SETTINGS, out=str(tmp_path))
    assert not list(tmp_path.iterdir()), "a run that cannot be saved leaves no folder behind"


@pytest.mark.parametrize("first", [250, 320, 500])
def test_t04_with_stop_the_run_ends_at_the_first_error_and_resumes_to_the_same_bits(
    tmp_path: Path, undisturbed: dict[str, str], first: int
) -> None:
    with (
        refusing(first, errno.ENOSPC, ("write",)) as refused,
        pytest.raises(SaveFailed, match="No space left on device") as error,
    ):
        train("digits", **OFTEN, out=str(tmp_path))
    assert "goes on by --resume" in str(error.value.hint)
    assert len(refused) <= 2, "the save, and the attempt to note why the run ended"
    assert train(resume="auto", out=str(tmp_path)).folder == tmp_path / "digits-1"
    assert fingerprint(tmp_path / "digits-1") == undisturbed


def test_t04_the_last_save_must_succeed_or_the_exit_code_tells(
    tmp_path: Path, undisturbed: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with refusing(200, errno.ENOSPC, ("write",)), pytest.raises(SystemExit) as left:
        main(flags(tmp_path, on_save_error="continue"))
    assert left.value.code == 4
    assert "No space left on device" in capsys.readouterr().err
    train(resume=tmp_path / "digits-1")
    assert fingerprint(tmp_path / "digits-1") == undisturbed


def test_a_log_whose_fsync_failed_is_written_anew_and_not_called_safe(tmp_path: Path) -> None:
    operations: list[str] = []

    def at(n: int, name: str, arguments: tuple[Any, ...]) -> None:
        operations.append(name)
        if name == "fsync" and operations.count("fsync") == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    store = RunStore(tmp_path, Counting(at))
    store.append_line("events.jsonl", "one")
    with pytest.raises(SaveFailed):
        store.mark("events.jsonl")
    del operations[1:]  # the count of fsyncs stays above one
    operations.append("fsync")
    before = (tmp_path / "events.jsonl").stat().st_ino
    assert store.mark("events.jsonl") == 4
    assert "rename" in operations
    assert (tmp_path / "events.jsonl").stat().st_ino != before
    operations[:] = ["fsync"]
    assert store.mark("events.jsonl") == 4
    assert "rename" not in operations
