"""How much of a signal is left where maps shrink to a pixel: against what a net really does, and what is told of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.models import create_model
from hubel.nn.fading import find_fading


@pytest.mark.parametrize(
    ("name", "side", "fades"),
    [("vgg16", 8, True), ("vgg16", 32, False), ("vgg16_bn", 8, False), ("resnet18", 8, False)],
)
def test_a_plain_deep_net_on_small_pictures_fades_and_one_with_norms_does_not(
    name: str, side: int, *, fades: bool
) -> None:
    with torch.device("meta"):
        net = create_model(name, num_classes=10, in_chans=1, img_size=(side, side))
    found = find_fading(net, torch.zeros(1, 1, side, side, device="meta"))
    assert (found is not None) == fades
    if found is not None:
        assert found.on_a_pixel == 6
        assert found.first == "features.17"
        assert "6 of them see a single pixel" in found.told


def test_what_is_left_is_what_a_net_with_such_weights_lets_through() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(64, 64, 3, padding=1, bias=False) for _ in range(5)]
    for conv in layers:
        nn.init.normal_(conv.weight, std=(1 / (64 * 9)) ** 0.5)  # keeps the deviation where all of it meets the map
    net = nn.Sequential(*layers)
    found = find_fading(net, torch.zeros(1, 64, 1, 1))
    assert found is not None
    passed = net(torch.randn(400, 64, 1, 1)).std().item()
    assert found.left == pytest.approx(3.0**-5)
    assert passed == pytest.approx(found.left, rel=0.15)


def test_looking_changes_nothing() -> None:
    net = create_model("vgg11", num_classes=3, in_chans=1, img_size=(8, 8)).train()
    state, numbers = torch.get_rng_state(), {name: value.clone() for name, value in net.state_dict().items()}
    find_fading(net, torch.zeros(1, 1, 8, 8))
    assert net.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, numbers[name]) for name, value in net.state_dict().items())


def test_a_kernel_that_stays_on_the_map_loses_nothing() -> None:
    assert find_fading(nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in range(40))), torch.zeros(1, 1, 1, 1)) is None
    assert find_fading(nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(3))), torch.zeros(1, 1, 8, 8)) is None
    wrapped = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular") for _ in range(9)))
    assert find_fading(wrapped, torch.zeros(1, 1, 3, 3)) is None
