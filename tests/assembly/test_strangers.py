"""A folder unknown/ beside the classes: no class, but what teaches a net what is strange."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.assembly.strangers import given_strangers
from hubel.cli import main
from hubel.data.decode import prepare
from hubel.data.folders import open_folder
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DataError
from hubel.watching import Watcher


def put(folder: Path, pictures: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{number:03}.png")


def shapes(kind: int, count: int, seed: int) -> np.ndarray:
    """Grey noise with a light bar (0 across, 1 down), or 2: a light disc, which is neither."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 80, (count, 16, 16), dtype=np.uint8)
    y, x = np.indices((16, 16))
    for own in pixels:
        at = draw.integers(4, 11)
        own[[abs(y - at) < 2, abs(x - at) < 2, (y - at) ** 2 + (x - 8) ** 2 < 12][kind]] += 150
    return pixels


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "bars"
    for kind, name in enumerate(("across", "down")):
        put(folder / name, shapes(kind, 160, kind))
    return folder


def test_they_are_no_class_and_are_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tree / "Unknown", shapes(2, 10, 5))
    manifest = open_folder(tree)
    assert manifest.class_names == ("across", "down")
    assert [(p.path, p.kind) for p in manifest.problems] == [("Unknown", "strangers")]
    with pytest.raises(SystemExit, match="0"):
        main(["data", str(tree)])
    assert "no class: its pictures teach what is strange" in capsys.readouterr().out


def test_beside_given_splits_they_are_no_part_of_them(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for kind, name in enumerate(("across", "down")):
            put(tmp_path / split / name, shapes(kind, 2, 3 * kind))
    put(tmp_path / "unknown", shapes(2, 3, 5))
    manifest = open_folder(tmp_path)
    assert (manifest.class_names, len(manifest)) == (("across", "down"), 8)
    assert [p.kind for p in manifest.problems] == ["strangers"]


def test_where_too_little_is_held_out_to_learn_from_them_it_is_said(tree: Path, tmp_path: Path) -> None:
    put(tree / "unknown", shapes(2, 5, 5))
    quick: dict[str, Any] = {"model": "softmax_regression", "epochs": 1, "threads": 1, "val_fraction": 0.05}
    run = hubel.train(tree, out=str(tmp_path / "runs"), verbose=False, **quick)
    assert run.summary["trust"]["note"].endswith("nor was anything learnt from the folder of strangers")


def test_one_class_and_strangers_are_one_class(tmp_path: Path) -> None:
    put(tmp_path / "across", shapes(0, 3, 0))
    put(tmp_path / "unknown", shapes(2, 3, 5))
    with pytest.raises(DataError, match="of one only: 'across'; unknown/ is no class"):
        open_folder(tmp_path)


class Remarks(Watcher):
    """Keeps what is remarked."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def remark(self, text: str) -> None:
        self.said.append(text)


def test_they_help_to_choose_and_half_of_them_show_how_well(tree: Path, tmp_path: Path) -> None:
    put(tree / "unknown", np.concatenate([shapes(2, 60, 5), shapes(0, 160, 0)[:5]]))
    watch = Remarks()
    run = hubel.train(
        tree, out=str(tmp_path / "runs"), epochs=2, model="mnist_cnn", device="cpu", threads=1, watch=watch
    )
    told = run.summary["trust"]
    assert told["strangers"] == 60
    assert 0.5 < told["separation_unknown"] <= 1
    assert "5 pictures in unknown/ lie among the classes, too, and are not taken for strange" in watch.said
    assert "60 pictures in unknown/ helped to choose what is strange" in watch.said
    assert "that took no part in the choice" in (run.folder / "report.html").read_text()
    discs, bars = run.predict(list(shapes(2, 40, 9))), run.predict(list(shapes(0, 40, 9)))
    assert np.mean([p.familiarity for p in discs]) < np.mean([p.familiarity for p in bars])


@pytest.mark.parametrize(("count", "said"), [(3, "3 pictures in unknown/ are too few"), (0, "holds no pictures")])
def test_too_few_or_none_are_told(tree: Path, count: int, said: str) -> None:
    put(tree / "unknown", shapes(2, count, 5))
    manifest = open_folder(tree)
    seen = Preprocessing(height=16, width=16, channels=1)
    scan, _ = prepare(manifest, seen)
    watch = Remarks()
    ready = SimpleNamespace(
        manifest=scan.manifest, scan=scan, preprocessing=seen,
        recipe=SimpleNamespace(data=SimpleNamespace(follow_links=False)),
    )  # fmt: skip
    assert given_strangers(ready, watch) is None  # type: ignore[arg-type]
    assert said in watch.said[0]
