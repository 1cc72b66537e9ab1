"""Edits: decisions about labels that lie beside the data, are applied when the data are opened, and can be undone."""

from __future__ import annotations

import csv
import errno
import json
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import hubel
from hubel.data.changes import Edit, lines_of, read_edit
from hubel.data.edit_log import EditLog
from hubel.data.sources import open_source
from hubel.data.splits import split
from hubel.data.unlabelled import open_pictures
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.store import FileOps, SaveFailed


@pytest.fixture
def photos(picture_folder: Path, tmp_path: Path) -> Path:
    """Three classes of ten pictures each."""
    for name in ("zero", "one", "two"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for file in sorted((picture_folder / name).iterdir())[:10]:
            shutil.copy(file, tmp_path / "photos" / name)
    return tmp_path / "photos"


def first(photos: Path, name: str) -> str:
    return f"{name}/{min(os.listdir(photos / name))}"


def class_of(photos: Path, file: str) -> str:
    manifest = open_source(str(photos))
    assert manifest.paths is not None
    return manifest.class_names[manifest.labels[manifest.paths.index(file)]]


def files_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(f): (f.read_bytes(), f.stat().st_mtime_ns) for f in folder.rglob("*.png")}


def test_a_picture_is_relabelled_and_no_file_is_touched(photos: Path) -> None:
    file, before, digest = first(photos, "zero"), files_of(photos), open_source(str(photos)).digest
    made = hubel.edit(photos, "relabel", file, "one", who="me")
    assert class_of(photos, file) == "one"
    assert open_source(str(photos)).digest != digest
    assert open_source(str(photos), edits=()).digest == digest
    assert files_of(photos) == before
    assert [(one.who, one.old, one.new) for one in made.log] == [("me", "zero", "one")]
    assert made.log[0].when.endswith("+00:00")


def test_undo_takes_back_the_last_command_and_an_undo_can_be_undone(photos: Path) -> None:
    whole = open_source(str(photos)).digest
    hubel.edit(photos, "exclude", "zero/*.png", first(photos, "one"))
    assert len(open_source(str(photos))) == 19
    taken = hubel.edit(photos, "undo")
    assert open_source(str(photos)).digest == whole
    assert len(taken.log) == 12  # nothing is ever removed from the log
    hubel.edit(photos, "undo", taken.made[0].id)
    assert len(open_source(str(photos))) == 19


def test_a_merge_joins_two_classes_also_what_was_relabelled_before(photos: Path) -> None:
    hubel.edit(photos, "relabel", first(photos, "zero"), "two")
    hubel.edit(photos, "merge", "two", "one")
    manifest = open_source(str(photos))
    assert manifest.class_names == ("one", "zero")
    assert np.bincount(manifest.labels).tolist() == [21, 9]


