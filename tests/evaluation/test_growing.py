"""What more pictures would bring: intervals that hold on planted laws, and doubt where nothing can be told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hubel.evaluation.growing import Curve, doubts_before, grow, nothing_told

SIZES = [n for n in (125, 250, 500, 1000) for _ in range(3)]


def planted(law: tuple[float, float, float], seed: int, tested: int = 1000, classes: int = 4) -> tuple[Curve, float]:
    """A curve over trainings that follow a law on pictures of mixed difficulty, and the truth at twice as many."""
    a, b, c = law
    random = np.random.default_rng(seed)
    labels = np.arange(tested) % classes
    hardness = random.uniform(0, 1, tested)  # the same pictures are hard for all nets, as real ones are
    rows = []
    for n in SIZES:
        error = (c + a * n**-b) * math.exp(0.04 * random.standard_normal())
        rows.append(hardness + 0.05 * random.standard_normal(tested) > error)
    counts = [250] * classes
    found = grow(np.array(rows), SIZES, labels, counts, list("wxyz")[:classes], data="planted")
    return found, 1 - (c + a * 2000**-b)


@pytest.mark.parametrize(("cases", "least"), [(8, 7), pytest.param(60, 52, marks=pytest.mark.slow)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(cases: int, least: int) -> None:
    laws = [(1.0, 0.35, 0.0), (3.0, 0.5, 0.02), (0.8, 0.25, 0.05), (8.0, 0.7, 0.01)]
    inside, width = [], []
    for seed in range(cases):
        found, truth = planted(laws[seed % len(laws)], seed)
        inside.append(found.interval[0] <= truth <= found.interval[1])
        width.append(found.interval[1] - found.interval[0])
    assert sum(inside) >= least
    assert np.median(width) < 0.09


def test_the_prediction_is_near_the_truth_and_the_same_every_time() -> None:
    (one, truth), (other, _) = planted((3.0, 0.5, 0.02), 1), planted((3.0, 0.5, 0.02), 1)
    assert one == other
    assert abs(one.twice - truth) < 0.03
    assert one.now < one.twice
    assert "twice as many would bring it to" in one.sentence


def test_over_several_curves_the_prediction_is_neither_too_high_nor_too_low() -> None:
    apart = [
        found.twice - truth for found, truth in (planted((3.0, 0.5, 0.02), seed, tested=4000) for seed in range(5))
    ]
    assert abs(np.mean(apart)) < 0.01  # from twice to four times as many it would be 0.02


def test_the_class_whose_mistakes_fall_fastest_is_to_be_collected_first() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(1200) % 3
    right = []
    for n in SIZES:
        error = np.array([0.02, 0.02, 0.9 * (n / 125) ** -0.6])[labels]
        right.append(random.random(1200) > error)
    found = grow(np.array(right), SIZES, labels, [400, 400, 200], ["elm", "ash", "oak"])
    first = found.classes[0]
    assert (first.name, first.count, found.more) == ("oak", 200, 400)
    assert first.first > 0.95
    assert found.advice.startswith("Collect 400 more of oak first")
    assert 0 < first.interval[0] < first.gain < first.interval[1]


def test_where_all_classes_are_alike_none_is_advised() -> None:
    found, _ = planted((3.0, 0.5, 0.02), 5, classes=4)
    assert found.advice == "No class stands out: collect of all of them."


@pytest.mark.parametrize(("share", "words"), [(0.7, "does not surely rise"), (1.0, "nothing of 400")])
def test_where_nothing_shrinks_it_is_said_that_nothing_can_be_told(share: float, words: str) -> None:
    random = np.random.default_rng(3)
    rows = np.array([random.random(400) < share for _ in SIZES])
    found = grow(rows, SIZES, np.arange(400) % 2, [500, 500], ["a", "b"])
    assert words in found.sentence
    assert "cannot be told" in found.sentence
    assert found.advice == ""


def test_few_test_pictures_make_the_interval_wide() -> None:
    few, many = (planted((3.0, 0.5, 0.02), 2, tested=count)[0] for count in (100, 4000))
    assert few.interval[1] - few.interval[0] > 1.5 * (many.interval[1] - many.interval[0])


def test_twenty_pictures_cannot_tell_and_nothing_is_fitted() -> None:
    doubts = doubts_before(np.arange(16) % 2, 2, ["oak", "elm"])
    assert len(doubts) == 2
    found = nothing_told("trees", 16, 2, doubts)
    assert found.sentence.startswith("From 16 pictures it cannot be told")
    assert found.to_dict()["twice"] is None
    assert "cannot be told" in str(found)


def test_a_class_without_test_pictures_is_no_obstacle() -> None:
    random = np.random.default_rng(0)
    rows = np.array([random.random(300) > 2 * n**-0.4 for n in SIZES])
    found = grow(rows, SIZES, np.arange(300) % 2, [300, 300, 9], ["a", "b", "<none>"])
    absent = next(each for each in found.classes if each.name == "<none>")
    assert math.isnan(absent.accuracy[0])
    assert absent.gain == 0
    assert "&lt;none&gt;" not in str(found)
