"""Measuring a run on other data: the part that is meant, and no picture it was trained on unnoticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.errors import DataError, UsageError
from hubel.watching import Watcher


class Notes(Watcher):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def draw(folder: Path, classes: tuple[str, ...], count: int, seed: int = 0) -> None:
    """Pictures with a bright bar whose height tells the class."""
    for k, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = np.random.default_rng([seed, k, i]).integers(0, 60, (8, 8)).astype(np.uint8)
            pixels[4 * k : 4 * k + 4] += 150
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[hubel.Run, Path]:
    home = tmp_path_factory.mktemp("other")
    draw(home / "own", ("low", "high"), 20)
    run = hubel.train(home / "own", model="mlp", epochs=12, out=str(home / "runs"), augment="none")
    draw(home / "tree" / "train", ("low", "high"), 6, seed=1)
    draw(home / "tree" / "test", ("high", "low"), 4, seed=2)  # the folders are swapped: every label is wrong
    return run, home


def test_a_tree_is_measured_on_its_test_part_alone(trained: tuple[hubel.Run, Path]) -> None:
    run, home = trained
    notes = Notes()
    result = hubel.evaluate(run, home / "tree", watch=notes)
    assert (result.samples, result.top1) == (8, 0.0)
    assert any("test is measured, train left out" in remark for remark in notes.remarks)
    assert hubel.evaluate(run, home / "tree", split="train").top1 == 1.0


def test_a_split_that_other_data_do_not_have_is_refused(trained: tuple[hubel.Run, Path]) -> None:
    run, home = trained
    with pytest.raises(DataError, match="has no val part"):
        hubel.evaluate(run, home / "tree", split="val")
    with pytest.raises(UsageError, match="comes in no parts"):
        hubel.evaluate(run, home / "own", split="test")


def test_pictures_that_a_run_was_trained_on_are_named_by_their_contents(trained: tuple[hubel.Run, Path]) -> None:
    run, home = trained
    notes = Notes()
    hubel.evaluate(run, home / "own", watch=notes)
    (said,) = [remark for remark in notes.remarks if "trained on" in remark]
    assert "of these 40 pictures were trained on" in said
    notes.remarks.clear()
    hubel.evaluate(run, home / "tree", watch=notes)
    assert not any("trained on" in remark for remark in notes.remarks)
