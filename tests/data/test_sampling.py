"""Samplers: classes in the wished shares, every picture in its turn, order and chances as functions of the epoch."""

from __future__ import annotations

import numpy as np
import pytest

from hubel.data.sampling import resampled, shares_of
from hubel.errors import UsageError

LABELS = np.repeat([0, 1, 2], [90, 27, 3])
ROWS = np.arange(120) * 2 + 5


@pytest.mark.parametrize("how", ["balanced", "sqrt"])
def test_classes_come_in_the_wished_shares_and_over_epochs_no_picture_is_forgotten(how: str) -> None:
    drawn = [resampled(ROWS, LABELS, how, seed=3, epoch=epoch)[0] for epoch in range(9)]
    assert all(len(rows) == 120 for rows in drawn)
    label_of = dict(zip(ROWS.tolist(), LABELS.tolist(), strict=True))
    counts = np.bincount([label_of[row] for rows in drawn for row in rows.tolist()], minlength=3)
    assert np.abs(counts - 9 * 120 * shares_of(np.bincount(LABELS), how)).max() <= 1
    often = np.bincount(np.concatenate(drawn), minlength=ROWS.max() + 1)[ROWS]
    for label in range(3):  # each goes round among its own, so that none leads by more than one
        assert np.ptp(often[label == LABELS]) <= 1
        assert often[label == LABELS].min() >= 1


def test_an_epoch_is_a_function_of_seed_and_number_and_a_picture_never_draws_the_same_chances_twice() -> None:
    one, names = resampled(ROWS, LABELS, "balanced", seed=3, epoch=2)
    again, _ = resampled(ROWS, LABELS, "balanced", seed=3, epoch=2)
    other, _ = resampled(ROWS, LABELS, "balanced", seed=3, epoch=3)
    assert one.tolist() == again.tolist()
    assert one.tolist() != other.tolist()
    assert len(set(names.tolist())) == 120
    rare = np.isin(one, ROWS[LABELS == 2])
    runs = np.diff(np.flatnonzero(rare))
    assert runs.max() > 3  # shuffled, and not one after the other


def test_a_class_that_is_not_there_gets_no_share_and_other_samplers_are_refused() -> None:
    assert shares_of(np.array([5, 0, 5]), "balanced").tolist() == [0.5, 0, 0.5]
    with pytest.raises(UsageError, match="balanced or sqrt"):
        shares_of(np.array([1, 1]), "cube")
