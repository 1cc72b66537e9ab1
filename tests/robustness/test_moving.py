"""Where nets are invariant and equivariant, and where not, as far as theory knows it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from hubel.data.augment_ops import shifted
from hubel.errors import UnknownName
from hubel.robustness.moving import bend_curve, shift_curve, size_curve, turn_curve

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (12, 1, 16, 16), dtype=np.uint8)
LABELS = np.arange(12) % 3


def as_floats(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.float() / 255


def ask_of(net: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pictures: net(as_floats(torch.from_numpy(pictures))).detach().numpy()


def test_a_net_of_points_and_a_mean_does_not_see_a_wrapped_shift() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 1), nn.ReLU(), nn.Conv2d(8, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    curve = shift_curve(ask_of(net), PICTURES, LABELS, far=5, border="wrap")
    assert curve.consistency == (1.0,) * 6
    assert len(set(curve.accuracy)) == 1
    assert curve.sentence.endswith(": from 0 to 5 pixels every answer stays.")


def test_a_net_that_reads_one_pixel_sees_every_shift() -> None:
    def ask(pictures: np.ndarray) -> np.ndarray:
        return np.eye(256)[pictures[:, 0, 8, 8]]

    curve = shift_curve(ask, PICTURES, PICTURES[:, 0, 8, 8].astype(int), far=2, border="mirror")
    assert (curve.accuracy[0], curve.consistency[0]) == (1.0, 1.0)
    by_hand = np.mean(
        [PICTURES[:, 0, 8 - dy, 8 - dx] == PICTURES[:, 0, 8, 8] for dy, dx in ((0, 2), (0, -2), (2, 0), (-2, 0))]
    )
    assert curve.consistency[2] == pytest.approx(by_hand)


def test_what_a_shift_brings_in_is_what_the_border_says() -> None:
    row = torch.tensor([[1, 2, 3, 4]])
    assert shifted(row, 0, -2, border="black").tolist() == [[3, 4, 0, 0]]
    assert shifted(row, 0, 2, border="mirror").tolist() == [[3, 2, 1, 2]]
    assert shifted(row, 0, 9, border="black").tolist() == [[0, 0, 0, 0]]
    with pytest.raises(UnknownName, match="did you mean 'black'"):
        shifted(row, 0, 1, border="blak")


def test_a_quarter_turn_is_exact_and_twice_the_size_shows_the_middle() -> None:
    seen: list[np.ndarray] = []

    def ask(pictures: np.ndarray) -> np.ndarray:
        seen.append(pictures)
        return np.zeros((len(pictures), 3))

    turn_curve(ask, PICTURES, LABELS, at=(0.0, 90.0))
    still, _, one_way, other_way = seen
    assert (still == PICTURES).all()
    assert {one_way.tobytes(), other_way.tobytes()} == {
        np.ascontiguousarray(np.rot90(PICTURES, k, (2, 3))).tobytes() for k in (1, 3)
    }
    seen.clear()
    size_curve(ask, PICTURES, LABELS, at=(100.0, 50.0))
    assert (seen[1] == PICTURES).all()
    assert not seen[2][:, :, :3].any()
    assert seen[2][:, :, 5:11, 5:11].any()


def test_bending_is_a_function_of_the_sample() -> None:
    seen: list[np.ndarray] = []

    def ask(pictures: np.ndarray) -> np.ndarray:
        seen.append(pictures)
        return np.zeros((len(pictures), 3))

    bend_curve(ask, PICTURES, LABELS, np.arange(12), at=(0.0, 4.0))
    bend_curve(ask, PICTURES[6:], LABELS[6:], np.arange(6, 12), at=(0.0, 4.0))
    assert (seen[1] == PICTURES).all()
    assert (seen[2] != PICTURES).any()
    assert (seen[2][6:] == seen[5]).all()