def test_a_new_class_must_be_wished_for(photos: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown class 'tow'[\s\S]*'two'\? --new-class"):
        hubel.edit(photos, "relabel", "zero/*.png", "tow")
    hubel.edit(photos, "relabel", first(photos, "zero"), "ten", new_class=True)
    assert open_source(str(photos)).class_names == ("one", "ten", "two", "zero")


def test_a_group_stays_together_in_the_split(photos: Path) -> None:
    hubel.edit(photos, "group", "zero/*.png", "film")
    manifest = open_source(str(photos))
    assert manifest.groups is not None
    parts = split(manifest, val=0.3, test=0.3, seed=1)
    rows = set(np.flatnonzero(manifest.groups == "film").tolist())
    assert len(rows) == 10
    assert sum(bool(rows & set(parts.ids(name).tolist())) for name in ("train", "val", "test")) == 1


def test_a_table_has_edits_beside_it(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [[f"photos/{name}/{file}", name] for name in ("zero", "one") for file in os.listdir(photos / name)]
    with open(table, "w", newline="") as file:
        csv.writer(file).writerows([["file", "label"], *rows])
    made = hubel.edit(table, "relabel", rows[0][0], "one")
    manifest = open_source(table)
    assert manifest.paths is not None
    assert manifest.class_names[manifest.labels[manifest.paths.index(rows[0][0])]] == "one"
    assert Path(made.place).parent == tmp_path


def test_a_table_of_a_folder_and_that_folder_share_their_edits(photos: Path) -> None:
    rows = [[f"{name}/{file}", name] for name in ("zero", "one") for file in os.listdir(photos / name)]
    with open(photos / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", "label"], *rows])
    hubel.edit(photos / "metadata.csv", "exclude", rows[0][0])
    assert len(open_source(str(photos))) == len(open_source(photos / "metadata.csv")) == 19


def test_edits_of_files_that_are_gone_or_changed_are_kept_named_and_not_applied(photos: Path) -> None:
    gone, changed = first(photos, "zero"), first(photos, "one")
    hubel.edit(photos, "relabel", gone, changed, "two")
    (photos / gone).unlink()
    shutil.copy(photos / first(photos, "two"), photos / changed)
    found = hubel.edit(photos)
    assert [found.state(one) for one in found.log] == ["not applied", "not applied"]
    assert sorted(problem.path for problem in found.problems) == sorted([gone, changed])
    assert class_of(photos, changed) == "one"
    assert len(hubel.scan(photos).problems) >= 2


def test_a_copy_of_the_data_elsewhere_keeps_its_edits(photos: Path, tmp_path: Path) -> None:
    file = first(photos, "zero")
    hubel.edit(photos, "relabel", file, "one")
    shutil.copytree(photos, tmp_path / "moved", copy_function=shutil.copyfile)  # other times, same bytes
    assert class_of(tmp_path / "moved", file) == "one"


@pytest.mark.parametrize("tail", ['{"do": "relab', "{}\n", "\x00\xff\n", '{"do": "exclude", "id": 3}\n', "[" * 5000])
def test_a_damaged_line_costs_only_itself(photos: Path, tail: str) -> None:
    hubel.edit(photos, "exclude", first(photos, "zero"))
    with open(photos / "edits.jsonl", "a", encoding="latin-1") as file:
        file.write(tail)
    hubel.edit(photos, "exclude", first(photos, "one"))
    found = hubel.edit(photos)
    assert found.samples == 28
    assert len(found.problems) == 1
    cut = "is no edit" if tail.endswith("}\n") else "is cut off"
    assert found.problems[0].reason == f"line 2 {cut}; it is passed over"


def _edit_often(log: EditLog, who: str) -> None:
    for number in range(20):
        log.add([Edit(id=f"{who}{number}", batch=f"{who}{number}", when="", who=who, do="merge", old="a", new="b")])


def test_two_editors_at_once_lose_nothing(tmp_path: Path) -> None:
    log = EditLog(beside=tmp_path / "edits.jsonl")
    context = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")
    both = [context.Process(target=_edit_often, args=(log, who)) for who in "ab"]
    for one in both:
        one.start()
    for one in both:
        one.join()
    edits, problems = log.read()
    assert len({edit.id for edit in edits}) == 40
    assert not problems


class _Unwritable(FileOps):
    """A disk that refuses one folder, as a read-only mount does (root may write anywhere)."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number

    def append(self, path: Path) -> int:
        if path.parent == self.folder:
            raise OSError(self.number, os.strerror(self.number))
        return super().append(path)


def test_where_the_data_cannot_be_written_edits_go_home(photos: Path) -> None:
    manifest = open_source(str(photos))
    assert manifest.paths is not None
    log = EditLog(beside=photos / "edits.jsonl")
    made = Edit(id="1", batch="1", when="2", who="me", do="exclude", file=manifest.paths[0])
    place = log.add([made], _Unwritable(photos, errno.EROFS))
    assert place.parent == Path(os.environ["HUBEL_HOME"]) / "edits"
    assert len(open_source(str(photos))) == 29
    place.unlink()


class _Full(FileOps):
    """A disk on which half of the first write fits."""

    def __init__(self) -> None:
        self.room = 30

    def write(self, descriptor: int, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        room, self.room = self.room, 0
        return super().write(descriptor, data[:room])


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    log = EditLog(beside=tmp_path / "edits.jsonl")
    one = Edit(id="1", batch="1", when="", who="", do="merge", old="a", new="b")
    log.add([one])
    before = log.beside.read_bytes()
    with pytest.raises(SaveFailed, match="No space left"):
        log.add([one], _Full())
    assert log.beside.read_bytes() == before


def test_a_log_that_is_a_link_is_not_followed(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (photos / "edits.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtefactError, match="link"):
        hubel.edit(photos)


def test_what_cannot_be_is_refused_with_the_way_out(photos: Path) -> None:
    file = first(photos, "zero")
    with pytest.raises(UsageError, match=f"no file 'cat/{Path(file).name}'[\\s\\S]*did you mean"):
        hubel.edit(photos, "exclude", f"cat/{Path(file).name}")
    with pytest.raises(UsageError, match=r"relabel needs FILE… CLASS, got zero"):
        hubel.edit(photos, "relabel", "zero")
    with pytest.raises(UsageError, match="unknown kind of edit 'relable'"):
        hubel.edit(photos, "relable", file, "one")
    with pytest.raises(UsageError, match="named set"):
        hubel.edit("digits", "exclude", "digits[3]")
    with pytest.raises(UsageError, match="no edit to undo"):
        hubel.edit(photos, "undo")
    hubel.edit(photos, "merge", "two", "one")
    with pytest.raises(DataError, match=r"1 class of 3 would have[\s\S]*nothing was written"):
        hubel.edit(photos, "merge", "zero", "one")
    with pytest.raises(DataError, match="0 classes of 3"):
        hubel.edit(photos, "exclude", "*")
    for words in (["exclude", file], ["undo"], ["log"], ["group", file, "film"]):
        with pytest.raises(UsageError, match="--new-class has no meaning"):
            hubel.edit(photos, *words, new_class=True)
    with pytest.raises(UsageError, match="--who has no meaning"):
        hubel.edit(photos, "log", who="Ada")
    with pytest.raises(UsageError, match="a name that can be shown"):
        hubel.edit(photos, "group", file, "film\n1")
    assert open_source(str(photos)).class_names == ("one", "zero")


def test_what_is_so_already_writes_nothing(photos: Path) -> None:
    assert not hubel.edit(photos, "relabel", first(photos, "zero"), "zero").made
    assert not (photos / "edits.jsonl").exists()
    assert len(hubel.edit(photos, "group", "zero/*.png", "film").made) == 10
    assert not hubel.edit(photos, "group", "zero/*.png", "film").made


def test_a_picture_leaves_its_group_by_an_empty_name(photos: Path) -> None:
    file = first(photos, "zero")
    hubel.edit(photos, "group", file, "film")
    left = hubel.edit(photos, "group", file, "")
    assert left.made[0].sentence == f"take {file} out of its group"
    assert open_source(str(photos)).groups is None


def test_a_log_that_leaves_one_class_since_files_went_can_be_read_and_taken_back(photos: Path) -> None:
    hubel.edit(photos, "exclude", *(f"zero/{name}" for name in sorted(os.listdir(photos / "zero"))[1:]))
    hubel.edit(photos, "merge", "two", "one")
    (photos / first(photos, "zero")).unlink()
    with pytest.raises(DataError, match=r"leave 1 class of the 3[\s\S]*undo takes the last ones back"):
        open_source(str(photos))
    found = hubel.edit(photos)
    assert (found.classes, found.samples, len(found.log)) == (("one",), 20, 10)
    assert "leave 1 class of the 3, and a net needs two" in found.problems[-1].reason
    hubel.edit(photos, "undo")
    hubel.edit(photos, "undo")
    assert open_source(str(photos)).class_names == ("one", "two", "zero")


def test_an_undo_that_would_leave_one_class_is_refused(photos: Path) -> None:
    taken = hubel.edit(photos, "merge", "two", "one")
    hubel.edit(photos, "undo")
    hubel.edit(photos, "merge", "zero", "one")
    back = hubel.edit(photos, "log").log[1]
    with pytest.raises(DataError, match="1 class of 3"):
        hubel.edit(photos, "undo", back.id)  # the first merge would count again
    found = hubel.edit(photos)
    assert len(found.log) == 3
    assert taken.made[0].id not in found.used


def test_a_clean_copy_is_what_the_edits_say(photos: Path, tmp_path: Path) -> None:
    hubel.edit(photos, "relabel", first(photos, "zero"), "one")
    hubel.edit(photos, "exclude", first(photos, "two"))
    hubel.edit(photos, "apply", copy=tmp_path / "clean")
    copy, edited = open_source(str(tmp_path / "clean")), open_source(str(photos))
    assert copy.class_names == edited.class_names
    assert np.bincount(copy.labels).tolist() == np.bincount(edited.labels).tolist() == [11, 9, 9]
    with pytest.raises(UsageError, match="new or empty"):
        hubel.edit(photos, "apply", copy=tmp_path / "clean")
    with pytest.raises(UsageError, match="among the data"):
        hubel.edit(photos, "apply", copy=photos / "clean")


def test_a_clean_copy_with_groups_says_them_in_a_table(photos: Path, tmp_path: Path) -> None:
    hubel.edit(photos, "group", "zero/*.png", "film")
    hubel.edit(photos, "apply", copy=tmp_path / "clean")
    copy = open_source(str(tmp_path / "clean"))
    assert copy.groups is not None
    assert sorted(copy.groups.tolist()) == [""] * 20 + ["film"] * 10


def test_pictures_without_labels_lack_what_was_excluded(photos: Path) -> None:
    shutil.copy(photos / first(photos, "two"), photos / "loose.png")
    hubel.edit(photos, "exclude", first(photos, "zero"))
    assert len(open_pictures(photos)) == 30  # one excluded, one that lies in no class


def test_a_line_reads_back_as_it_was_written() -> None:
    one = Edit(id="1", batch="1", when="2", who="é\udce9", do="undo", of=("a", "b"), why="x", stat="1 2 3")
    assert read_edit(lines_of([one]).encode("ascii")) == one
    assert json.loads(one.line())["of"] == ["a", "b"]
