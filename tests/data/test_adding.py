"""A line more in a table: written as the others are, with every byte before it as it was, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from data.pictures import encoded, scene, tree
from disks import Full
from hubel.data.adding import Added, add_sample, picture_folder
from hubel.data.sources import open_source, tables_of
from hubel.errors import DataError, UsageError
from hubel.store import SaveFailed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path / "set", {f"a/{name}.png": encoded(scene(k), "PNG") for k, name in enumerate("0123n")})


def added(place: Path, labels: list[str], *, several: bool = False, name: str = "n.png") -> Added:
    """The picture is in the table, with these labels."""
    tables = tables_of(place, lists=several)
    folder = picture_folder(tables, open_source(place, lists=several))
    return add_sample(tables, folder / name, labels, several=several, today="2026-01-31")


ONE, TWO, WIDE = ["dog"], ["cat", "dog"], "cat,dog,note\na/0.png,1,0,x\na/1.png,0,1,\na/2.png,1,1,\n"
TABLES = {
    "the end of the last line is missing": ("file,label\na/0.png,cat\na/1.png,dog", ONE, "\na/n.png,dog\n"),
    "semicolons, Windows, other columns": (
        "id;file;label;score\r\n1;a/0.png;cat;0,5\r\n2;a/1.png;dog;\r\n", ONE, ";a/n.png;dog;\r\n",
    ),
    "everything in quotes": (
        '"file","label","who"\n"a/0.png","cat","x"\n"a/1.png","dog","y"\n', ONE, '"a/n.png","dog",""\n',
    ),
    "a label with the separator": ('file,label\na/0.png,"dog, big"\na/1.png,cat\n', ["dog, big"],
                                   'a/n.png,"dog, big"\n'),
    "a split and a group that says nothing": (
        "file,label,split,group\na/0.png,cat,test,g\na/1.png,dog,Training,g\n", ONE, "a/n.png,dog,Training,g\n",
    ),
    "groups": ("file,label,patient\na/0.png,cat,p\na/1.png,dog,q\n", ONE, "a/n.png,dog,\n"),
    "a class that is new": ("file,label\na/0.png,cat\na/1.png,dog\n\n", ["cow"], "a/n.png,cow\n"),
    "lists": ("file,label\na/0.png,cat|dog\na/1.png,dog\n", TWO, "a/n.png,cat|dog\n"),
    "lists with other marks": ('file,label\na/0.png,"cat, dog"\na/1.png,dog\n', TWO, 'a/n.png,"cat, dog"\n'),
    "no label at all": ("file,label\na/0.png,cat|dog\na/1.png,No finding\na/2.png,cat\n", [], "a/n.png,No finding\n"),
    "a column for each label": (f"file,{WIDE}", ONE, "a/n.png,0,1,\n"),
    "other words for yes and no": (
        "file,cat,dog\na/0.png,x,\na/1.png,,x\na/2.png,x,x\n", [], "a/n.png,,\n",
    ),
    "JSON": (
        '{"file": "a/0.png", "label": ["cat", "dog"], "n": 1}\n{"file": "a/1.png", "label": ["dog"], "n": 2}\n',
        TWO, '{"file": "a/n.png", "label": ["cat", "dog"]}\n',
    ),
    "JSON with numbers for classes": (
        '{"label":3,"file":"a/0.png"}\n{"label":4,"file":"a/1.png"}\n', ["4"], '{"label":4,"file":"a/n.png"}\n',
    ),
}  # fmt: skip
SEVERAL = ("lists", "no label", "a column", "other words", "JSON")


@pytest.mark.parametrize("what", TABLES)
def test_a_line_is_written_as_the_others_are(root: Path, what: str) -> None:
    text, labels, more = TABLES[what]
    place = root / ("list.jsonl" if text.startswith("{") else "list.csv")
    place.write_bytes(text.encode())
    os.chmod(place, 0o640)
    several = what.startswith(SEVERAL) and "numbers" not in what
    told = added(place, labels, several=several)
    assert place.read_bytes().decode() == text + more
    assert told.copy.read_bytes().decode() == text, "the table as it was stays beside it"
    assert {file.stat().st_mode & 0o777 for file in (place, told.copy)} == {0o640}
    found = open_source(place, lists=several)
    assert found.labelled_as(found.paths.index("a/n.png")) == ("|".join(labels) or "none")  # type: ignore[union-attr]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_the_encoding_of_a_table_stays_whatever_it_is(root: Path, encoding: str) -> None:
    place = root / "list.csv"
    place.write_bytes("file,label\na/0.png,café\na/1.png,thé\n".encode(encoding))
    before = open_source(place)
    added(place, [before.class_names[0]])
    assert place.read_bytes().decode(encoding) == "file,label\na/0.png,café\na/1.png,thé\na/n.png,café\n"
    assert open_source(place).class_names == before.class_names


HARM = {
    "a quote that is not closed": ('file,label\na/0.png,cat\na/1.png,"dog\n', ["cat"], "is never closed"),
    "a name that lists labels": (
        "file,label\na/0.png,cat|dog\na/1.png,dog\na/2.png,cat\n",
        ["dog|cat"],
        "nothing can be added to .*what its",
    ),
    "a word that is no label": (
        "file,label\na/0.png,1.5\na/1.png,2.5\na/2.png,3\n",
        ["none"],
        "nothing can be added to .*would",
    ),
}


@pytest.mark.parametrize("what", HARM)
def test_a_line_that_would_change_what_else_is_read_is_refused(root: Path, what: str) -> None:
    text, labels, why = HARM[what]
    place = root / "list.csv"
    place.write_text(text)
    with pytest.raises(DataError, match=why):
        added(place, labels)
    assert (place.read_text(), sorted(path.name for path in root.iterdir())) == (text, ["a", "list.csv"])


def test_a_picture_that_stands_there_and_a_label_without_a_column_are_said(root: Path) -> None:
    (root / "list.csv").write_text(f"file,{WIDE}")
    with pytest.raises(UsageError, match="has this picture already, as cat"):
        added(root / "list.csv", ["dog"], several=True, name="0.png")
    with pytest.raises(UsageError, match="has a column for each label, and none for 'cow'"):
        added(root / "list.csv", ["cow"], several=True)
    os.chmod(root / "list.csv", 0o444)
    with pytest.raises(DataError, match="may not be written to"):
        added(root / "list.csv", ["dog"], several=True)


def test_the_copy_of_a_day_is_the_table_before_its_first_line(root: Path) -> None:
    (root / "labels.csv").write_text("file,label\na/0.png,cat\na/1.png,dog\n")
    first, second = added(root, ["dog"]), added(root, ["cat"], name="3.png")
    assert first.copy == second.copy
    assert first.copy.read_text() == "file,label\na/0.png,cat\na/1.png,dog\n"
    assert (root / "labels.csv").read_text().splitlines()[3:] == ["a/n.png,dog", "a/3.png,cat"]


def test_of_a_table_for_each_part_that_of_training_grows(tmp_path: Path) -> None:
    files = {f"{part}/{k}.png": encoded(scene(k), "PNG") for part in ("train", "test") for k in range(3)}
    root = tree(tmp_path / "set", files)
    for part in ("train", "test"):
        (root / part / "labels.csv").write_text("file,label\n0.png,cat\n1.png,dog\n")
    assert added(root, ["dog"], name="2.png").table == root / "train" / "labels.csv"
    assert (root / "test" / "labels.csv").read_text() == "file,label\n0.png,cat\n1.png,dog\n"


def test_a_disk_that_is_full_leaves_the_table_as_it_was(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "list.csv").write_text("file,label\na/0.png,cat\na/1.png,dog\n")
    monkeypatch.setattr("hubel.store.run.FileOps", lambda: Full(60))
    with pytest.raises(SaveFailed, match="No space left"):
        added(root / "list.csv", ["dog"])
    assert (root / "list.csv").read_text() == "file,label\na/0.png,cat\na/1.png,dog\n"
