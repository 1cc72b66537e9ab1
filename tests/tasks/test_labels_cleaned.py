"""Wrong answers in a table of several labels, a label that is missing and one too many, are found by `hubel clean`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hubel
from hubel.care.folds import predict_labels_out_of_fold
from hubel.care.labels import SeveralCheck, judge_labels, judge_several, two_answers
from hubel.cli import main
from hubel.report.pages.cleaning import render_cleaning

from .conftest import QUICK, pairs

NAMES = ("digit 0", "digit 1", "digit 2")


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[tuple[str, str]]]:
    """A run whose table has a label too many, or one too few, in one of 25 answers; and which."""
    root, draw = tmp_path_factory.mktemp("flipped"), np.random.default_rng(0)
    folder, wrong = pairs(root / "pairs", 400), set()
    first, *lines = (folder / "labels.csv").read_text().splitlines()
    for row, line in enumerate(lines):
        file, _, cell = line.partition(",")
        there = set() if cell == "none" else set(cell.split("|"))
        for name in NAMES:
            if draw.random() < 0.04:
                there ^= {name}
                wrong.add((file, name))
        lines[row] = f"{file},{'|'.join(sorted(there)) or 'none'}"
    (folder / "labels.csv").write_text("\n".join([first, *lines]) + "\n")
    run = hubel.train(folder, model="mlp", epochs=12, augment="none", out=str(root / "runs"), **QUICK)
    return run.folder, wrong


def test_labels_that_are_missing_and_labels_too_many_are_found(flipped: tuple[Path, set[tuple[str, str]]]) -> None:
    folder, wrong = flipped
    found = hubel.clean(str(folder))
    check = found.labels
    assert isinstance(check, SeveralCheck)
    said = [(found.name(one.row), one.suggested.partition(" ")[2]) for one in check.suspects]
    right = [pair in wrong for pair in said]
    assert np.mean(right[:20]) >= 0.95, "the first are wrong indeed"
    assert sum(right) >= 0.7 * len(wrong)
    assert {one.suggested.partition(" ")[0] for one in check.suspects} == {"with", "without"}
    low, high = check.interval
    assert check.countable
    assert low <= check.expected <= high
    assert low <= len(wrong) <= high
    assert "probably with" in "\n".join(found.lines())
    assert all(one.given != one.suggested and one.given.partition(" ")[2] == one.suggested.partition(" ")[2]
               for one in check.suspects)  # fmt: skip
    assert not found.shortcuts, "cues of classes have no meaning here"


def test_the_page_and_the_command_show_what_stands_in_the_table(
    flipped: tuple[Path, set[tuple[str, str]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = flipped
    with pytest.raises(SystemExit) as left:
        main(["clean", str(folder), "--json", "--out", str(tmp_path / "clean.html")])
    assert left.value.code == 0
    told = json.loads(capsys.readouterr().out)["labels"]
    labels = {name for one in told["suspects"] for _, name in one["neighbours"]}
    assert {"digit 0|digit 1", "none"} <= labels | {"none"}
    assert any("|" in name for name in labels), "neighbours have all their labels"
    text = (tmp_path / "clean.html").read_text()
    assert "Labels are mended with" in text


def test_sure_suggestions_become_edits_of_single_labels(
    flipped: tuple[Path, set[tuple[str, str]]], tmp_path: Path
) -> None:
    folder, wrong = flipped
    data = folder.parent.parent / "pairs"
    found = hubel.clean(str(folder), accept=0.95, who="judge")
    made = [one for one in hubel.edit(data).log if one.id in found.accepted]
    assert len(made) >= 0.5 * len(wrong)
    assert np.mean([(one.file, one.new) in wrong for one in made]) >= 0.95
    assert {one.do for one in made} == {"label", "unlabel"}
    assert all(one.why.startswith("suggested, ") for one in made)
    assert not set(hubel.clean(str(folder), accept=0.95).accepted) & {one.id for one in made}
    hubel.edit(data, "undo")


def test_a_table_is_judged_without_a_run_too(flipped: tuple[Path, set[tuple[str, str]]]) -> None:
    folder, wrong = flipped
    found = hubel.clean(str(folder.parent.parent / "pairs"), folds=4)
    assert isinstance(found.labels, SeveralCheck)
    said = [(found.name(one.row), one.suggested.partition(" ")[2]) for one in found.labels.suspects[:20]]
    assert np.mean([pair in wrong for pair in said]) >= 0.9
    assert any("|" in label for group in found.twins for label in group.labels), "twins have all their labels"


def test_each_label_is_judged_as_a_question_with_two_answers() -> None:
    draw = np.random.default_rng(1)
    truth = (draw.random((60, 2)) < 0.4).astype(np.uint8)
    shares = np.clip(0.9 * truth + 0.05 + draw.normal(0, 0.03, truth.shape), 0.01, 0.99)
    truth[[3, 7], [0, 1]] ^= 1
    near = draw.integers(0, 60, (60, 5))
    both = judge_several(shares, truth, near, ("a", "b"), folds=5, by="x")
    each = [
        judge_labels(np.stack([1 - shares[:, k], shares[:, k]], axis=1), truth[:, k].astype(np.int64), near,
                     two_answers(name), folds=5, by="x")
        for k, name in enumerate(("a", "b"))
    ]  # fmt: skip
    assert {(one.row, one.suggested) for one in both.suspects} == {
        (one.row, one.suggested) for check in each for one in check.suspects
    }
    assert both.expected == pytest.approx(sum(check.expected for check in each))
    assert both.scores == pytest.approx(np.minimum(each[0].scores, each[1].scores))
    assert both.accuracy == pytest.approx(118 / 120)
    assert both.guessing == pytest.approx(np.maximum(truth.mean(0), 1 - truth.mean(0)).mean())
    assert sorted((given, meant) for given, meant, _ in both.pairs(("a", "b"))) == sorted(
        (one.given, one.suggested) for one in both.suspects
    )


def test_a_head_that_judges_a_picture_has_not_seen_its_labels() -> None:
    draw = np.random.default_rng(2)
    features = draw.normal(size=(120, 6)).astype(np.float32)
    truth = np.stack([features[:, 0] > 0, features[:, 1] > 0.3], axis=1).astype(np.uint8)
    fold = np.arange(120) % 4
    found = predict_labels_out_of_fold(features, truth, fold)
    assert ((found >= 0.5) == (truth > 0)).mean() > 0.8
    other = truth.copy()
    other[fold == 2] ^= 1
    again = predict_labels_out_of_fold(features, other, fold)
    rank = np.argsort(np.argsort(found[fold == 2], axis=0), axis=0)
    assert (np.argsort(np.argsort(again[fold == 2], axis=0), axis=0) == rank).all(), "its own labels count for nothing"


def test_a_page_of_classes_still_offers_edits(digits_run: Path) -> None:
    assert "mended in their table" not in render_cleaning(hubel.clean(str(digits_run)))
