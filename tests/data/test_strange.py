"""Strange pictures keep what their kind says, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from hubel.data.strange import KINDS, WORDS, blended, inverted, noise, scrambled, shuffled

PICTURES = np.random.default_rng(1).integers(0, 256, (6, 3, 10, 13), dtype=np.uint8)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shape", [(6, 3, 10, 13), (4, 1, 8, 8), (2, 1, 1, 1), (1, 3, 3, 2)])
def test_every_kind_gives_as_many_other_pictures_of_the_same_size(name: str, shape: tuple[int, ...]) -> None:
    given = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    before = given.copy()
    found = KINDS[name](given, np.random.default_rng(0))
    assert (found.shape, found.dtype) == (shape, np.uint8)
    assert (given == before).all(), "the pictures themselves are left alone"
    if min(shape[2:]) > 2 and len(given) > 1:
        assert (found != given).reshape(len(given), -1).any(axis=1).all()
    assert WORDS[name]


def test_patches_are_the_same_patches_in_another_order() -> None:
    found = shuffled(PICTURES, np.random.default_rng(0))
    own = {PICTURES[0, :, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3].tobytes() for i in range(4) for j in range(4)}
    new = {found[0, :, 2 * i : 2 * i + 2, 3 * j : 3 * j + 3].tobytes() for i in range(4) for j in range(4)}
    assert own == new


def test_noise_has_the_pixels_of_its_picture() -> None:
    found = noise(PICTURES, np.random.default_rng(0))
    for old, new in zip(PICTURES, found, strict=True):
        assert sorted(map(tuple, old.reshape(3, -1).T)) == sorted(map(tuple, new.reshape(3, -1).T))


def test_two_blended_are_their_mean_and_inverting_turns_light_to_dark() -> None:
    pair = np.array([[[[10]]], [[[21]]]], np.uint8)
    assert blended(pair, np.random.default_rng(0)).ravel().tolist() == [16, 16]
    assert inverted(pair, np.random.default_rng(0)).ravel().tolist() == [245, 234]


def test_scrambled_pictures_keep_their_mean_and_their_grain() -> None:
    soft = np.clip(128 + 40 * np.sin(np.arange(32) / 5)[None, None, :, None] * np.ones((3, 1, 32, 32)), 0, 255)
    found = scrambled(soft.astype(np.uint8), np.random.default_rng(0))
    assert found.mean() == pytest.approx(soft.mean(), abs=2)
    old, new = (np.abs(np.fft.rfft2(p[0, 0].astype(float))) for p in (soft.astype(np.uint8), found))
    np.testing.assert_allclose(new[1:4, 0], old[1:4, 0], rtol=0.1, atol=60)
