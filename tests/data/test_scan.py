"""What is wrong is named file by file before any step; what can be used is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.pictures import classes, encoded, scene, tree
from hubel.data.folders import open_folder
from hubel.data.manifest import leaks
from hubel.data.scan import Scan, scan
from hubel.data.sources import open_source
from hubel.data.splits import split
from hubel.data.summary import describe
from hubel.errors import DataError


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """Good pictures, and one of everything that is not."""
    root = classes(tmp_path / "messy", {"cat": 4, "dog": 3})
    photo = encoded(scene(50), "JPEG")
    return tree(root, {
        "cat/cut.jpg": photo[: len(photo) * 9 // 10],
        "cat/cut-and-closed.jpg": photo[: len(photo) * 9 // 10] + b"\xff\xd9",
        "cat/words.jpg": b"not a picture at all",
        "cat/nothing.png": b"",
        "cat/twin.png": (root / "cat/000.png").read_bytes(),
        "dog/impostor.png": (root / "cat/001.png").read_bytes(),
        "dog/notes.txt": b"do not forget",
        "bird/only.png": encoded(scene(60), "PNG"),
        "cow/broken.png": encoded(scene(61), "PNG")[:60],
    })  # fmt: skip


def kinds(found: Scan) -> dict[str, str]:
    return {problem.path: problem.kind for problem in found.problems}


def test_one_list_names_all_that_is_wrong(messy: Path, tmp_path: Path) -> None:
    found = scan(open_folder(messy), cache_dir=tmp_path / "cache")
    assert kinds(found) == {
        "cat/cut.jpg": "truncated", "cat/cut-and-closed.jpg": "truncated", "cat/words.jpg": "not an image",
        "cat/nothing.png": "empty", "cat/twin.png": "duplicate", "dog/impostor.png": "conflicting labels",
        "dog/notes.txt": "not an image", "bird": "single-image class", "cow/broken.png": "truncated",
        "cow": "empty class",
    }  # fmt: skip
    assert [problem.left_out for problem in found.problems] == [True] * 6 + [False] * 4
    assert found.manifest.class_names == ("bird", "cat", "dog")
    assert len(found.manifest) == 4 + 3 + 1 + 1 + 1
    assert found.listed - len(found.manifest) == 5
    assert found.manifest.paths is not None
    for path, label in zip(found.manifest.paths, found.manifest.labels, strict=True):
        assert found.manifest.class_names[label] == path.split("/")[0]


def test_the_reason_of_a_conflict_names_both_labels(messy: Path, tmp_path: Path) -> None:
    found = scan(open_folder(messy), cache_dir=tmp_path / "cache")
    (conflict,) = (problem for problem in found.problems if problem.kind == "conflicting labels")
    assert conflict.reason == "same contents as cat/001.png, which is labelled 'cat' and not 'dog'"


def test_a_second_scan_tells_the_same_without_reading(messy: Path, tmp_path: Path) -> None:
    first = scan(open_folder(messy), cache_dir=tmp_path / "cache")
    counted: list[int] = []
    again = scan(open_folder(messy), cache_dir=tmp_path / "cache", progress=lambda done, total: counted.append(total))
    assert counted == []
    assert again.problems == first.problems
    assert again.manifest.digest == first.manifest.digest
    assert again.looks == first.looks


def test_only_what_changed_is_read_again(messy: Path, tmp_path: Path) -> None:
    scan(open_folder(messy), cache_dir=tmp_path / "cache")
    (messy / "cat/words.jpg").write_bytes(encoded(scene(70), "JPEG"))
    (messy / "cat/new.png").write_bytes(encoded(scene(71), "PNG"))
    (messy / "dog/000.png").unlink()
    counted: list[int] = []
    found = scan(open_folder(messy), cache_dir=tmp_path / "cache", progress=lambda done, total: counted.append(total))
    assert set(counted) == {2}
    fresh = scan(open_folder(messy), cache_dir=tmp_path / "another cache")
    assert found.problems == fresh.problems
    assert found.manifest.digest == fresh.manifest.digest


def test_a_damaged_index_costs_time_and_nothing_else(messy: Path, tmp_path: Path) -> None:
    first = scan(open_folder(messy), cache_dir=tmp_path / "cache")
    (index,) = (tmp_path / "cache/index").iterdir()
    whole = index.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], b"{}", b"[1]", whole.replace(b'"stats":[[', b'"stats":[[1,')):
        index.write_bytes(damage)
        assert scan(open_folder(messy), cache_dir=tmp_path / "cache").manifest.digest == first.manifest.digest


def test_one_usable_class_is_refused_with_the_worst_reasons(tmp_path: Path) -> None:
    root = classes(tmp_path / "root", {"cat": 2})
    tree(root, {"dog/1.jpg": b"words", "dog/2.jpg": b""})
    with pytest.raises(DataError) as error:
        scan(open_folder(root), cache_dir=tmp_path / "cache")
    assert "usable samples of one class only ('cat')" in error.value.what
    assert "dog/1.jpg" in error.value.what
    assert error.value.exit_code == 3


def test_no_usable_picture_is_refused(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", {"dog/1.jpg": b"words", "cat/2.jpg": b"words"})
    with pytest.raises(DataError, match="no usable sample among 2 files"):
        scan(open_folder(root), cache_dir=tmp_path / "cache")


def test_wild_imbalance_is_mentioned(tmp_path: Path) -> None:
    found = scan(open_folder(classes(tmp_path / "root", {"cat": 25, "dog": 2})), cache_dir=tmp_path / "cache")
    (problem,) = found.problems
    assert (problem.kind, problem.path, problem.left_out) == ("imbalance", "dog", False)


def test_sets_in_memory_are_scanned_too() -> None:
    found = scan(open_source("iris"))
    assert [(p.path, p.kind) for p in found.problems] == [("iris[142]", "duplicate")]


def test_the_summary_counts_what_there_is(messy: Path, tmp_path: Path) -> None:
    (messy / "dog/large.png").write_bytes(encoded(scene(80, 64, 64).convert("RGBA"), "PNG"))
    about = describe(scan(open_folder(messy), cache_dir=tmp_path / "cache"))
    assert about.samples == sum(about.class_counts) == 11
    assert dict(zip(about.class_names, about.class_counts, strict=True)) == {"bird": 1, "cat": 5, "dog": 5}
    assert about.left_out == {"truncated": 3, "not an image": 2, "empty": 1}
    assert about.modes == {"RGB": 10, "RGBA": 1}
    assert about.formats == {"PNG": 11}
    assert (64, 64, 1) in about.sizes
    assert sum(count for _, _, count in about.sizes) == 11


def test_kept_rows_are_those_of_the_list(messy: Path, tmp_path: Path) -> None:
    listed = open_folder(messy)
    found = scan(listed, cache_dir=tmp_path / "cache")
    assert listed.paths is not None
    assert tuple(listed.paths[row] for row in found.kept) == found.manifest.paths
    assert (np.diff(found.kept) > 0).all()


def test_a_scan_does_not_change_what_a_set_in_memory_is() -> None:
    listed = open_source("digits")
    assert scan(listed).manifest.digest == listed.digest


def test_a_picture_on_both_sides_of_a_given_split_is_a_leak_and_no_duplicate(tmp_path: Path) -> None:
    root = classes(tmp_path / "d", {"train/ant": 3, "train/bee": 3, "test/ant": 2, "test/bee": 2})
    tree(root, {"test/ant/copy.png": (root / "train/ant/001.png").read_bytes()})
    tree(root, {"test/bee/twin.png": (root / "test/bee/000.png").read_bytes()})
    found = scan(open_folder(root), cache_dir=tmp_path / "cache")
    assert kinds(found) == {"train/ant/001.png": "leak", "test/bee/twin.png": "duplicate"}
    assert leaks(found.problems) == "1 test picture is also in training; the copies there are not used"
    parts = split(found.manifest)
    assert [found.manifest.name(row) for row in parts.dropped] == ["train/ant/001.png"]


def test_a_group_on_both_sides_of_a_given_split_is_a_leak(tmp_path: Path) -> None:
    root = classes(tmp_path / "d", {"ant": 2, "bee": 2})
    rows = ["ant/000.png,ant,train,p", "ant/001.png,ant,test,p", "bee/000.png,bee,train,q", "bee/001.png,bee,test,r"]
    (root / "t.csv").write_text("file,label,split,group\n" + "\n".join(rows) + "\n")
    found = scan(open_source(root / "t.csv"), cache_dir=tmp_path / "cache")
    assert [(p.path, p.kind, p.reason) for p in found.problems] == [
        ("p", "leak", "a group that is in train and in test")
    ]
