"""Pictures and samples to look at: a picked sample is what was picked, several are a fair part of their set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.pictures import classes, tree
from hubel.errors import DataError
from hubel.records.pictures import read
from hubel.records.subjects import net_and_pictures


@pytest.fixture
def four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "home"))
    return classes(tmp_path / "four", dict.fromkeys(("ant", "bee", "cow", "dog"), 3))


def test_one_sample_of_a_folder_is_no_data_set_and_needs_no_second_class(four: Path) -> None:
    pixels, labels, _, names = read(f"{four}:7", None)
    assert pixels.shape == (1, 3, 16, 20)
    assert labels is not None
    assert labels.tolist() == [2]
    assert names == ("ant", "bee", "cow", "dog")


def test_one_sample_of_a_table_is_the_row_that_was_meant(four: Path) -> None:
    (four / "t.csv").write_text("file,label\nant/000.png,x\ndog/001.png,y\n")
    _, labels, _, names = read(f"{four / 't.csv'}:1", None)
    assert labels is not None
    assert (labels.tolist(), names) == ([1], ("x", "y"))


def test_several_samples_of_a_folder_are_of_all_its_classes(four: Path) -> None:
    found = net_and_pictures("mnist_cnn", str(four), count=4)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2, 3]
    (four / "t.csv").write_text(
        "file,target\n" + "".join(f"ant/00{i}.png,{i / 2}\ncow/00{i}.png,{9 + i}\n" for i in range(3))
    )
    _, targets, _, _ = read(str(four / "t.csv"), None, count=3)
    assert targets is not None
    assert np.ptp(targets.numpy()) > 5


def test_a_picked_sample_that_cannot_be_read_is_named(four: Path) -> None:
    tree(four, {"bee/000.png": b"words"})
    with pytest.raises(DataError, match=r"bee/000\.png"):
        read(f"{four}:3", None)
    assert read(f"{four}:4", None)[0].shape[0] == 1
