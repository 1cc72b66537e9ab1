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
