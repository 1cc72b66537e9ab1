"""A folder that fills up, and averages that see what no single picture shows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hubel.anomalies.streaming import Stream
from hubel.data.arriving import arriving
from hubel.errors import DataError, UsageError


class Clock:
    """Time that passes when somebody sleeps; then things happen."""

    def __init__(self, *happens: object) -> None:
        self.seconds, self.happens = 0.0, list(happens)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.happens:
            self.happens.pop(0)()  # type: ignore[operator]


def follow(folder: Path, *happens: object, idle: float = 1.0) -> list[str]:
    clock = Clock(*happens)
    looks = arriving(str(folder), idle=idle, every=0.5, now=clock.now, sleep=clock.sleep)
    return [os.path.relpath(path, folder) for look in looks for path in look]


def test_each_picture_is_named_once_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    half = tmp_path / "slow.png"

    def grow() -> None:
        with half.open("ab") as file:
            file.write(b"more")

    found = follow(tmp_path, grow, grow, grow, lambda: (tmp_path / "notes.txt").write_text("no"))
    assert found == ["old.png", "slow.png"]


def test_a_picture_that_is_written_anew_is_looked_at_again_and_an_empty_one_never(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    name = tmp_path / "a" / "x.png"
    name.write_bytes(b"one")
    (tmp_path / "empty.png").touch()
    found = follow(tmp_path, lambda: None, lambda: name.write_bytes(b"other"), lambda: None)
    assert found == ["a/x.png", "a/x.png"]


def test_a_folder_that_is_gone_ends_it_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        follow(tmp_path / "nowhere")


def test_a_slow_change_is_seen_in_the_mean_before_any_picture_is_strange() -> None:
    rng = np.random.default_rng(0)
    usual = rng.normal(0, 0.4, 200)
    stream = Stream(usual, window=20, rate=0.01)
    calm = [stream.add(float(score)) for score in rng.normal(0, 0.4, 400)]
    assert np.mean([one.drifting for one in calm]) < 0.05
    drift = [stream.add(float(score)) for score in rng.normal(0.35, 0.3, 40)]
    assert drift[-1].drifting
    assert sum(one.strange for one in drift) <= 2


def test_averages_are_those_of_the_last_scores() -> None:
    stream = Stream(np.zeros(10), window=3)
    found = [stream.add(score) for score in (1.0, 2.0, 3.0, 4.0)]
    assert [one.mean for one in found] == [1.0, 1.5, 2.0, 3.0]
    assert [one.recent for one in found] == [1.0, 1.5, 2.25, 3.125]
    assert [one.strange for one in found] == [False, True, True, True]


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one picture, got 0"):
        Stream(np.zeros(3), window=0)
