"""What is said of features that were learnt without labels: no more than the numbers bear."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubel.assembly.pretext.outcome import TOO_SMALL, LinearProbe
from hubel.training.objectives import usual_decay


def probe(pretrained: float, untrained: float, published: float | None = None) -> LinearProbe:
    return LinearProbe(
        data="d", classes=10, fitted=500, judged=400, pretrained=pretrained, untrained=untrained, published=published,
        reference="" if published is None else "efficientnet_lite0",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (probe(0.60, 0.40), "No published weights are here"),
        (probe(0.42, 0.40), "no better by more than luck"),
        (probe(0.39, 0.40), "no better by more than luck"),
        (probe(0.20, 0.40), "worse, so what it has learnt does not tell these classes apart"),
        (probe(0.60, 0.40, 0.90), "start from those instead (hubel train --from efficientnet_lite0)"),
        (probe(0.95, 0.40, 0.90), "On those of efficientnet_lite0 it names 90.0%."),
    ],
)
def test_what_is_said_follows_from_the_numbers(found: LinearProbe, said: str) -> None:
    assert said in found.sentence


def test_pictures_too_small_for_published_weights_are_not_said_to_lack_them() -> None:
    found = replace(probe(0.60, 0.40), alone=TOO_SMALL)
    assert "too small" in found.sentence
    assert "No published weights are here" not in found.sentence


def test_better_by_luck_is_not_better() -> None:
    assert probe(0.60, 0.40).better
    assert not probe(0.44, 0.40).better  # two standard errors of the difference are 6.9 points


def test_the_copy_of_a_short_run_follows_faster() -> None:
    assert usual_decay(1) == 0 < usual_decay(200) < usual_decay(5_000) <= 0.996
