"""Sets of plausible classes hold the truth as often as they promise, each kind in its own way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hubel.errors import ArtefactError
from hubel.metrics.probability import log_softmax
from hubel.metrics.sets import KINDS, Sets, coins, cumulated, fit_sets


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of five classes of which two are told badly, and labels drawn from other probabilities than they say."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(count, 5)) * [4, 4, 4, 1, 1]
    shares = np.exp(log_softmax(logits / 1.5)).cumsum(axis=1)
    return logits, (draw.random((count, 1)) > shares).sum(axis=1).clip(max=4)


@pytest.mark.parametrize("kind", KINDS)
def test_they_cover_as_often_as_is_promised_in_the_mean_of_many_splits(kind: str) -> None:
    covered = []
    for seed in range(40):
        logits, labels = drawn(1200, seed)
        found = fit_sets(logits[:400], labels[:400], coins(logits[:400]), 0.8)
        shares, coin = np.exp(log_softmax(logits[400:])), coins(logits[400:])
        inside = {
            "lac": shares >= found.limit,
            "aps": cumulated(shares, coin) <= found.sum,
            "per-class": shares >= found.own,
        }[kind]
        covered.append(inside[np.arange(800), labels[400:]].mean())
        inside[np.arange(800), shares.argmax(axis=1)] = True  # no set is empty, so that they hold it more often still
        np.testing.assert_array_equal(found.within(shares, kind, coin), inside)
    assert np.mean(covered) == pytest.approx(0.8, abs=0.015)


def test_limits_of_their_own_keep_the_promise_for_every_class() -> None:
    logits, labels = drawn(20_000, 1)
    found = fit_sets(logits[:5000], labels[:5000], coins(logits[:5000]), 0.8)
    shares, truth = np.exp(log_softmax(logits[5000:])), labels[5000:]
    worst = {}
    for kind in ("lac", "per-class"):
        right = found.within(shares, kind)[np.arange(len(truth)), truth]
        worst[kind] = min(right[truth == k].mean() for k in range(5))
    assert worst["per-class"] > 0.77
    assert worst["lac"] < worst["per-class"] - 0.02


def test_sums_of_probability_are_those_of_a_loop() -> None:
    draw = np.random.default_rng(0)
    shares = draw.dirichlet(np.ones(6), 50)
    coin = draw.random(50)
    found = cumulated(shares, coin)
    for row, u, sums in zip(shares, coin, found, strict=True):
        for k in range(6):
            assert sums[k] == pytest.approx(row[row > row[k]].sum() + u * row[k])


def test_the_coin_is_fair_and_the_pictures_own() -> None:
    logits = np.random.default_rng(0).normal(size=(5000, 10)) * 3
    found = coins(logits)
    assert np.abs(np.histogram(found, bins=10, range=(0, 1))[0] / 500 - 1).max() < 0.2
    np.testing.assert_array_equal(coins(logits[7:9]), found[7:9])


def test_no_set_is_empty_and_without_samples_every_class_is_plausible() -> None:
    shares = np.array([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]])
    strict = Sets(limit=0.99, sum=0.0, own=np.full(3, 0.99))
    for kind in KINDS:
        assert strict.within(shares, kind, np.ones(2)).sum(axis=1).tolist() == [1, 1]
        assert Sets().within(shares, kind, np.ones(2)).all()


def test_a_class_with_too_few_samples_has_the_limit_of_all() -> None:
    logits, labels = drawn(300, 3)
    labels = np.where(labels == 4, 0, labels)
    labels[:5] = 4
    found = fit_sets(logits, labels, coins(logits), 0.95)
    assert np.isnan(found.own).tolist() == [False] * 4 + [True]
    assert found.told_apart == "1 of 5 classes had too few validation samples for a limit of their own"
    shares = np.array([[0.0, 0.0, 0.0, 1 - found.limit - 1e-9, found.limit + 1e-9]])
    assert found.within(shares, "per-class")[0, 4]


def test_kinds_that_nothing_was_learnt_for_are_refused_in_words() -> None:
    few = fit_sets(*(each[:10] for each in drawn(10, 0)), np.zeros(10), 0.95)
    assert math.isinf(few.sum)
    with pytest.raises(ArtefactError, match="a limit of its own needs") as refused:
        few.refuse("per-class")
    assert "--sets lac" in str(refused.value)
    with pytest.raises(ArtefactError, match="too small for sets by sums"):
        few.refuse("aps")
    few.refuse("lac")
