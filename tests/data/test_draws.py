"""Random numbers as functions: whole-number arithmetic that any device does alike."""

from __future__ import annotations

import math

import pytest
import torch

from hubel.data.draws import Draws
from hubel.runtime import mix

WORD = (1 << 64) - 1


def by_hand(sample: int, *words: int) -> int:
    """SplitMix64's finaliser with Python's unbounded numbers."""
    x = (sample * 0x9E3779B97F4A7C15 + mix(*words)) & WORD
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
    return x ^ (x >> 31)


@pytest.mark.parametrize("words", [(0, 0), (3, 1, 4), (2**40, 17, 0, 5)])
def test_tensors_compute_what_plain_numbers_do(words: tuple[int, ...]) -> None:
    ids = torch.tensor([0, 1, 2, 1000, 2**40])
    draws = Draws(ids, *words)
    for call in range(3):
        bits = draws.bits().tolist()
        assert [b & WORD for b in bits] == [by_hand(i, *words, call) for i in ids.tolist()]


def test_uniform_numbers_are_the_top_bits_exactly() -> None:
    found = Draws(torch.arange(50), 7, 8).uniform()
    expected = [(by_hand(i, 7, 8, 0) >> 40) / 2**24 for i in range(50)]
    assert found.tolist() == expected


def test_a_sample_draws_the_same_in_any_batch() -> None:
    ids = torch.tensor([5, 6, 7, 8])
    assert Draws(ids, 1, 2).uniform()[2] == Draws(ids[2:3], 1, 2).uniform()[0]
    torch.testing.assert_close(Draws(ids, 1, 2).normal(3, 4)[1], Draws(ids[1:2], 1, 2).normal(3, 4)[0])


def test_every_call_word_and_sample_gives_other_numbers() -> None:
    ids = torch.arange(100)
    draws = Draws(ids, 0, 0)
    seen = [draws.uniform(), draws.uniform(), Draws(ids, 0, 1).uniform(), Draws(ids, 1, 0).uniform(),
            Draws(ids, 0, 0, 1).uniform()]  # fmt: skip
    assert len({round(v, 9) for numbers in seen for v in numbers.tolist()}) > 495


def test_steady_numbers_do_not_change_with_the_epoch() -> None:
    ids = torch.arange(10)
    assert torch.equal(Draws(ids, 3, 0, 1).steady().bits(), Draws(ids, 3, 9, 1).steady().bits())
    assert not torch.equal(Draws(ids, 3, 0, 1).steady().bits(), Draws(ids, 4, 0, 1).steady().bits())


def test_uniform_numbers_are_uniform_and_unrelated() -> None:
    table = torch.stack([Draws(torch.arange(2000), 0, epoch).uniform() for epoch in range(50)])  # epochs × samples
    counts = torch.histc(table, 20, 0, 1)
    expected = table.numel() / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi-squared, 19 degrees of freedom, 0.1 %
    centred = table - 0.5
    for shift in (1, 2):
        assert abs((centred[shift:] * centred[:-shift]).mean() * 12) < 4 / math.sqrt(table.numel())
        assert abs((centred[:, shift:] * centred[:, :-shift]).mean() * 12) < 4 / math.sqrt(table.numel())


def test_normal_numbers_are_normal() -> None:
    numbers = Draws(torch.arange(40), 0, 0).normal(5000)
    assert numbers.isfinite().all()
    assert abs(numbers.mean()) < 0.01
    assert abs(numbers.std() - 1) < 0.01
    assert abs((numbers.abs() < 1.96).float().mean() - 0.95) < 0.002
    assert abs(numbers.pow(4).mean() - 3) < 0.08
    neighbours = (numbers[:, 1:] * numbers[:, :-1]).mean()
    assert abs(neighbours) < 0.01


def test_whole_numbers_and_chances_cover_their_range_evenly() -> None:
    draws = Draws(torch.arange(9000), 0, 0)
    counts = torch.bincount(draws.integer(-1, 1) + 1)
    assert len(counts) == 3
    assert (counts - 3000).abs().max() < 200
    assert abs(draws.chance(0.3).float().mean() - 0.3) < 0.02
    assert set(draws.sign().tolist()) == {-1.0, 1.0}
