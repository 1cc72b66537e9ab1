"""Bursts are found by time, number and look, and kept together; strangers stand out; leaks are reckoned with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import hubel
from hubel.care.bursts import find_bursts, numbered
from hubel.care.cleaning import Leaked
from hubel.care.folds import deal
from hubel.care.strangers import FENCE, distances, find_strangers
from hubel.data.moments import Moment, moment_of
from hubel.errors import UsageError
from hubel.report.pages.cleaning import render_cleaning


def scene(seed: int, shake: float = 0.0, noise: int = 1) -> np.ndarray:
    """One scene of large and small shapes, 80 x 96 x 3, perhaps shaken: the next frame of a burst."""
    random = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(random.integers(0, 256, (n, n, 3), np.uint8)).resize((96, 80), 3), float)
        for n in (3, 6, 12)
    ]
    other = np.random.default_rng(1000 * noise + seed)
    return np.clip(np.mean(layers, axis=0) + shake * other.standard_normal((80, 96, 3)), 0, 255).astype(np.uint8)


def grey(pictures: list[np.ndarray]) -> np.ndarray:
    small = [np.asarray(Image.fromarray(p).convert("L").resize((32, 32), Image.Resampling.BOX)) for p in pictures]
    return np.stack(small).astype(np.float32)


def test_names_that_count_on_and_look_alike_are_a_burst_and_numbers_alone_are_none() -> None:
    pictures = [scene(0), scene(0, 6, 1), scene(0, 6, 2), scene(1), scene(2), scene(0, 6, 3), scene(3), scene(3, 6)]
    names = [f"{name}.jpg" for name in ("a/I_7", "a/I_8", "a/I_10", "a/I_11", "a/I_12", "b/I_9", "a/I_40", "a/I_60")]
    (burst,) = find_bursts(names, grey(pictures), {}, [], ["train", "train", "test", *[""] * 5])
    assert burst.rows == (0, 1, 2)
    assert burst.signs == ("number",)
    assert burst.splits == ("test", "train")
    assert find_bursts(names[3:5], grey(pictures[3:5]), {}, [], ["", ""]) == []


def test_one_camera_within_moments_is_a_burst_and_two_cameras_or_a_pause_are_not() -> None:
    pictures = [scene(0), scene(0, 25, 1), scene(0, 25, 2), scene(0, 25, 3), scene(5)]
    taken = [(10.0, "x"), (11.5, "x"), (11.6, "y"), (30.0, "x"), (30.5, "x")]
    moments = {row: Moment(seconds=s, camera=camera) for row, (s, camera) in enumerate(taken)}
    names = [f"{letter}.jpg" for letter in "pqrst"]
    (burst,) = find_bursts(names, grey(pictures), moments, [], [""] * 5)
    assert burst.rows == (0, 1)  # 30.0 and 30.5 are of one moment, and of two scenes
    assert burst.signs == ("time",)


def test_a_time_that_a_whole_scan_shares_says_nothing() -> None:
    pictures = [scene(0, 25, number) for number in range(50)]
    moments = {row: Moment(seconds=10.0, camera="scanner") for row in range(50)}
    assert (
        find_bursts([f"{chr(97 + n % 26)}{'x' * n}" for n in range(50)], grey(pictures), moments, [], [""] * 50) == []
    )


def test_digits_that_are_numbered_are_no_bursts() -> None:
    shown = np.stack([np.asarray(Image.fromarray((d * 15).astype(np.uint8)).resize((32, 32)), float)
                      for d in load_digits().images[:100]])  # fmt: skip
    names = [f"{n}.png" for n in range(100)]
    assert len(find_bursts(names, shown.astype(np.float32), {}, [], [""] * 100, small=np.ones(100, bool))) == 0


def test_a_number_is_the_last_one_of_the_name() -> None:
    assert numbered("2024/IMG_0012(1).jpg") == ("2024/IMG_0012(#).jpg", 1)
    assert numbered("film 7") == ("film #", 7)
    assert numbered("v2/cat.png") is None


def photograph(path: Path, picture: np.ndarray, taken: str | None, camera: str = "Canon") -> None:
    exif = Image.Exif()
    if taken is not None:
        exif[0x010F], exif[0x8769] = camera, {0x9003: taken, 0x9291: "50"}
    Image.fromarray(picture).save(path, exif=exif, quality=92)


def test_the_moment_is_read_from_the_file_and_damage_is_no_moment(tmp_path: Path) -> None:
    photograph(tmp_path / "a.jpg", scene(0), "2024:03:01 10:00:07")
    found = moment_of(tmp_path / "a.jpg")
    assert found is not None
    assert found.camera == "Canon"
    assert found.seconds % 60 == pytest.approx(7.5)
    photograph(tmp_path / "b.jpg", scene(0), "yesterday")
    photograph(tmp_path / "c.jpg", scene(0), None)
    (tmp_path / "d.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:90])
    for name in ("b", "c", "d", "none"):
        assert moment_of(tmp_path / f"{name}.jpg") is None


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Two classes of 14 scenes; of three scenes there are four frames."""
    root = tmp_path / "film"
    number = 0
    for name, first in (("day", 0), ("night", 100)):
        (root / name).mkdir(parents=True)
        for place in range(14):
            for frame in range(4 if place < 3 and name == "day" else 1):
                stamp = f"2024:03:01 {10 + place % 10:02}:{place:02}:{frame:02}"
                picture = scene(first + place, 12 if frame else 0, frame)
                photograph(root / name / f"IMG_{number:04}.jpg", picture, stamp)
                number += 1 if frame or (place < 3 and name == "day") else 10
    return root


