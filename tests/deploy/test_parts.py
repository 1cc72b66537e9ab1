"""Answers in parts: each file once, going on wherever it was stopped, and nothing of another question taken up."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.deploy.parts import DONE, PLAN, Answering, Part
from hubel.errors import ArtefactError, UsageError

NETS = {"nets": ["abc"], "which": "best"}


def part(files: list[str], unread: int = 0) -> Part:
    lost = tuple((file, "no picture") for file in files[:unread])
    text = "file,label\n" + "".join(f"{file},cat\n" for file in files[unread:])
    return Part(csv=text if len(files) > unread else "", read=len(files) - unread, unread=lost)


def table(path: Path) -> list[list[str]]:
    """The rows of a CSV file below its head."""
    return list(csv.reader(path.read_text().splitlines()))[1:]


def rows(folder: Path) -> list[str]:
    return sorted(row[0] for path in folder.glob("*.csv") for row in table(path))


def test_each_file_is_in_the_result_once_however_often_it_was_stopped(tmp_path: Path) -> None:
    files = [f"/data/{number:03}.png" for number in range(23)]
    for _ in range(3):  # two parts a sitting, and the third is killed before its line stands
        answering = Answering(tmp_path / "out", files, NETS, 5)
        for number in answering.missing[:2]:
            answering.write(number, part(answering.of(number), unread=min(number, 2)))
        if answering.missing:
            answering.store.write_text(f"part-{answering.missing[0]:05d}.csv", "file,label\ntorn")
    assert answering.missing == []
    found = answering.result(0, 1.0)
    assert (found.files, found.parts, found.read, found.unread, found.kept) == (23, 5, 16, 7, 4)
    assert rows(tmp_path / "out") == files
    assert "torn" not in "".join(path.read_text() for path in (tmp_path / "out").glob("*.csv"))
    assert "16 of 23 answered" in str(found)


def test_a_part_that_somebody_took_away_is_done_again(tmp_path: Path) -> None:
    files = [f"/data/{number}.png" for number in range(6)]
    answering = Answering(tmp_path, files, NETS, 2)
    for number in answering.missing:
        answering.write(number, part(answering.of(number)))
    (tmp_path / "part-00001.csv").unlink()
    assert Answering(tmp_path, files, NETS, 2).missing == [1]


def test_a_part_read_otherwise_the_second_time_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    answering = Answering(tmp_path, ["/a.png", "/b.png"], NETS, 2)
    answering.store.write_text("unread-00000.csv", "file,reason\n/a.png,once\n")
    answering.write(0, part(["/a.png", "/b.png"]))
    assert rows(tmp_path) == ["/a.png", "/b.png"]


def test_nothing_of_another_question_is_taken_up(tmp_path: Path) -> None:
    files = ["/a.png", "/b.png"]
    Answering(tmp_path / "out", files, NETS, 1)
    for other, said in (
        ((files, {**NETS, "nets": ["def"]}, 1), "other nets"),
        ((files[:1], NETS, 1), "begun with 2 files, and now there are 1"),
        ((["/a.png", "/c.png"], NETS, 1), "or others of them"),
        ((files, NETS, 2), "begun with 1 pictures a part"),
        ((files, NETS, 0), "at least 1"),
    ):
        with pytest.raises(UsageError, match=said):
            Answering(tmp_path / "out", *other)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(UsageError, match=r"holds other files \(thesis.tex\)"):
        Answering(tmp_path / "mine", files, NETS, 1)
    with pytest.raises(UsageError, match="no folder"):
        Answering(tmp_path / "mine" / "thesis.tex", files, NETS, 1)


@pytest.mark.parametrize("line", ["{", '{"part": 9, "read": 1, "unread": 0}', '{"part": 0, "read": 5, "unread": 0}'])
def test_a_damaged_journal_is_not_believed(line: str, tmp_path: Path) -> None:
    Answering(tmp_path, ["/a.png"], NETS, 1).store.append_line(DONE, line)
    with pytest.raises(ArtefactError, match=r"done\.jsonl"):
        Answering(tmp_path, ["/a.png"], NETS, 1)
    (tmp_path / PLAN).write_text(json.dumps([1]))
    with pytest.raises(ArtefactError, match="no plan"):
        Answering(tmp_path, ["/a.png"], NETS, 1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """45 pictures of 8 by 8, and a part's worth of files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (45, 8, 8), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    for number in range(12):
        (folder / f"x{number:02}.png").write_bytes(b"nothing")
    return folder


def test_parts_say_what_predict_says(digits_run: Path, pictures: Path, tmp_path: Path) -> None:
    whole = hubel.predict(digits_run, pictures, fast=False)
    found = hubel.predict_parts(digits_run, [pictures, pictures / "003.png"], out=tmp_path / "out", part_size=10)
    assert (found.files, found.read, found.unread, found.parts) == (57, 45, 12, 6)
    lines = [
        line for path in sorted((tmp_path / "out").glob("part-*.csv")) for line in path.read_text().splitlines()[1:]
    ]
    assert sorted(lines) == sorted(whole.to_csv().splitlines()[1:])
    unread = [row for path in (tmp_path / "out").glob("unread-*.csv") for row in table(path)]
    assert sorted(row[0] for row in unread) == sorted(problem.path for problem in whole.problems)
    assert {row[1] for row in unread} == {problem.reason for problem in whole.problems}
    again = hubel.predict_parts(digits_run, [pictures, pictures / "003.png"], out=tmp_path / "out", part_size=10)
    assert again.kept == again.parts == 6


def test_what_cannot_be_answered_in_parts_is_refused(digits_run: Path, pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(hubel.UsageError, match="on must be here, local"):
        hubel.predict_parts(digits_run, pictures, out=tmp_path / "a", on="moon")
    with pytest.raises(hubel.UsageError, match="files are answered in parts"):
        hubel.predict_parts(digits_run, np.zeros((8, 8), np.uint8), out=tmp_path / "b")  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    with pytest.raises(hubel.DataError, match="empty holds no pictures"):
        hubel.predict_parts(digits_run, tmp_path / "empty", out=tmp_path / "c")
