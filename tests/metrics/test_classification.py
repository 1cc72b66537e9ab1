from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from hubel.errors import DataError
from hubel.metrics import top1, top5
from hubel.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    most_confused,
    per_class,
    top_k,
    weighted_f1,
)
from metrics.metric_cases import logits_and_labels

Case = tuple[np.ndarray, np.ndarray]


def slow_top_k(logits: np.ndarray, labels: np.ndarray, k: int) -> float:
    hits = 0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        best_first = sorted(range(len(row)), key=lambda c: (-row[c], c))
        hits += label in best_first[:k]
    return hits / len(labels)


@settings(max_examples=1000, deadline=None)
@given(logits_and_labels(), st.integers(1, 9))
def test_top_k_equals_sorting_every_row(case: Case, k: int) -> None:
    assert top_k(*case, k) == pytest.approx(slow_top_k(*case, k))


@settings(max_examples=200, deadline=None)
@given(logits_and_labels())
def test_top1_is_the_accuracy_of_argmax_also_with_ties(case: Case) -> None:
    logits, labels = case
    assert top1(logits, labels) == pytest.approx(float((logits.argmax(axis=1) == labels).mean()))


def test_top5_of_five_classes_says_nothing_and_is_not_given() -> None:
    labels = np.arange(5)
    assert np.isnan(top5(np.eye(5), labels))
    assert top5(np.eye(6)[:5], labels) == 1.0


@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
@settings(max_examples=150, deadline=None)
@given(logits_and_labels())
def test_the_confusion_matrix_and_what_is_read_off_it_equal_scikit_learn(case: Case) -> None:
    logits, labels = case
    K = logits.shape[1]
    predicted = logits.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted, K)
    table = per_class(confusion)
    np.testing.assert_array_equal(confusion, oracle.confusion_matrix(labels, predicted, labels=range(K)))
    precision, recall, f1, support = oracle.precision_recall_fscore_support(
        labels, predicted, labels=range(K), zero_division=np.nan
    )
    np.testing.assert_allclose(table.precision, precision)
    np.testing.assert_allclose(table.recall, recall)
    np.testing.assert_allclose(table.f1, f1)
    np.testing.assert_array_equal(table.support, support)
    assert accuracy(confusion) == pytest.approx(oracle.accuracy_score(labels, predicted))
    assert macro_f1(confusion) == pytest.approx(oracle.f1_score(labels, predicted, average="macro", zero_division=0))
    assert weighted_f1(confusion) == pytest.approx(oracle.f1_score(labels, predicted, average="weighted"))
    present = np.unique(labels)
    recalls = oracle.recall_score(labels, predicted, labels=present, average=None)
    assert balanced_accuracy(confusion) == pytest.approx(float(np.mean(recalls)))


def test_a_class_that_never_occurs_has_no_recall_and_is_left_out_of_the_means() -> None:
    confusion = np.array([[4, 0, 0], [2, 2, 0], [0, 0, 0]])
    table = per_class(confusion)
    assert np.isnan([table.recall[2], table.precision[2], table.f1[2]]).all()
    assert balanced_accuracy(confusion) == 0.75


def test_no_samples_give_no_numbers_and_no_warning() -> None:
    nothing = np.zeros((3, 3), dtype=np.int64)
    assert np.isnan([accuracy(nothing), balanced_accuracy(nothing), macro_f1(nothing), weighted_f1(nothing)]).all()
    assert np.isnan(top_k(np.zeros((0, 3)), np.zeros(0, dtype=np.int64), 1))


def test_the_most_confused_pairs_come_first_and_ties_are_settled_by_share_then_index() -> None:
    confusion = np.array([[90, 5, 5], [5, 5, 0], [1, 2, 7]])
    found = [(c.label, c.predicted, c.count) for c in most_confused(confusion, 4)]
    assert found == [(1, 0, 5), (0, 1, 5), (0, 2, 5), (2, 1, 2)]
    assert most_confused(np.diag([3, 4])) == ()


@settings(max_examples=200, deadline=None)
@given(logits_and_labels())
def test_the_pairs_together_are_all_the_mistakes(case: Case) -> None:
    logits, labels = case
    predicted = logits.argmax(axis=1)
    pairs = most_confused(confusion_matrix(labels, predicted, logits.shape[1]), 100)
    assert sum(pair.count for pair in pairs) == int((labels != predicted).sum())


@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        (np.zeros((3, 2)), np.zeros(2, dtype=int), "shapes (3, 2) and (2,)"),
        (np.zeros(3), np.zeros(3, dtype=int), "scores must be N K"),
        (np.array([[np.nan, 0], [0, 1]]), np.zeros(2, dtype=int), "1 of 2 samples hold NaN"),
        (np.zeros((2, 2)), np.array([0, 2]), "labels must lie in 0..1"),
        (np.zeros((2, 2)), np.array([0, -1]), "labels must lie in 0..1"),
    ],
)
def test_scores_and_labels_that_do_not_fit_are_explained(logits: np.ndarray, labels: np.ndarray, says: str) -> None:
    with pytest.raises(DataError) as caught:
        top1(logits, labels)
    assert says in str(caught.value)
