"""Data care: planted faults are found, real ones are not invented, and suggestions become edits."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import hubel
from hubel.care import twins
from hubel.care.folds import deal, predict_out_of_fold
from hubel.care.labels import confident_class, confident_joint, expected_wrong, judge_labels
from hubel.care.oddities import find_oddities, probe_shortcuts
from hubel.care.twins import equal_pairs, find_pairs, grey32, grouped
from hubel.cli import main
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.features.space import nearest
from hubel.report.pages import cleaning
from hubel.report.pages.cleaning import render_cleaning, thumbnail
from hubel.verbs.compare import weigh
from hubel.verbs.series import Series


def planted(seed: int = 0, share: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Six hundred digits: pixels, labels with a share flipped, which those are, and the right ones."""
    digits = load_digits()
    rng = np.random.default_rng(seed)
    pixels, right = (digits.data[:600] * 255 / 16).astype(np.uint8), digits.target[:600].astype(np.int64)
    wrong = np.zeros(600, bool)
    wrong[rng.permutation(600)[: round(600 * share)]] = True
    given = np.where(wrong, (right + rng.integers(1, 10, 600)) % 10, right)
    return pixels, given, wrong, right


def test_flipped_labels_are_ranked_first_by_models_that_have_not_seen_them() -> None:
    pixels, given, wrong, right = planted()
    chances = predict_out_of_fold(pixels, given, deal(given, list(range(600)), 5))
    near = nearest(pixels.astype(float), pixels.astype(float), k=6).indices[:, 1:]
    check = judge_labels(chances, given, near, tuple("0123456789"), folds=5, by="a test")
    assert roc_auc_score(wrong, -check.scores) > 0.995
    first = [one.row for one in check.suspects[:30]]
    assert wrong[first].mean() >= 0.9
    assert np.mean([int(one.suggested) == right[one.row] for one in check.suspects[:25]]) > 0.9
    assert check.interval[0] <= 30 <= check.interval[1]


def test_the_count_of_a_net_that_learns_the_labels_lies_between_the_sure_and_all_that_it_contradicts() -> None:
    pixels, given, wrong, _ = planted()
    chances = predict_out_of_fold(pixels, given, deal(given, list(range(600)), 5))
    known = np.flatnonzero(wrong)[::2]  # half of the wrong labels are already half believed
    chances[known] *= 0.5
    chances[known, given[known]] += 0.5 - 0.1
    chances[known, chances[known].argmax(axis=1)] += 0.1
    calm, learnt = (
        judge_labels(chances, given, np.zeros((600, 0), int), tuple("0123456789"), folds=0, by="a test", learnt=known_)
        for known_ in (False, True)
    )
    contradicted = int((chances.argmax(axis=1) != given).sum())
    assert calm.expected < learnt.expected == pytest.approx((calm.expected + contradicted) / 2)
    assert learnt.interval[0] == calm.interval[0] <= calm.expected
    assert calm.interval[1] < contradicted < learnt.interval[1]
    assert sum(count for _, _, count in learnt.pairs(tuple("0123456789"), 100)) <= learnt.expected + 1e-6


def test_a_judge_that_hardly_sees_gives_an_order_and_no_number() -> None:
    pixels, given, wrong, _ = planted()
    rng = np.random.default_rng(0)
    weak = pixels + rng.normal(0, 160, pixels.shape)
    checks = []
    for seen in (pixels, weak):
        chances = predict_out_of_fold(seen, given, deal(given, list(range(600)), 5))
        checks.append(judge_labels(chances, given, np.zeros((600, 0), int), tuple("0123456789"), folds=5, by="a test"))
    sharp, blunt = checks
    assert sharp.countable
    assert sharp.sentence.startswith(f"{sharp.expected:.0f} labels are expected to be wrong (95 % interval")
    assert blunt.accuracy < 0.8
    assert blunt.expected > 3 * wrong.sum()  # what it would have accused
    assert "cannot be told: what judged them agrees with" in blunt.sentence
    assert "by guessing" in blunt.sentence
    assert not blunt.pairs(tuple("0123456789"))
    few = planted(share=0.12)
    chances = predict_out_of_fold(few[0], few[1], deal(few[1], list(range(600)), 5))
    check = judge_labels(chances, few[1], np.zeros((600, 0), int), tuple("0123456789"), folds=5, by="a test")
    assert 0.8 < check.accuracy < 0.9
    assert check.interval[0] == 0  # textures that are all right look the same
    assert check.interval[1] > few[2].sum()
    assert check.sentence.startswith("at most ")
    assert roc_auc_score(wrong, -blunt.scores) > 0.6


