"""What is said of luck when a search has ended: of accuracies, of losses, and of scores of all samples together."""

from __future__ import annotations

import math

import pytest

from hubel.searching.found import gap_words, noise_of
from hubel.searching.standing import Beside, Finalist, Standing


def standing(score: str, seeds: int, difference: float = 0.02) -> Standing:
    """The defaults ahead of trial 2."""
    finalists = [
        Finalist(trial=n, values=values, folders=(f"trial-{n}",), scores=(at,), mean=at, interval=(math.nan, math.nan))
        for n, values, at in ((1, {}, 0.9), (2, {"lr": 0.1}, 0.88))
    ]
    known = score in ("", "accuracy")
    span = (difference - 0.01, difference + 0.01)
    beside = Beside(trial=2, difference=difference, interval=span, seeds=(seeds, seeds), by_sample=known)
    return Standing(finalists=tuple(finalists), beside=(beside,), samples=40, score=score)


@pytest.mark.parametrize(
    ("score", "seeds", "words"),
    [
        (
            "accuracy",
            1,
            "ahead of trial 2 by more than noise: +2.00 points (95 % interval +1.00 to +3.00, 1 and 1 seed;",
        ),
        ("", 2, "by more than noise: a loss smaller by 0.02 (95 % interval +0.01 to +0.03, 2 and 2 seeds)"),
        ("iou", 2, "+2.00 points of mean IoU (95 % interval +1.00 to +3.00, 2 and 2 seeds; other samples are not"),
        ("iou", 1, "perhaps by luck: +2.00 points of mean IoU (1 and 1 seed: what another seed would do is not known)"),
    ],
)
def test_luck_is_told_in_the_unit_of_what_was_compared(score: str, seeds: int, words: str) -> None:
    said = noise_of(standing(score, seeds))
    assert said[0] == "Nothing beat the defaults."
    assert words in said[1]


def test_who_is_level_is_not_ahead() -> None:
    assert noise_of(standing("accuracy", 2, 0.0))[1].startswith("They stand level with trial 2: +0.00 points")


def test_who_is_ahead_with_fewer_seeds_has_not_won_and_is_told_so() -> None:
    first, second = noise_of(standing("accuracy", 1, -0.02))
    assert first == "Nothing that was trained with several seeds beat the defaults."
    assert second.startswith(
        "Ahead of them, but with fewer seeds, is trial 2: +2.00 points (95 % interval +1.00 to +3.00"
    )


def test_no_difference_has_no_sign() -> None:
    (level,) = standing("accuracy", 2, 0.0).beside
    assert gap_words(level, "accuracy", sign=-1).startswith("+0.00 points")
