"""Pictures without labels: what counts as one, what a source's own labels are still good for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.decode import Decoded
from hubel.data.scan import conclude
from hubel.data.sources import open_source
from hubel.data.unlabelled import TURNS, UNNAMED, four_ways, open_pictures, set_aside, some_of, turned
from hubel.errors import DataError, UsageError


def drop(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(folder / name)
    return folder


def test_a_flat_folder_is_one_class(tmp_path: Path) -> None:
    found = open_pictures(drop(tmp_path, "b.png", "a.png"))
    assert (found.paths, found.class_names, found.labels.tolist()) == (("a.png", "b.png"), UNNAMED, [0, 0])


def test_class_folders_keep_their_labels_and_loose_pictures_come_after_them(tmp_path: Path) -> None:
    found = open_pictures(drop(tmp_path, "cat/1.png", "dog/2.png", "a.png"))
    assert found.paths == ("cat/1.png", "dog/2.png", "a.png")
    assert found.class_names == ("cat", "dog", *UNNAMED)
    assert found.labels.tolist() == [0, 1, 2]
    assert not found.problems


def test_class_folders_alone_are_read_as_training_reads_them(tmp_path: Path) -> None:
    drop(tmp_path, "train/cat/1.png", "train/dog/2.png", "test/cat/3.png", "test/dog/4.png")
    assert open_pictures(tmp_path).digest == open_source(tmp_path).digest


def test_a_given_test_part_stays_one_where_it_has_no_classes(tmp_path: Path) -> None:
    found = open_pictures(drop(tmp_path, "train/1.png", "train/deep/2.png", "test/3.png"))
    assert dict(zip(found.paths or (), found.given_split.tolist(), strict=True)) == {
        "train/1.png": "train", "train/deep/2.png": "train", "test/3.png": "test",
    }  # fmt: skip


def test_a_folder_beside_the_parts_of_a_split_is_learnt_from(tmp_path: Path) -> None:
    names = [f"{part}/{name}/1.png" for part in ("train", "test") for name in ("cat", "dog")]
    found = open_pictures(drop(tmp_path, *names, "unlabelled/x.png"))
    assert (found.paths or ())[-1] == "unlabelled/x.png"
    assert found.given_split[-1] == ""


def test_pictures_of_runs_among_the_data_are_none_of_them(tmp_path: Path) -> None:
    drop(tmp_path, "a.png", "runs/a-1/figures/loss.png")
    for name in ("config.yaml", "env.json"):
        (tmp_path / "runs" / "a-1" / name).write_text("{}")
    assert open_pictures(tmp_path).paths == ("a.png",)


def test_links_are_followed_only_when_asked_for(tmp_path: Path) -> None:
    outside = drop(tmp_path / "outside", "x.png")
    folder = drop(tmp_path / "data", "a.png")
    (folder / "b.png").symlink_to(outside / "x.png")
    assert open_pictures(folder).paths == ("a.png",)
    both = open_pictures(folder, follow_links=True)
    assert both.paths == ("a.png", "b.png")
    assert both.files[1] == str((outside / "x.png").resolve())


def test_a_table_of_numbers_gives_its_pictures(tmp_path: Path) -> None:
    drop(tmp_path, "1.png", "2.png", "3.png")
    (tmp_path / "labels.csv").write_text("file,target\n1.png,0.5\n2.png,1.5\n3.png,2.5\n")
    found = open_pictures(tmp_path / "labels.csv", columns={"file": "file", "target": "target"})
    assert (len(found), found.class_names) == (3, UNNAMED)


@pytest.mark.parametrize(("source", "error", "message"), [
    ("spirals", UsageError, "holds no pictures"), ("nowhere/at/all", UsageError, "does not exist"),
])  # fmt: skip
def test_what_holds_no_pictures_is_refused(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_pictures(source)


def test_an_empty_folder_is_refused_and_links_in_it_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").symlink_to("nowhere.png")
    with pytest.raises(DataError, match="holds no pictures, but 1 link; links are not") as error:
        open_pictures(tmp_path)
    assert "--follow-links" in error.value.hint


def test_labels_are_set_aside_and_known(tmp_path: Path) -> None:
    manifest = open_pictures(drop(tmp_path, "cat/1.png", "dog/2.png", "a.png"))
    pixels = Decoded(images=np.zeros((3, 1, 4, 4), np.uint8), labels=manifest.labels, ids=np.arange(3), digest="")
    bare = open_source("digits")
    scan = conclude(bare, None)
    scan, decoded, known = set_aside(type(scan)(**{**scan.__dict__, "manifest": manifest}), pixels, TURNS)
    assert known is not None
    assert (known.labels.tolist(), known.class_names) == ([0, 1, -1], ("cat", "dog"))
    assert scan.manifest.labels.tolist() == decoded.labels.tolist() == [0, 0, 0]


def test_turns_are_those_of_torch() -> None:
    images = torch.randint(0, 256, (3, 2, 5, 5), dtype=torch.uint8)
    wanted = torch.stack([images.rot90(turn, (2, 3)) for turn in range(4)], dim=1).flatten(0, 1)
    assert torch.equal(torch.from_numpy(four_ways(images.numpy())), wanted)


def test_rows_in_four_turns_are_samples_of_four_classes() -> None:
    manifest = open_source("digits")
    scan = conclude(manifest, None)
    assert manifest.arrays is not None
    decoded = Decoded(
        images=manifest.arrays.transpose(0, 3, 1, 2), labels=manifest.labels, ids=np.arange(len(manifest)), digest=""
    )
    found, pictures, rows = turned(scan, decoded, np.array([5, 9]))
    assert found.manifest.labels.tolist() == pictures.labels.tolist() == [0, 1, 2, 3] * 2
    assert [found.manifest.name(row) for row in rows[:4]] == ["digits[0]"] * 1 + [f"digits[{k}]" for k in (1, 2, 3)]
    assert np.array_equal(pictures.images[4], decoded.images[9])


def test_some_rows_do_not_depend_on_their_order() -> None:
    rows = np.arange(50)
    assert some_of(rows, 7, seed=1).tolist() == some_of(rows[::-1], 7, seed=1).tolist()
    assert some_of(rows, 7, seed=1).tolist() != some_of(rows, 7, seed=2).tolist()
    assert len(some_of(rows, 99)) == 50