def test_clean_labels_are_not_accused_in_numbers() -> None:
    pixels, _, _, right = planted()
    chances = predict_out_of_fold(pixels, right, deal(right, list(range(600)), 5))
    expected, (low, high), _ = expected_wrong(chances, right)
    assert expected < 15
    assert low <= expected <= high


def test_no_picture_is_judged_by_what_saw_it() -> None:
    """With a memory of single pictures, a label of its own would be known by heart; noise then stays at chance."""
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(200, 50)), rng.integers(0, 2, 200)
    chances = predict_out_of_fold(noise, labels, deal(labels, list(range(200)), 5))
    assert abs((chances.argmax(axis=1) == labels).mean() - 0.5) < 0.15


def test_the_confident_joint_is_that_of_a_brute_force_count() -> None:
    rng = np.random.default_rng(1)
    chances, labels = rng.dirichlet(np.ones(4), 300), rng.integers(0, 4, 300)
    least = [np.mean([chances[i, j] for i in range(300) if labels[i] == j]) for j in range(4)]
    count = np.zeros((4, 4))
    for i in range(300):
        above = [j for j in range(4) if chances[i, j] >= least[j]]
        if above:
            count[labels[i], max(above, key=lambda j: chances[i, j])] += 1
    wanted = np.array([count[i] / count[i].sum() * (labels == i).sum() for i in range(4)])
    np.testing.assert_allclose(confident_joint(labels, confident_class(chances, labels), 4), wanted)


