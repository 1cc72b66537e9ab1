"""Groups of samples: what differs, by how much, and whether that may be chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency
from sklearn.metrics import average_precision_score

from hubel.errors import DataError, UsageError
from hubel.evaluation import Evaluation, assess
from hubel.evaluation.groups import LabelGroup, by_chance, by_groups, difference
from hubel.evaluation.several_labels import SeveralLabels
from hubel.metrics.intervals import wilson
from hubel.types import Predictions


def evaluation(labels: np.ndarray, answers: np.ndarray, classes: int = 2) -> Evaluation:
    logits = 3.0 * np.eye(classes, dtype=np.float32)[answers]
    return assess(Predictions(logits, labels, np.arange(len(labels))), [f"class {k}" for k in range(classes)])


def two_cameras(wrong_in_old: int) -> tuple[Evaluation, list[str]]:
    """100 samples of a new camera, all right, 60 of an old one and 4 of a third."""
    labels = np.arange(164) % 2
    answers = labels.copy()
    answers[100 : 100 + wrong_in_old] ^= 1
    return evaluation(labels, answers), ["new"] * 100 + ["old"] * 60 + ["third"] * 4


def test_groups_come_smallest_first_with_their_own_numbers() -> None:
    result, names = two_cameras(30)
    found = by_groups(result, names, "camera")
    assert [(g.name, g.samples, g.right) for g in found.groups] == [("third", 4, 4), ("old", 60, 30), ("new", 100, 100)]
    old = found.groups[1]
    assert old.interval == wilson(30, 60)
    labels = result.labels[100:160]
    wrong = result.predicted[100:160] != labels
    assert old.false_positive_rate == pytest.approx(wrong[labels == 0].mean())
    assert old.false_negative_rate == pytest.approx(wrong[labels == 1].mean())
    assert old.ece == pytest.approx(abs(old.mean_confidence - 0.5))
    assert (found.best, found.worst, found.gap) == ("new", "old", 0.5)
    assert found.gap_interval[0] < 0.5 < found.gap_interval[1]
    assert "they differ" in found.sentence
    assert "Why they do is not in these numbers" in found.sentence
    assert found.p_value < 0.001
    assert max(map(len, str(found).splitlines())) <= 80


def test_a_gap_that_chance_would_make_is_called_that() -> None:
    found = by_groups(*two_cameras(1), "camera")
    assert found.p_value > 0.05
    assert "nothing follows" in found.sentence


def test_small_groups_are_shown_and_not_compared() -> None:
    labels = np.arange(40) % 3
    found = by_groups(evaluation(labels, labels, 3), ["a"] * 35 + ["b"] * 5, "hospital")
    assert (found.worst, np.isnan(found.gap)) == ("", True)
    assert "too few to say" in found.sentence
    assert np.isnan(found.groups[0].false_positive_rate)
    assert found.to_dict()["largest_gap"]["points"] is None


def test_shares_of_the_classes_do_not_show_in_the_balanced_accuracy() -> None:
    """A net that knows one class only looks better on the group that has more of it."""
    labels = np.r_[np.zeros(90), np.ones(10), np.zeros(10), np.ones(90)].astype(np.int64)
    found = by_groups(evaluation(labels, np.zeros(200, np.int64)), ["a"] * 100 + ["b"] * 100, "place")
    assert [g.accuracy for g in found.groups] == [0.9, 0.1]
    assert [g.balanced_accuracy for g in found.groups] == [0.5, 0.5]


def test_chance_agrees_with_the_chi_squared_distribution() -> None:
    samples, right = [200, 150, 400], [180, 128, 368]
    table = np.array([right, np.subtract(samples, right)])
    assert by_chance(samples, right) == pytest.approx(chi2_contingency(table, correction=False).pvalue, abs=0.02)
    assert by_chance([30, 30], [30, 30]) == 1


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """His table II, method 10, of Statistics in Medicine 17: 873-890: 9/10 - 3/10 and 10/10 - 0/20."""
    assert difference(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=1e-4)
    assert difference(10, 10, 0, 20) == pytest.approx((0.6791, 1.0), abs=1e-4)


def test_what_is_no_group_is_refused() -> None:
    labels = np.arange(60) % 2
    result = evaluation(labels, labels)
    with pytest.raises(DataError, match="all 60 samples have one camera: 'a'"):
        by_groups(result, ["a"] * 60, "camera")
    with pytest.raises(UsageError, match="60 values for 60 samples: it tells samples, not groups"):
        by_groups(result, [f"{n}.png" for n in range(60)], "file")
    assert by_groups(result, [""] * 30 + ["b"] * 30, "camera").groups[0].name == "(not said)"


def test_groups_of_several_labels_have_their_own_shares_and_fit_a_terminal() -> None:
    draw = np.random.default_rng(0)
    truth = (draw.random((120, 3)) < 0.4).astype(np.uint8)
    shares = np.clip(0.6 * truth + 0.5 * draw.random(truth.shape), 0, 1)
    names = ["a clinic with a long name"] * 50 + ["old"] * 70
    result = SeveralLabels(
        split="test", samples=120, class_names=("a", "b", "c"), shares=shares, truth=truth, thresholds=np.full(3, 0.45),
        fitted=True, intervals={}, ids=np.arange(120), paths=("",) * 120, pictures={},
    )  # fmt: skip
    found = by_groups(result, names, "camera")
    clinic, old = found.groups
    said = shares[50:] >= 0.45
    assert isinstance(old, LabelGroup)
    assert old.right == sum(row.tolist() == true.tolist() for row, true in zip(said, truth[50:] > 0, strict=True))
    assert old.interval == wilson(old.right, 70)
    assert old.false_positive_rate == pytest.approx(said[truth[50:] == 0].mean())
    assert old.false_negative_rate == pytest.approx(1 - said[truth[50:] == 1].mean())
    assert old.mean_ap == pytest.approx(average_precision_score(truth[50:], shares[50:], average="macro"))
    assert found.gap_interval == difference(
        *(n for g in sorted((clinic, old), key=lambda g: -g.accuracy) for n in (g.right, g.samples))
    )
    assert "all labels are right" in found.sentence
    assert max(map(len, str(found).splitlines())) <= 80
    assert found.to_dict()["groups"][1]["exact"] == old.accuracy
