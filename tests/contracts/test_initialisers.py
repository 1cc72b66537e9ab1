"""Every initialisation in the registry keeps these promises."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.nn.init import INITIALISERS, fans, initialise

NAMES = INITIALISERS.names()

# The standard deviation that the paper gives a weight, by fan-in and fan-out.
STD = {
    "xavier-uniform": lambda i, o: math.sqrt(2 / (i + o)),
    "xavier-normal": lambda i, o: math.sqrt(2 / (i + o)),
    "he-normal": lambda i, o: math.sqrt(2 / i),
    "he-uniform": lambda i, o: math.sqrt(2 / i),
    "lecun-normal": lambda i, o: math.sqrt(1 / i),
    "lecun-uniform": lambda i, o: math.sqrt(1 / i),
    "pytorch": lambda i, o: math.sqrt(1 / (3 * i)),
    "normal": lambda i, o: 0.01,
    "uniform": lambda i, o: 0.05 / math.sqrt(3),
    "truncated-normal": lambda i, o: 0.02 * 0.8796,  # the standard deviation of a normal cut at two of them
    "zeros": lambda i, o: 0.0,
}


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(32, 64, 5), nn.BatchNorm2d(64), nn.Conv2d(64, 80, 3), nn.Flatten(), nn.Linear(300, 200)
    )


@pytest.mark.parametrize("name", NAMES)
def test_it_is_finite_and_leaves_biases_at_nought_and_scales_at_one(name: str) -> None:
    torch.manual_seed(0)
    model = initialise(net(), name)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert all(not layer.bias.any() for layer in model if isinstance(layer, (nn.Conv2d, nn.Linear)))
    assert (model[1].weight == 1).all()
    assert not model[1].bias.any()


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights(name: str) -> None:
    torch.manual_seed(5)
    one = initialise(net(), name)
    torch.manual_seed(5)
    other = initialise(net(), name)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", STD)
def test_weights_spread_as_the_paper_says(name: str) -> None:
    torch.manual_seed(0)
    model = initialise(net(), name)
    for index in (2, 4):
        weight = model[index].weight
        expected = STD[name](*fans(weight))
        assert weight.std().item() == pytest.approx(expected, rel=0.03, abs=1e-9)
        assert abs(weight.mean().item()) <= 0.01 * max(expected, 1)


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no option 'spread'"):
        initialise(net(), name, spread=1)