def test_folds_keep_groups_together_and_classes_even() -> None:
    labels = np.repeat([0, 1], 50)
    groups = [row // 2 for row in range(100)]
    fold = deal(labels, groups, 5)
    assert all(len(set(fold[2 * g : 2 * g + 2])) == 1 for g in range(50))
    assert {tuple(np.bincount(labels[fold == f])) for f in range(5)} == {(10, 10)}
    with pytest.raises(DataError, match="6 folds need as many pictures or groups, got 2"):
        deal(np.array([0, 0, 1]), ["a", "a", "b"], 6)
    with pytest.raises(UsageError, match="folds must be 2 or more, got 1"):
        deal(labels, groups, 1)


def textures(count: int, seed: int = 0) -> list[Image.Image]:
    """Pictures of 96 x 80 pixels with large and small shapes, as photographs have them."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        layers = [
            np.asarray(Image.fromarray(rng.integers(0, 256, (n, n, 3), np.uint8)).resize((96, 80), 3))
            for n in (3, 6, 12)
        ]
        found.append(Image.fromarray(np.mean(layers, axis=0).astype(np.uint8)))
    return found


def jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


CHANGES = {
    "crop": lambda image: image.crop((4, 3, 94, 78)),
    "jpeg": jpeg,
    "half": lambda image: image.resize((48, 40)),
    "brighter": lambda image: image.point(lambda level: min(255, int(level * 1.2))),
    "darker": lambda image: image.point(lambda level: int(level * 0.8)),
    "mirror": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def seen(images: list[Image.Image]) -> np.ndarray:
    small = [np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BOX)) for image in images]
    return grey32(np.stack(small).transpose(0, 3, 1, 2))


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_changed_copy_is_a_twin_and_no_other_picture_is(change: str) -> None:
    images = textures(20)
    pairs = find_pairs(seen([*images, *map(CHANGES[change], images)]))  # type: ignore[no-untyped-call]
    assert {(pair.first, pair.second) for pair in pairs} == {(row, row + 20) for row in range(20)}


def test_the_same_twins_are_found_however_few_pictures_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    images = textures(20)
    grey = seen([*images, *map(CHANGES["mirror"], images)])  # type: ignore[no-untyped-call]
    whole = find_pairs(grey)
    monkeypatch.setattr(twins, "_SCORES", 100)
    assert find_pairs(grey) == whole
    assert len(whole) == 20


@pytest.mark.parametrize("box", [(3, 6, 90, 93), (2, 7, 89, 94), (3, 3, 90, 90)])
def test_a_crop_between_two_pixels_is_a_twin_too(box: tuple[int, int, int, int]) -> None:
    rng = np.random.default_rng(0)
    images = []
    for _ in range(20):
        layers = [
            np.asarray(Image.fromarray(rng.integers(0, 256, (n, n, 3), np.uint8)).resize((96, 96), 3)) for n in (4, 12)
        ]
        images.append(Image.fromarray(np.mean(layers, axis=0).astype(np.uint8)))
    pairs = find_pairs(seen([*images, *(image.crop(box) for image in images)]))
    assert {(pair.first, pair.second) for pair in pairs} == {(row, row + 20) for row in range(20)}


def test_digits_of_one_kind_are_no_twins() -> None:
    digits = load_digits().images[:200]
    grey = np.stack([np.asarray(Image.fromarray((d * 16).astype(np.uint8)).resize((32, 32))) for d in digits])
    assert len(find_pairs(grey.astype(np.float32))) < 5


def test_groups_name_leaks_first_and_the_best_to_keep() -> None:
    pairs = equal_pairs(["a", "b", "a", "b", "c", "a"], "bytes")
    found = grouped(pairs, lambda row: (float(row),), ["train", "train", "train", "test", "", "train"], ["x"] * 6)
    assert [group.rows for group in found] == [(3, 1), (5, 2, 0)]
    assert found[0].splits == ("test", "train")


def test_dark_blank_blurred_and_odd_sizes_are_named() -> None:
    rng = np.random.default_rng(0)
    grey = rng.uniform(0, 255, (20, 32, 32))
    grey[0], grey[1] = 7.0, rng.uniform(0, 25, (32, 32))
    sharp = np.zeros(20)
    sharp[[2, 4]] = -4.0, np.nan
    sides = np.full((20, 2), 100)
    sides[3] = (10, 100)
    found = {(one.row, one.kind) for one in find_oddities(grey, sides, sharp)}
    assert found == {(0, "blank"), (1, "dark"), (2, "blurred"), (3, "odd size")}


@pytest.mark.parametrize("soft", [0, 2])
def test_photographs_that_are_out_of_focus_are_named_also_among_soft_ones(soft: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for row in range(24):
        # A picture has as much energy in each octave: white noise whose spectrum falls with the frequency.
        waves = np.fft.rfft2(rng.normal(size=(96, 128))) / np.maximum(
            np.hypot(np.fft.fftfreq(96)[:, None], np.fft.rfftfreq(128)), 0.01
        )
        plane = np.fft.irfft2(waves)
        picture = Image.fromarray(np.uint8(np.clip(128 + 40 * plane / plane.std(), 0, 255)))
        sigma = float(np.hypot(soft, 4 if row in (5, 12) else 0))
        place = tmp_path / "ab"[row % 2] / f"{row}.jpg"
        place.parent.mkdir(exist_ok=True)
        picture.filter(ImageFilter.GaussianBlur(sigma)).save(place, quality=92)
    found = hubel.clean(tmp_path, verbose=False)
    assert sorted(found.name(one.row) for one in found.oddities if one.kind == "blurred") == ["a/12.jpg", "b/5.jpg"]
    assert "of the fine detail that is usual here" in str(found)


def test_a_cue_that_gives_the_class_away_is_suspicious_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    cues = {"size": labels[:, None] + rng.normal(0, 0.2, (300, 1)), "border": rng.normal(size=(300, 2))}
    first, second = probe_shortcuts(cues, labels, deal(labels, list(range(300)), 5))
    assert (first.cue, first.suspicious, second.suspicious) == ("size", True, False)
    assert {int(labels[row]) for row in first.rows} == {0, 1, 2}


@pytest.fixture
def photos(picture_folder: Path, tmp_path: Path) -> Path:
    """Three classes of digits, in which three pictures lie in the wrong folder and one is there twice."""
    shutil.copytree(picture_folder, tmp_path / "photos")
    root = tmp_path / "photos"
    for name, wrong in (("zero", "one"), ("one", "two"), ("two", "zero")):
        file = sorted((root / name).iterdir())[5]
        shutil.move(file, root / wrong / f"moved-{name}.png")
    twice = min((root / "zero").iterdir())
    shutil.copy(twice, root / "zero" / "twice.png")
    return root


def test_suggestions_are_accepted_as_edits_that_can_be_taken_back(photos: Path) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.png")}
    found = hubel.clean(photos, folds=5, accept=0.8, who="me")
    assert found.labels is not None
    assert 3 <= len(found.accepted) <= 5  # 90 digits of 8x8: the models are not sure of everything
    log = hubel.edit(photos).log
    assert {(one.file, one.new) for one in log} >= {
        ("one/moved-zero.png", "zero"), ("two/moved-one.png", "one"), ("zero/moved-two.png", "two"),
    }  # fmt: skip
    assert all(one.why.startswith("suggested, ") and one.who == "me" for one in log)
    assert [sorted(map(found.name, group.rows))[-1] for group in found.twins] == ["zero/twice.png"]
    assert {path: path.read_bytes() for path in photos.rglob("*.png")} == before
    hubel.edit(photos, "undo")
    assert not hubel.edit(photos).used


def test_what_a_poor_judge_relabels_is_said_to_need_a_look(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for path in sorted(photos.glob("*/[!m]*.png"))[::2]:  # noise: no judge can know these labels
        Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(path)
    with pytest.raises(SystemExit):
        main(["clean", str(photos), "--folds", "3", "--accept", "0.5"])
    said = capsys.readouterr().err
    assert "by guessing): look at what was edited before you train on it" in said


def test_the_page_shows_suspects_beside_their_neighbours(photos: Path) -> None:
    found = hubel.clean(photos, folds=5)
    text = render_cleaning(found)
    assert "one/moved-zero.png" in text
    assert text.count("this one: ") == len(found.labels.suspects if found.labels else ())
    assert "http" not in text.replace("http-equiv", "")


def test_the_page_shows_pictures_as_large_as_their_files_have_them(tmp_path: Path, monkeypatch: Any) -> None:
    for number, image in enumerate(textures(40)):
        folder = tmp_path / "photos" / ("meadow-flower", "sea")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image.resize((300, 250)).save(folder / f"a_{number}.png")
    found = hubel.clean(tmp_path / "photos", folds=5)
    assert found.labels is not None
    row = found.labels.suspects[0].row
    assert thumbnail(found, row).shape == (107, 128, 3)
    text = render_cleaning(found)
    assert 'width="128" height="107"' in text
    assert "<strong>sea</strong><small>sea/<wbr>a_<wbr>" in text
    assert "--word:14ch" in text  # no tile is narrower than the longest word of a class
    one = text.count("this one: ")
    assert one == len(found.labels.suspects)
    monkeypatch.setattr(cleaning, "SUSPECTS", 1)
    small = render_cleaning(found)
    assert small.count("this one: ") == 1
    assert f"And {one - 1} more: " in small
    (tmp_path / "photos" / found.name(row)).unlink()
    assert thumbnail(found, row).shape == (32, 32, 3)


def test_page_needs_no_name(photos: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(photos.parent)
    with pytest.raises(SystemExit) as end:
        main(["clean", "photos", "--page"])
    assert end.value.code == 0
    assert (photos.parent / "clean.html").exists()


def test_edits_in_force_are_told_with_the_data(photos: Path, monkeypatch: Any, capsys: Any) -> None:
    (photos / "one" / "broken.png").write_bytes(b"no picture")
    hubel.edit(photos, "relabel", "one/moved-zero.png", "zero")
    said = str(hubel.scan(photos))
    assert f"edits      1 in force; hubel edit {photos} log lists them" in said
    assert ": 91 usable pictures in 3 classes, 1 file left out" in said
    assert hubel.edit(photos).sentence == "1 edit in force: 92 files listed in 3 classes"


def test_what_cannot_be_cleaned_is_refused(photos: Path) -> None:
    with pytest.raises(UsageError, match="nothing to accept"):
        hubel.clean(photos, accept=0.9)
    with pytest.raises(UsageError, match=r"accept must be a probability from 0\.5 to 1, got 3"):
        hubel.clean(photos, folds=5, accept=3)
    with pytest.raises(DataError, match="points"):
        hubel.clean("spirals")
    with pytest.raises(UsageError, match="named set"):
        hubel.clean("digits", folds=2, accept=0.9)


def test_a_run_has_its_labels_judged_on_what_its_net_sees(photos: Path, tmp_path: Path) -> None:
    run = hubel.train(str(photos), model="mnist_gap", epochs=1, device="cpu", out=str(tmp_path / "runs"), verbose=False)
    found = hubel.clean(run.folder, device="cpu")
    assert found.labels is not None
    assert len(found.labels.scores) == len(found.manifest) == 91
    assert "photos-1" in found.labels.by
    assert set(found.to_dict()["labels"]) >= {"expected", "interval", "suspects", "pairs"}


@pytest.fixture
def folds(photos: Path, tmp_path: Path) -> Series:
    made = hubel.train(
        photos, folds=3, model="mnist_gap", epochs=8, device="cpu", out=str(tmp_path / "runs"), verbose=False
    )
    assert isinstance(made, Series)
    return made


def test_of_folds_every_label_is_judged_by_the_net_that_left_its_picture_out(folds: Series, photos: Path) -> None:
    found = folds.clean(device="cpu")
    assert found.labels is not None
    assert "3 nets of photos-folds-1, each on the pictures that it was not trained on" in found.labels.by
    tested = [json.loads((run.folder / "split.json").read_text())["test"] for run in folds.runs]
    names = found.manifest.class_names
    for one in found.labels.suspects:
        (judge,) = [run for run, rows in zip(folds.runs, tested, strict=True) if one.row in rows]
        said = judge.predict(photos / found.name(one.row), device="cpu").probabilities[0]
        assert one.own == pytest.approx(said[names.index(one.given)], abs=1e-5)
        assert one.probability == pytest.approx(said.max(), abs=1e-5)
        assert one.row not in one.neighbours
    assert len(found.strangers) == 0  # of thirty pictures a fold none can be called unusual
    agreed = sum(
        round(len(rows) * run.summary["test"]["accuracy"]) for run, rows in zip(folds.runs, tested, strict=True)
    )
    assert round(found.labels.accuracy * len(found.manifest)) == agreed


def test_folds_take_edits_from_their_own_judges_and_refuse_others(folds: Series, photos: Path) -> None:
    found = hubel.clean(folds.folder, accept=0.5, who="me", device="cpu")
    assert len(found.accepted) == len(hubel.edit(photos).log)
    with pytest.raises(UsageError, match="the series has 3 folds of its own"):
        hubel.clean(folds.folder, folds=5)
    with pytest.raises(UsageError, match="sees with its own net"):
        hubel.clean(folds.folder, eyes="efficientnet_lite0")
    shutil.rmtree(folds.runs[-1].folder)
    with pytest.raises(ArtefactError, match=r"2 of the 3 folds .* have finished.*\n.*hubel train --resume"):
        hubel.clean(folds.folder)


def test_a_net_that_learnt_other_data_lends_its_eyes(photos: Path, tmp_path: Path) -> None:
    run = hubel.train(
        "digits", model="mnist_gap", epochs=2, limit=600, device="cpu", out=str(tmp_path / "runs"), verbose=False
    )
    found = hubel.clean(photos, eyes=str(run.folder), device="cpu", accept=0.6)
    assert found.labels is not None
    assert "5 heads on what digits-1 sees" in found.labels.by
    named = {found.name(one.row) for one in found.labels.suspects[:5]}
    assert {"one/moved-zero.png", "two/moved-one.png", "zero/moved-two.png"} <= named
    with pytest.raises(UsageError, match="a run sees with its own net"):
        hubel.clean(run.folder, eyes=str(run.folder))


def test_a_training_after_edits_says_what_they_did_on_the_same_test_pictures(tmp_path: Path) -> None:
    digits, photos = load_digits(), tmp_path / "photos"
    for row, (pixels, label) in enumerate(zip(digits.images[:300], digits.target.tolist(), strict=False)):
        place = photos / str(0 if row in (7, 8, 9) else label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(place / f"{row:03}.png")
    known: dict[str, Any] = {"epochs": 2, "device": "cpu", "out": str(tmp_path / "runs"), "verbose": False, "seed": 1}
    before = hubel.train(photos, model="softmax_regression", **known)
    assert "edits" not in before.summary
    hubel.edit(photos, "relabel", "0/007.png", "7")
    hubel.edit(photos, "relabel", "0/008.png", "8")
    after = hubel.train(photos, model="softmax_regression", **known)
    (pair,) = weigh([before.folder, after.folder]).tests
    assert after.summary["edits"] == f"since 2 edits: {pair.sentence}"
    assert f"edits    since 2 edits: {after.folder.name} " in str(after)
    hubel.edit(photos, "relabel", "0/009.png", "9")
    (before.folder / "predictions.csv").write_text("no table")  # another run that is damaged ends no training
    third = hubel.train(photos, model="softmax_regression", **known)
    assert third.summary["edits"].startswith("since 1 edit: ")
    assert after.folder.name in third.summary["edits"]
    again = hubel.train(photos, model="softmax_regression", **known)  # with the same edits as the third
    assert again.summary["edits"].startswith(f"since 1 edit: {again.folder.name} and {after.folder.name} ")
    other = hubel.train(photos, model="mlp", **known)
    assert "edits" not in other.summary  # of another net there was none before
