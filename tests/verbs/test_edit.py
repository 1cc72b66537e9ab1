"""A training uses the edits that lie beside its data, says so, and is read back with exactly those."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import hubel
from hubel.data.sources import open_source
from hubel.watching import Watcher

FAST = {"model": "mnist_gap", "epochs": 1, "device": "cpu", "verbose": False}


class Heard(Watcher):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def remark(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)


def test_a_run_is_read_back_with_its_own_edits_whatever_was_edited_since(picture_folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(picture_folder, photos)
    (tmp_path / "photos" / "three").mkdir()
    shutil.move(photos / "two" / min(f.name for f in (photos / "two").iterdir()), photos / "three" / "1.png")
    hubel.edit(photos, "merge", "three", "two")
    heard = Heard()
    run = hubel.train(str(photos), out=str(tmp_path / "runs"), watch=heard, **FAST)
    assert any(said.startswith("1 edit of the labels is used") for said in heard.said)
    before = run.evaluate().top1
    hubel.edit(photos, "exclude", "zero/*.png")
    assert len(open_source(str(photos))) == 60
    assert run.evaluate().top1 == before
    assert json.loads((run.folder / "edits.jsonl").read_text())["do"] == "merge"
    hubel.edit(photos, "undo")
    again = hubel.train(resume=str(run.folder), epochs=2, verbose=False)
    assert again.status == "finished"


def test_a_run_from_before_any_edit_is_read_back_without(picture_folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(picture_folder, photos)
    run = hubel.train(str(photos), out=str(tmp_path / "runs"), **FAST)
    before = run.evaluate().top1
    hubel.edit(photos, "merge", "one", "two")
    assert run.evaluate().top1 == before


@pytest.mark.parametrize("words", [["log"], ["undo"]])
def test_the_command_tells_the_log(
    words: list[str], picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from hubel.cli import main

    photos = tmp_path / "photos"
    shutil.copytree(picture_folder, photos)
    hubel.edit(photos, "merge", "one", "two", who="Ada")
    with pytest.raises(SystemExit) as end:
        main(["edit", str(photos), *words])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert ("Ada" in said and "merge one into two" in said) if words == ["log"] else "0 edits in force" in said
