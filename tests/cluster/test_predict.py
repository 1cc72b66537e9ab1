"""Prediction over two nodes of a real cluster, one of which is killed in the middle."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.runtime import cluster
from hubel.watching import Watcher

from .conftest import kill_one

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    return hubel.train("digits", model="mlp", limit=200, epochs=1, threads=1, out=out, verbose=False).folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 pictures of 8 by 8, and two files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (300, 8, 8), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    for name in ("050x.png", "299x.png"):
        (folder / name).write_bytes(b"nothing")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}


class AtPart(Watcher):
    """Does something once, after so many parts."""

    def __init__(self, part: int, what: Callable[[], object]) -> None:
        self.part, self.what, self.said = part, what, list[str]()

    def progress(self, done: int, total: int) -> None:
        if done >= self.part and self.what is not None:
            what, self.what = self.what, lambda: None
            what()

    def remark(self, text: str) -> None:
        self.said.append(text)


def test_a_node_killed_in_the_middle_costs_its_part_and_the_bytes_are_the_same(
    nodes: Any, run: Path, pictures: Path, tmp_path: Path
) -> None:
    alone = hubel.predict_parts(run, pictures, out=tmp_path / "alone", part_size=10)
    watch = AtPart(8, lambda: kill_one(nodes))
    found = hubel.predict_parts(
        run, pictures, out=tmp_path / "shared", part_size=10, on=nodes.address, watch=watch, device="cpu"
    )
    nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    assert contents(tmp_path / "shared") == contents(tmp_path / "alone")
    assert (found.files, found.read, found.unread) == (302, 300, 2) == (alone.files, alone.read, alone.unread)
    assert found.lost >= 1
    assert any("2 places on 2 machines" in said for said in watch.said)
    assert any("a place was lost" in said for said in watch.said)
    rows = [
        row[0]
        for path in (tmp_path / "shared").glob("*.csv")
        for row in list(csv.reader(path.read_text().splitlines()))[1:]
    ]
    assert sorted(rows) == sorted(map(str, pictures.iterdir())), "each file exactly once"


def test_a_machine_with_another_version_is_named(nodes: Any, run: Path, pictures: Path, tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    here = cluster.versions()
    monkeypatch.setattr(cluster, "versions", lambda: here | {"hubel": "9.9"})
    with pytest.raises(hubel.UsageError, match=r"of the cluster hubel is .*, and here it is 9\.9"):
        hubel.predict_parts(run, pictures, out=tmp_path / "out", on=nodes.address)


def test_more_cores_than_any_machine_has_are_refused_with_what_there_is(
    nodes: Any, run: Path, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(hubel.UsageError, match=r"no machine of the cluster has 64 cores for a place; cores of each: 1"):
        hubel.predict_parts(run, pictures, out=tmp_path / "out", on=nodes.address, threads=64)
