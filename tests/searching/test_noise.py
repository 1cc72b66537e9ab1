"""What is said of luck when a search has ended: of accuracies, of squared errors, and of answers that are no labels."""

from __future__ import annotations

import math

import pytest

from hubel.searching.found import noise_of
from hubel.searching.standing import Beside, Finalist, Standing


def standing(by: str, interval: tuple[float, float]) -> Standing:
    """The defaults ahead of trial 2, by 0.02."""
    finalists = [
        Finalist(trial=n, values=values, folders=(f"trial-{n}",), scores=(score,), mean=score, interval=interval)
        for n, values, score in ((1, {}, 0.9), (2, {"lr": 0.1}, 0.88))
    ]
    beside = (Beside(trial=2, difference=0.02, interval=(0.01, 0.03), seeds=(1, 1)),) if by else ()
    return Standing(finalists=tuple(finalists), beside=beside, samples=40, by=by)


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("accuracy", "ahead of trial 2 by more than noise: +2.00 points (95 % interval +1.00 to +3.00, 1 and 1 seed;"),
        ("squared error", "by more than noise: +0.02 less squared error (95 % interval +0.01 to +0.03, 1 and 1 seed;"),
        ("", "How much of it is luck is not told: answers that are no labels are ranked by their score alone."),
    ],
)
def test_luck_is_told_in_the_unit_of_what_was_compared(by: str, words: str) -> None:
    said = noise_of(standing(by, (0.8, 0.95) if by == "accuracy" else (math.nan, math.nan)))
    assert said[0] == "Nothing beat the defaults."
    assert words in said[1]
