"""From what the user wrote to a manifest, or to words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.pictures import classes, encoded, scene, tree
from hubel.data.sources import open_source
from hubel.errors import DataError, UsageError


def test_a_folder_and_a_table_are_sources(tmp_path: Path) -> None:
    root = classes(tmp_path / "photos", {"cat": 2, "dog": 2})
    assert open_source(root).class_names == open_source(str(root)).class_names == ("cat", "dog")
    (root / "list.csv").write_text("file,label\ncat/000.png,x\ndog/000.png,y\n")
    assert open_source(root / "list.csv").class_names == ("x", "y")


def test_a_folder_that_is_called_like_a_set_is_meant_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes(tmp_path / "digits", {"cat": 2, "dog": 2})
    monkeypatch.chdir(tmp_path)
    assert open_source("digits").kind == "arrays"
    assert open_source("./digits").class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("minst", "no source is called 'minst'", "'mnist'"),
        ("photo", "no source is called 'photo'", "'photos'"),
        ("./photo", "./photo does not exist", "'photos'"),
        ("nowhere/at/all", "nowhere/at/all does not exist", "nothing of that name"),
        ("zzzzzz", "no source is called 'zzzzzz'", "digits"),
        ("x\0y", "no source is called", ""),
        ("a" * 5000, "cannot be a path|no source|does not exist", ""),
    ],
)
def test_what_is_not_there_is_said_with_near_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str, hint: str
) -> None:
    classes(tmp_path / "photos", {"cat": 1, "dog": 1})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=what) as error:
        open_source(name)
    assert hint in error.value.hint
    assert error.value.exit_code == 2


def test_one_picture_is_no_data_set(tmp_path: Path) -> None:
    tree(tmp_path, {"cat.png": encoded(scene(0), "PNG")})
    with pytest.raises(DataError, match="is one file") as error:
        open_source(tmp_path / "cat.png")
    assert "hubel predict" in error.value.hint


def test_a_table_in_each_part_of_a_split_says_the_labels(tmp_path: Path) -> None:
    root = classes(tmp_path / "h", {"train": 3, "test": 2})
    (root / "train/metadata.csv").write_text("file_name,label\n000.png,a\n001.png,b\n002.png,a\n")
    (root / "test/metadata.jsonl").write_text(
        '{"file_name": "000.png", "label": "b"}\n{"file_name": "9.png", "label": "a"}'
    )
    manifest = open_source(root)
    assert manifest.paths == ("train/000.png", "train/001.png", "train/002.png", "test/000.png")
    assert manifest.class_names == ("a", "b")
    assert manifest.given_split.tolist() == ["train", "train", "train", "test"]
    (problem,) = manifest.problems
    assert "line 2 of test/metadata.jsonl: no such file" in problem.reason


def test_a_part_without_a_table_beside_parts_that_have_one_is_named(tmp_path: Path) -> None:
    root = classes(tmp_path / "h", {"train": 2, "test/a": 1, "test/b": 1})
    (root / "train/metadata.csv").write_text("file_name,label\n000.png,a\n001.png,b\n")
    (problem,) = open_source(root).problems
    assert (problem.path, problem.kind) == ("test", "passed over")


def test_a_table_that_is_about_something_else_changes_no_folder(tmp_path: Path) -> None:
    root = classes(tmp_path / "photos", {"cat": 2, "dog": 2})
    (root / "labels.csv").write_text("id,weight\n1,3.5\n")
    manifest = open_source(root)
    assert manifest.class_names == ("cat", "dog")
    assert [(problem.path, problem.kind) for problem in manifest.problems] == [("labels.csv", "passed over")]


@pytest.mark.parametrize("said", ["elsewhere/photos", "elsewhere", "."])
def test_data_that_moved_is_found_where_it_is_said_to_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    classes(tmp_path / "elsewhere/photos", {"cat": 1, "dog": 1})
    monkeypatch.chdir(tmp_path / "elsewhere/photos" if said == "." else tmp_path)
    assert open_source("/gone/photos", data_root=said).class_names == ("cat", "dog")


def test_data_that_is_not_where_it_is_said_to_lie_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--data-root must be where list\.csv lies") as error:
        open_source("list.csv", data_root=tmp_path)
    assert error.value.hint == "it holds no list.csv"


@pytest.mark.parametrize("options", [{"columns": {"file": "x"}}, {"images": "x"}, {"follow_links": True}])
def test_options_that_would_be_without_effect_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="has no meaning for the named set digits"):
        open_source("digits", **options)  # type: ignore[arg-type]
    if "follow_links" not in options:
        with pytest.raises(UsageError, match="has no meaning for a folder of class folders"):
            open_source(classes(tmp_path / "photos", {"cat": 1, "dog": 1}), **options)  # type: ignore[arg-type]
