"""Pictures read over places of a cluster: the same scan, the same bytes, whoever reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hubel.data import spread
from hubel.data.afar import reading_over
from hubel.data.decode import prepare
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import scan
from hubel.data.sources import open_source
from hubel.data.spread import OVER, Over
from hubel.errors import HubelError, UsageError
from hubel.runtime.places import Done, Here
from hubel.watching import Watcher

SMALL = Preprocessing(height=6, width=6, channels=3)


class Backwards(Here):
    """Three places whose jobs come back in the wrong order."""

    def __init__(self, make: Any) -> None:
        super().__init__(make)
        self.given: list[tuple[int, Any]] = []

    @property
    def free(self) -> bool:
        return len(self.given) < 3

    @property
    def busy(self) -> int:
        return len(self.given)

    def give(self, key: int, job: Any) -> None:
        self.given.append((key, job))

    def take(self) -> Done:
        super().give(*self.given.pop())
        return super().take()


class Said(Watcher):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


@contextmanager
def read_by(kind: Any, watch: Watcher) -> Iterator[None]:
    token = OVER.set(Over(lambda make, most: kind(make), watch))
    try:
        yield
    finally:
        OVER.reset(token)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty pictures of two classes, one of them damaged; a part holds seven."""
    monkeypatch.setattr(spread, "WORTH", 10)
    monkeypatch.setattr(spread, "TASKS", 1)
    monkeypatch.setattr("hubel.data.workers.CHUNK_FILES", 7)
    draw = np.random.default_rng(0)
    for number in range(40):
        place = tmp_path / "photos" / ["cat", "dog"][number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (8, 8, 3), np.uint8)).save(place)
    (tmp_path / "photos" / "cat" / "0.png").write_bytes(b"\x89PNG no more")
    return tmp_path / "photos"


def test_whoever_reads_the_scan_and_the_pixels_are_the_same(photos: Path, tmp_path: Path) -> None:
    here = prepare(open_source(photos), SMALL, cache_dir=tmp_path / "here")
    watch, seen = Said(), list[tuple[int, int]]()
    with read_by(Backwards, watch):
        there = prepare(
            open_source(photos), SMALL, cache_dir=tmp_path / "there", progress=lambda *of: seen.append(of)
        )  # fmt: skip
    assert there[0].manifest.digest == here[0].manifest.digest
    assert there[0].problems == here[0].problems
    assert [problem.path for problem in there[0].problems] == ["cat/0.png"]
    np.testing.assert_array_equal(there[1].images, here[1].images)
    files = [next((tmp_path / name / "decoded").glob("*.npy")) for name in ("here", "there")]
    assert files[0].name == files[1].name
    assert files[0].read_bytes() == files[1].read_bytes()
    assert watch.remarks == ["40 pictures are read over a cluster, in 6 parts"]
    assert seen[-1] == (40, 40)


def test_a_scan_alone_sends_no_pixels_and_few_pictures_ask_nobody(photos: Path, tmp_path: Path) -> None:
    watch = Said()
    with read_by(Backwards, watch):
        assert len(scan(open_source(photos), cache_dir=tmp_path / "a").manifest) == 39
        assert len(watch.remarks) == 1
        (photos / "cat" / "2.png").touch()
        scan(open_source(photos), cache_dir=tmp_path / "a")
    assert len(watch.remarks) == 1, "one picture is read here"


def test_a_place_that_sees_none_of_its_pictures_is_named(photos: Path, tmp_path: Path) -> None:
    listed = open_source(photos)
    photos.rename(tmp_path / "elsewhere")
    with read_by(Backwards, Said()), pytest.raises(HubelError, match=r"sees none of 7 pictures in .*photos"):
        scan(listed, cache_dir=tmp_path / "a")


def test_where_to_read_is_here_or_a_cluster() -> None:
    with reading_over("here"):
        assert spread.elsewhere(10**6) is None
    with pytest.raises(UsageError, match="on must be here"), reading_over("slurm"):
        pass
