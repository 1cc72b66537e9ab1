"""One walk through folders of pictures, for training and prediction alike."""

from __future__ import annotations

import os
from pathlib import Path

from data.pictures import encoded, scene, tree
from hubel.data.walk import pictures_below

PICTURE = encoded(scene(0, 8, 8), "PNG")


def test_a_named_folder_means_the_pictures_in_it_and_no_hidden_ones(tmp_path: Path) -> None:
    names = (
        "b.png",
        "a/2.JPG",
        "a/1.png",
        ".ipynb_checkpoints/a-checkpoint.png",
        "a/.x.png",
        "__MACOSX/b.png",
        "notes.txt",
    )
    root = str(tree(tmp_path, dict.fromkeys(names, PICTURE)))
    paths, problems = pictures_below(root)
    assert [os.path.relpath(path, root) for path in paths] == ["a/1.png", "a/2.JPG", "b.png"]
    assert problems == []


def test_links_and_pipes_among_them_are_named_and_not_opened(tmp_path: Path) -> None:
    tree(tmp_path / "other", {"1.png": PICTURE, "words": b"root:x:0:0"})
    root = tree(tmp_path / "new", {"a.png": PICTURE})
    (root / "passwd.png").symlink_to(tmp_path / "other/words")
    (root / "more").symlink_to(tmp_path / "other")
    (root / "readme").symlink_to(tmp_path / "other/words")
    os.mkfifo(root / "pipe.png")
    paths, problems = pictures_below(str(root))
    assert paths == [f"{root}/a.png"]
    assert [(os.path.basename(p.path), p.kind) for p in problems] == [
        ("more", "link"), ("passwd.png", "link"), ("pipe.png", "special file"),
    ]  # fmt: skip
    paths, problems = pictures_below(str(root), follow=True)
    assert [os.path.relpath(path, root) for path in paths] == ["a.png", "more/1.png", "passwd.png"]
    assert [p.kind for p in problems] == ["special file"]
