"""What simple methods get: chosen on the validation part, measured once, within the time allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hubel.classical.beside import beside
from hubel.classical.learners import LEARNERS, scores
from hubel.classical.measuring import Samples, measure
from hubel.errors import DataError, UnknownName, UsageError
from hubel.evaluation import Evaluation, Graded


def points(classes: int = 3, count: int = 240, spread: float = 0.2) -> Samples:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    where = np.stack([np.cos(labels * 2.1), np.sin(labels * 2.1)], axis=1)
    cut = np.split(np.arange(count), [count // 2, 3 * count // 4])
    return Samples(
        source="made", images=(where + spread * rng.normal(size=(count, 2))).astype(np.float32), labels=labels,
        class_names=("a", "b", "c")[:classes], rows=dict(zip(("train", "val", "test"), cut, strict=True)),
    )  # fmt: skip


def test_every_learner_learns_and_the_best_on_validation_is_measured() -> None:
    found = measure(points())
    assert {one.learner for one in found.tried} == set(LEARNERS)
    assert min(one.score for one in found.tried) > 0.9
    assert [one.score for one in found.tried] == sorted((one.score for one in found.tried), reverse=True)
    assert isinstance(found.test, Evaluation)
    assert found.test.top1 > 0.9
    assert found.guessing == pytest.approx(1 / 3)
    assert found.chosen.name in found.sentence


def test_the_test_part_decides_nothing() -> None:
    """With other test labels the same learner is chosen, and only its result differs."""
    samples = points(spread=0.6)
    other = samples.labels.copy()
    other[samples.rows["test"]] = (other[samples.rows["test"]] + 1) % 3
    first, second = measure(samples), measure(replace(samples, labels=other))
    assert [(t.learner, t.setting, t.score) for t in first.tried] == [
        (t.learner, t.setting, t.score) for t in second.tried
    ]
    assert isinstance(first.test, Evaluation)
    assert isinstance(second.test, Evaluation)
    assert first.test.top1 > second.test.top1
    assert max(len(line) for line in str(first).splitlines()) <= 80, "a terminal's width"


def test_numbers_are_predicted_too() -> None:
    samples = points()
    target = (samples.images[:, 0] * 3 + 1).astype(np.float32)
    found = measure(replace(samples, labels=target, class_names=()), learners=["knn", "logistic"])
    assert found.chosen.name == "ridge regression on the numbers"
    assert found.chosen.score < 0.1 < found.guessing
    assert found.to_dict()["task"] == "regression"
    assert "root mean square" in str(found)


def test_what_takes_too_long_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = points(count=6_000)
    monkeypatch.setitem(LEARNERS, "svm", replace(LEARNERS["svm"], growth=9))
    found = measure(samples, learners=["knn", "svm"], budget=60)
    assert [one.learner for one in found.tried] == ["knn"]
    assert "support vector machine on numbers" in found.left_out
    assert "left out, it would take about" in str(found)
    with pytest.raises(DataError, match=r"no simple method could be tried[\s\S]*--time 5m"):
        measure(samples, budget=1e-9)


def test_without_a_validation_part_a_fifth_of_the_training_is_chosen_by() -> None:
    samples = points()
    rows = {**samples.rows, "val": np.zeros(0, np.int64)}
    found = measure(replace(samples, rows=rows), learners=["knn"])
    assert found.samples == {"train": 96, "val": 24, "test": 60}


def test_a_class_that_was_not_learnt_is_never_the_answer() -> None:
    samples = points(classes=3)
    model = (
        LEARNERS["logistic"].build(1.0, 0, False).fit(samples.images, np.where(samples.labels == 1, 0, samples.labels))
    )
    said = scores(model, samples.images, 4)
    assert said.shape == (240, 4)
    assert set(said.argmax(axis=1)) == {0, 2}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"learners": ["knm"]}, UnknownName, "did you mean 'knn'"),
        ({"features": ["hog"]}, UnknownName, "unknown description 'hog'"),
    ],
)
def test_what_is_unknown_is_said_with_what_is_known(change: dict[str, list[str]], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        measure(points(), **change)  # type: ignore[arg-type]


def test_grey_pictures_have_no_colours_to_count() -> None:
    grey = replace(points(), images=np.zeros((240, 1, 8, 8), np.uint8))
    with pytest.raises(UsageError, match="colours are counted in colour pictures"):
        measure(grey, features=["colours"])


@pytest.mark.parametrize("part", ["test", "train"])
def test_without_samples_nothing_is_measured(part: str) -> None:
    samples = points()
    with pytest.raises(DataError, match=r"has no test part|need some samples of two classes"):
        measure(replace(samples, rows={**samples.rows, part: np.zeros(0, np.int64)}))


@pytest.mark.parametrize(("right", "verdict"), [(1.0, "yes"), (0.0, "no"), (None, "not known")])
def test_the_net_is_laid_beside_sample_by_sample(right: float | None, verdict: str) -> None:
    simple = measure(points(spread=1.0), learners=["knn"])
    graded = Graded.of(simple.test)
    numbers = graded.numbers | ({} if right is None else {"top1": right})
    told = graded.told if right is None else replace(graded.told, goodness=np.full(60, right))
    net = replace(graded, numbers=numbers, told=told)
    found = beside("the net", net, simple, seconds=60.0)
    assert found is not None
    assert found.verdict == verdict
    assert found.to_dict()["verdict"] == verdict
    assert "after 1 min 0 s of training" in found.sentence or "60" in found.sentence or "1 min" in found.sentence
    assert beside("the net", replace(net, ids=tuple(range(60))), simple) is None