def test_bursts_become_groups_that_a_split_keeps_together_and_undo_takes_back(film: Path) -> None:
    before = {path: path.read_bytes() for path in film.rglob("*.jpg")}
    found = hubel.clean(film, group="auto", who="me")
    assert sorted(len(burst.rows) for burst in found.bursts) == [4, 4, 4]
    assert {sign for burst in found.bursts for sign in burst.signs} >= {"time"}
    log = hubel.edit(film)
    assert len(log.used) == 12
    assert {one.why for one in log.log} <= {"by time", "by number and time", "by number and time and twins",
                                            "by time and twins"}  # fmt: skip
    groups = hubel.edit(film).log
    assert len({one.new for one in groups}) == 3
    assert "12 pictures in groups" not in str(found)
    again = hubel.clean(film, group="auto")
    assert again.accepted == ()
    for told in (found, again):
        assert "stays on one side of each split: in groups already" in str(told)
    hubel.edit(film, "undo")
    assert hubel.edit(film).used == ()
    assert "should stay on one side of a split (--group auto)" in str(hubel.clean(film))
    assert {path: path.read_bytes() for path in film.rglob("*.jpg")} == before
    page = render_cleaning(found)
    assert "Bursts" in page
    assert found.to_dict()["bursts"][0]["signs"]


def test_a_way_of_grouping_that_is_none_and_a_named_set_are_refused(film: Path) -> None:
    with pytest.raises(UsageError, match="by their bursts or not at all"):
        hubel.clean(film, group="colour")
    with pytest.raises(UsageError, match="named set"):
        hubel.clean("digits", group="auto")


def with_strangers(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits and twenty that are none: pixels, labels, which."""
    digits = load_digits()
    random = np.random.default_rng(0)
    pixels, labels = digits.data / 16, digits.target.astype(np.int64)
    chosen = random.permutation(len(labels))[:20]
    made = {
        "inverted": 1 - pixels[chosen],
        "turned": np.stack([np.rot90(p.reshape(8, 8)).ravel() for p in pixels[chosen]]),
        "shuffled": np.stack([random.permutation(p) for p in pixels[chosen]]),
    }[kind]
    return (
        np.concatenate([pixels, made]), np.concatenate([labels, labels[chosen]]),
        np.arange(len(labels) + 20) >= len(labels),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["inverted", "turned", "shuffled"])
def test_strangers_are_told_first_and_hardly_any_digit_is_called_one(kind: str) -> None:
    features, labels, strange = with_strangers(kind)
    fold = deal(labels, list(range(len(labels))), 5)
    found = find_strangers(features, labels, fold)
    rows = [one.row for one in found]
    assert strange[rows[:10]].all()
    assert (~strange[rows]).sum() <= 4
    assert strange[rows].sum() >= 15
    assert all(one.score > FENCE and one.reason for one in found)
    assert max(roc_auc_score(strange, values) for values in distances(features, labels, fold).values()) > 0.99


def test_usual_pictures_have_no_strangers_and_few_pictures_say_nothing() -> None:
    random = np.random.default_rng(0)
    usual = random.normal(size=(600, 20))
    labels = np.arange(600) % 3
    assert len(find_strangers(usual, labels, np.arange(600) % 5)) <= 2
    assert find_strangers(usual[:20] * 100, labels[:20], np.arange(20) % 5) == []


def test_leaks_are_taken_out_of_the_accuracy() -> None:
    told = Leaked(split="test", right=90, samples=100, twins=20, twins_right=20).sentence
    assert told.startswith("test accuracy 90.00 % of 100; 87.50 % (95 % interval 78.5–93.1 %) of the 80")
    assert "–" in Leaked(split="test", right=1, samples=2, twins=2, twins_right=1).sentence


def test_of_a_run_strangers_and_leaks_are_told(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name, first in (("day", 0), ("night", 100)):
        for part, count in (("train", 30), ("test", 10)):
            (root / part / name).mkdir(parents=True)
            for place in range(count):
                # Every second test picture is a training picture that was saved again.
                seed = first + place if part == "train" or place % 2 else first + 50 + place
                if name == "night":
                    seed += 400
                level = scene(seed) // (2 if name == "night" else 1)
                quality = 95 if part == "train" else 60
                Image.fromarray(level).save(root / part / name / f"{'abcdefghijklmnopqrstuvwxyzABCDEF'[place]}.jpg",
                                            quality=quality)  # fmt: skip
    run = hubel.train(str(root), model="mnist_gap", from_="none", img_size=16, epochs=1, threads=1,
                      out=str(tmp_path / "runs"))  # fmt: skip
    found = run.clean()
    assert found.leaked is not None
    assert (found.leaked.samples, found.leaked.twins) == (20, 10)
    assert "without a twin in training or validation" in str(found)
    assert found.to_dict()["leaked"]["twins"] == 10
    page = render_cleaning(found)
    assert "What the leaks did" in page


def test_pictures_that_are_not_asked_about_are_no_strangers() -> None:
    random = np.random.default_rng(0)
    seen, labels = random.normal(size=(200, 8)), np.arange(200) % 2
    seen[[7, 150]] *= 9
    for asked, found in ((np.arange(200) < 100, [7]), (np.arange(200) >= 100, [150])):
        assert [one.row for one in find_strangers(seen, labels, np.where(asked, 0, -1))] == found
