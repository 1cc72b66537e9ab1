"""Labels of a table of several are edited one by one, or all of a picture; the table stays as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import hubel
from hubel.cli import main
from hubel.data.scan import scan
from hubel.data.sources import open_as_learnt
from hubel.errors import UsageError

from .conftest import QUICK, pairs


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Sixty pictures; the first have the labels 1|2, 2, 0 and none."""
    return pairs(tmp_path / "scenes", 60)


def labels_of(data: Path, *files: str) -> list[str]:
    manifest = open_as_learnt(data)
    assert manifest.paths is not None
    return [manifest.labelled_as(manifest.paths.index(file)) for file in files]


def test_a_label_comes_another_goes_and_the_table_stays_as_it_is(scenes: Path) -> None:
    table, digest = (scenes / "labels.csv").read_bytes(), open_as_learnt(scenes).digest
    hubel.edit(scenes, "label", "000.png", "001.png", "digit 0")
    hubel.edit(scenes, "unlabel", "00*.png", "digit 2")
    hubel.edit(scenes, "relabel", "003.png", "digit 2|digit 1")
    made = hubel.edit(scenes, "relabel", "002.png", "none", who="me")
    assert labels_of(scenes, "000.png", "001.png", "002.png", "003.png") == [
        "digit 0|digit 1", "digit 0", "none", "digit 1|digit 2"
    ]  # fmt: skip
    assert [(one.who, one.old, one.new) for one in made.made] == [("me", "digit 0", "none")]
    assert not hubel.edit(scenes, "label", "003.png", "digit 1").made, "it has it already"
    for _ in range(4):
        hubel.edit(scenes, "undo")
    assert (scenes / "labels.csv").read_bytes() == table
    assert open_as_learnt(scenes).digest == digest


def test_labels_are_merged_made_and_lost_as_classes_are(scenes: Path) -> None:
    hubel.edit(scenes, "label", "003.png", "a cat", new_class=True)
    hubel.edit(scenes, "merge", "digit 0", "digit 1")
    assert open_as_learnt(scenes).class_names == ("a cat", "digit 1", "digit 2")
    assert labels_of(scenes, "002.png", "003.png") == ["digit 1", "a cat"]
    left = hubel.edit(scenes, "unlabel", "003.png", "a cat")
    assert left.classes == ("digit 1", "digit 2")
    assert "with 2 labels" in left.sentence
    assert "scenes: 60 pictures with 2 labels\n" in str(hubel.scan(scenes)), "they are no classes"
    assert hubel.edit(scenes, "exclude", "003.png").samples == 59


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("label", "000.png", "digit 7"), r"unknown class 'digit 7'[\s\S]*--new-class"),
        (("label", "000.png", "digit 0|digit 1"), r"one label is named here[\s\S]*relabel says all"),
        (("relabel", "000.png", "digit 0|digit 7"), "unknown class 'digit 7'"),
        (("label", "nothing.png", "digit 0"), "no file 'nothing.png'"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(scenes: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        hubel.edit(scenes, *words)
    assert not (scenes / "edits.jsonl").exists()


def test_pictures_of_one_class_each_have_no_label_that_comes_or_goes(picture_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(picture_folder, tmp_path / "photos")
    with pytest.raises(UsageError, match=r"for pictures with several labels[\s\S]*relabel says which class"):
        hubel.edit(tmp_path / "photos", "label", "zero/*.png", "one")


def test_a_table_of_single_labels_becomes_one_of_several_by_an_edit(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *lines = (scenes / "labels.csv").read_text().splitlines()
    (scenes / "labels.csv").write_text("\n".join([first, *(line.partition("|")[0] for line in lines)]) + "\n")
    assert not open_as_learnt(scenes).several
    hubel.edit(scenes, "label", "000.png", "digit 0")
    assert labels_of(scenes, "000.png", "002.png", "003.png") == ["digit 0|digit 1", "digit 0", "none"]
    out = str(tmp_path / "runs")
    assert hubel.train(scenes, model="mlp", epochs=1, out=out, **QUICK).recipe["train"]["task"] == "multilabel"
    with pytest.raises(SystemExit):
        main(["train", str(scenes), "--task", "classify", "--model", "mlp", "--epochs", "1", "--out", out])
    assert "each sample has one class" in " ".join(capsys.readouterr().err.split())


def test_a_run_is_read_back_with_its_own_labels_whatever_was_edited_or_added_since(
    scenes: Path, tmp_path: Path
) -> None:
    hubel.edit(scenes, "label", "003.png", "digit 2")
    run = hubel.train(scenes, model="mlp", epochs=1, out=str(tmp_path / "runs"), **QUICK)
    before = run.evaluate().to_dict()
    assert json.loads((run.folder / "edits.jsonl").read_text())["do"] == "label"
    hubel.edit(scenes, "unlabel", "*.png", "digit 2")
    shutil.copy(scenes / "000.png", scenes / "new.png")
    with open(scenes / "labels.csv", "a") as table:
        table.write("new.png,digit 2|an owl\n")
    assert run.evaluate().to_dict() == before


def test_a_clean_copy_says_the_same_labels_whatever_marks_stand_in_them(scenes: Path, tmp_path: Path) -> None:
    hubel.edit(scenes, "label", "003.png", "a + b", new_class=True)
    hubel.edit(scenes, "exclude", "001.png")
    hubel.edit(scenes, "apply", copy=tmp_path / "copy")
    edited, copy = open_as_learnt(scenes), open_as_learnt(tmp_path / "copy")
    assert copy.class_names == edited.class_names == ("a + b", "digit 0", "digit 1", "digit 2")
    assert copy.paths == edited.paths
    assert copy.targets is not None
    assert (copy.targets == edited.targets).all()
    hubel.edit(scenes, "merge", "digit 1", "one, or 1", new_class=True)
    hubel.edit(scenes, "apply", copy=tmp_path / "marked")
    assert open_as_learnt(tmp_path / "marked").class_names == ("a + b", "digit 0", "digit 2", "one, or 1")


def test_equal_pictures_with_other_labels_are_named_with_all_of_theirs(scenes: Path) -> None:
    shutil.copy(scenes / "000.png", scenes / "001.png")
    hubel.edit(scenes, "label", "001.png", "digit 1")
    hubel.edit(scenes, "label", "001.png", "digit 0")
    (problem,) = [one for one in scan(open_as_learnt(scenes)).problems if one.path == "001.png"]
    assert problem.kind == "conflicting labels"
    assert "labelled 'digit 1|digit 2' and not 'digit 0|digit 1|digit 2'" in problem.reason
