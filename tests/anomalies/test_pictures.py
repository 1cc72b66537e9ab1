"""Where normal and other pictures come from, and what cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anomalies.parts import good, scratched, write
from hubel.anomalies.pictures import list_material, read_masks
from hubel.data.preprocessing import Preprocessing
from hubel.errors import DataError, HubelError, UsageError


def test_folders_say_what_is_normal(tmp_path: Path) -> None:
    write(good(4), tmp_path / "fine")
    write(good(2), tmp_path / "mixed" / "OK")
    write(good(3), tmp_path / "mixed" / "dent")
    write(good(1), tmp_path / "mixed")
    found = list_material(str(tmp_path / "fine"), str(tmp_path / "mixed"))
    assert len(found.good) == 4
    assert sorted(zip(found.truth.tolist(), found.kinds, strict=True)) == [
        (-1, ""), (0, "OK"), (0, "OK"), (1, "dent"), (1, "dent"), (1, "dent"),
    ]  # fmt: skip
    other = list_material(str(tmp_path / "fine"), str(tmp_path / "mixed"), normal=["dent"])
    assert other.truth.tolist().count(0) == 3


def test_unsorted_pictures_are_looked_at_and_not_measured(tmp_path: Path) -> None:
    write(good(4), tmp_path / "fine")
    write(good(2), tmp_path / "new" / "monday")
    assert list_material(str(tmp_path / "fine"), str(tmp_path / "new")).truth.tolist() == [-1, -1]
    assert list_material(str(tmp_path / "fine")).test is None


@pytest.mark.parametrize("named", ["part", "part/train/good"])
def test_the_layout_of_mvtec_is_read_as_it_is(tmp_path: Path, named: str) -> None:
    part = tmp_path / "part"
    write(good(4), part / "train" / "good")
    write(good(2), part / "test" / "good")
    bad, masks = scratched(good(2))
    write(bad, part / "test" / "scratch")
    (part / "ground_truth" / "scratch").mkdir(parents=True)
    for row, mask in enumerate(masks):
        Image.fromarray((255 * mask).astype(np.uint8)).save(part / "ground_truth" / "scratch" / f"{row:03d}_mask.png")
    found = list_material(str(tmp_path / named), None if named == "part" else str(part))
    assert (len(found.good), found.truth.tolist(), found.name) == (4, [0, 0, 1, 1], "part")
    known, problems = read_masks(found.masks, found.truth, Preprocessing(height=24, width=24))
    assert problems == []
    assert known is not None
    np.testing.assert_array_equal(known[2:], masks)
    assert not known[:2].any()


def test_one_class_of_a_set_is_normal() -> None:
    found = list_material("digits", normal=["3"])
    assert found.test is not None
    assert set(np.array(found.kinds)[found.truth == 0]) == {"3"}
    assert "3" not in set(np.array(found.kinds)[found.truth == 1])
    assert len(found.good) + int((found.truth == 0).sum()) == 183


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("digits",), "nobody said which is normal"),
        (("digits", None, ["11"]), "unknown class '11'"),
        (("iris", None, ["setosa"]), "holds no pictures"),
        (("digits", "x", ["3"]), "--test names other pictures"),
        (("digits", None, [str(k) for k in range(10)]), "all classes are called normal"),
        (("nowhere",), "there is no such folder"),
        (("{}/file.txt",), "which is a file"),
        (("{}",), "holds no pictures"),
        (("a\0b",), "there is no such folder"),
    ],
)
def test_what_cannot_be_used_is_said(words: tuple[object, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("no")
    place, test, normal = (*words, None, ())[:3] if len(words) < 3 else words
    with pytest.raises(HubelError) as error:
        list_material(str(place).format(tmp_path), test, normal=normal or ())  # type: ignore[arg-type]
    assert said in str(error.value)


def test_a_mask_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_text("no picture")
    known, problems = read_masks([str(tmp_path / "m.png"), None], np.array([1, 0]), Preprocessing(height=8, width=8))
    assert [problem.path for problem in problems] == [str(tmp_path / "m.png")]
    assert known is not None
    assert (known[0] == -1).all()
    assert (known[1] == 0).all()


def test_an_empty_folder_of_tests_is_refused(tmp_path: Path) -> None:
    write(good(3), tmp_path / "fine")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        list_material(str(tmp_path / "fine"), str(tmp_path / "empty"))


def test_a_normal_folder_that_is_none_of_the_test_is_refused_with_those_there_are(tmp_path: Path) -> None:
    for place in ("fine", "mixed/fine", "mixed/scratch"):
        write(good(3), tmp_path / place)
    there = (str(tmp_path / "fine"), str(tmp_path / "mixed"))
    assert set(list_material(*there, normal=["Fine"]).truth.tolist()) == {0, 1}
    with pytest.raises(UsageError, match=r"--normal says 'fien'.*it has fine, scratch"):
        list_material(*there, normal=["fine", "fien"])
