"""Folds and nested parts: every picture is tested once, classes are even, groups and copies stay together."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from hubel.data.folds import folded, folds_of, thinned
from hubel.data.manifest import Manifest
from hubel.data.sources import open_source
from hubel.data.splits import split
from hubel.errors import DataError, UsageError


def made(labels: list[int], groups: list[str] | None = None, given: list[str] | None = None) -> Manifest:
    """A data set of distinct pictures with these labels."""
    digits = open_source("digits")
    count = len(labels)
    assert digits.arrays is not None
    return replace(
        digits, labels=np.array(labels, np.int64), arrays=digits.arrays[:count],
        class_names=tuple("abcdefghij"[: max(labels) + 1]),
        groups=None if groups is None else np.array(groups), given_split=np.array(given or [""] * count),
    )  # fmt: skip


def test_each_picture_is_the_test_of_one_fold_and_classes_are_as_even_as_scikit_learn_makes_them() -> None:
    digits = open_source("digits")
    fold = folds_of(digits, 5)
    ours = np.array([np.bincount(digits.labels[fold == k], minlength=10) for k in range(5)])
    oracle = [np.bincount(digits.labels[test], minlength=10) for _, test in
              StratifiedKFold(5).split(digits.labels, digits.labels)]  # fmt: skip
    assert ours.sum() == len(digits)
    assert np.ptp(ours, axis=0).max() <= np.ptp(np.array(oracle), axis=0).max() == 1
    assert np.ptp(ours.sum(axis=1)) <= 1
    tests = [folded(digits, 5, k, val=0.1).test for k in range(1, 6)]
    assert sorted(np.concatenate(tests).tolist()) == list(range(len(digits)))


def test_what_learns_chooses_and_tests_is_apart_and_another_seed_deals_otherwise() -> None:
    digits = open_source("digits")
    parts = folded(digits, 4, 2, val=0.1, seed=3)
    rows = np.concatenate([parts.train, parts.val, parts.test])
    assert len(np.unique(rows)) == len(rows) == len(digits)
    assert abs(len(parts.val) - 0.1 * len(digits)) <= 1
    assert np.ptp(np.bincount(digits.labels[parts.val])) <= 2
    assert parts.digest != folded(digits, 4, 2, val=0.1, seed=4).digest
    assert parts.digest == folded(digits, 4, 2, val=0.1, seed=3).digest


def test_groups_stay_together_and_are_dealt_about_as_evenly_as_by_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300).tolist()
    groups = [f"g{random.integers(0, 40)}" for _ in labels]
    data = made(labels, groups)
    fold = folds_of(data, 5)
    assert all(len(set(fold[np.array(groups) == name].tolist())) == 1 for name in set(groups))
    sizes = np.bincount(fold)
    oracle = [len(test) for _, test in StratifiedGroupKFold(5).split(labels, labels, groups)]
    assert np.ptp(sizes) <= max(6, np.ptp(oracle) + 2)
    parts = folded(data, 5, 1, val=0.2)
    names = np.array(groups)
    assert not set(names[parts.train]) & set(names[parts.test])
    assert not set(names[parts.train]) & set(names[parts.val])


def test_large_groups_are_dealt_first_so_that_small_ones_even_them_out() -> None:
    sizes = [*range(1, 21), 40, 40, 40]  # as scikit-learn would not sort them
    groups = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    fold = folds_of(made([0] * len(groups) + [1] * 30, groups + [f"h{n}" for n in range(30)]), 3)
    assert np.ptp(np.bincount(fold[: len(groups)])) <= 2


def test_a_given_test_part_is_in_no_fold() -> None:
    data = made([0, 1] * 20, given=["test"] * 10 + ["train"] * 20 + ["val"] * 10)
    parts = folded(data, 3, 1, val=0.1)
    assert parts.dropped.tolist() == list(range(10))
    assert sorted(np.concatenate([parts.train, parts.val, parts.test]).tolist()) == list(range(10, 40))


@pytest.mark.parametrize(
    ("labels", "groups", "count", "words"),
    [
        ([0] * 10 + [1] * 3, None, 5, "the class 'b' has 3 pictures: too few for 5 folds"),
        ([0, 1] * 10, ["film"] * 14 + list("abcdef"), 5, "the group 'film' holds 14 of 20 pictures"),
        ([0] * 12 + [1] * 12, [*"aabbccddeeff", *"ghghghghghgh"], 4, "in 2 groups that stay together"),
        ([0, 1] * 3, list("aaabbb"), 3, "there are 2"),
    ],
)
def test_folds_that_cannot_be_filled_are_refused_with_the_reason(
    labels: list[int], groups: list[str] | None, count: int, words: str
) -> None:
    with pytest.raises(DataError) as error:
        folds_of(made(labels, groups), count)
    assert words in error.value.what
    assert error.value.hint


def test_so_many_folds_as_the_refusal_names_can_be_filled() -> None:
    data = made([0] * 9 + [1] * 9, [*"aaabbbccc", *"defghijkl"])
    with pytest.raises(DataError) as error:
        folds_of(data, 10)
    assert (error.value.hint, "the group 'a' holds 3 of 18" in error.value.what) == ("--folds 3", True)
    assert np.bincount(folds_of(data, 3)).tolist() == [6, 6, 6]
    with pytest.raises(DataError, match=r"in 1 group that stays together[\s\S]*\n  group them more finely"):
        folds_of(made([0] * 6 + [1] * 12, [*"aaaaaa", *"bcdefghijklm"]), 4)


def test_one_fold_is_none() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        folds_of(open_source("digits"), 1)


def test_smaller_parts_lie_in_larger_ones_and_keep_the_classes_shares_and_the_test() -> None:
    data = made([0] * 100 + [1] * 40)
    whole = split(data, val=0.1, test=0.2)
    parts = [thinned(whole, data, share, seed=1) for share in (1 / 8, 1 / 4, 1 / 2, 1.0)]
    for small, large in itertools.pairwise(parts):
        assert set(small.train.tolist()) < set(large.train.tolist())
    assert parts[3].train.tolist() == whole.train.tolist()
    assert all(part.test.tolist() == whole.test.tolist() for part in parts)
    counts = np.bincount(data.labels[parts[1].train])
    assert abs(counts[0] / counts[1] - 2.5) < 0.4
    assert set(parts[0].train.tolist()) != set(thinned(whole, data, 1 / 8, seed=2).train.tolist())
    assert len(np.unique(data.labels[thinned(whole, data, 0.001).train])) == 2  # one of each class at least
