"""QuickNet and its first layer, which is computed from the data."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from hubel.errors import UsageError
from hubel.models import create_model
from hubel.models.architectures.quicknet import Group


def pictures(channels: int) -> torch.Tensor:
    """Smooth noise, in which neighbouring pixels resemble each other as in photographs: 200 C 16 16."""
    noise = torch.randn(200, channels, 20, 20, generator=torch.Generator().manual_seed(0))
    smooth = functional.avg_pool2d(noise, 5, stride=1)
    return (smooth - smooth.mean()) / smooth.std()


def test_the_first_filters_answer_to_the_data_with_equal_strength_and_uncorrelated() -> None:
    for channels in (1, 3):
        net = create_model("quicknet", num_classes=2, in_chans=channels, img_size=16)
        images = pictures(channels)
        net.prepare_from(images)
        answers = functional.conv2d(images, net.stem[0].weight, stride=2)[:, : 4 * channels]
        covariance = answers.transpose(0, 1).flatten(1).cov(correction=0)
        assert (covariance - torch.eye(4 * channels)).abs().max() < 0.06


def test_the_second_half_of_the_first_filters_is_the_first_with_the_other_sign_and_none_of_them_is_learned() -> None:
    net = create_model("quicknet", num_classes=2, in_chans=3, img_size=16)
    net.prepare_from(pictures(3))
    filters = net.stem[0].weight
    assert filters.shape == (24, 3, 2, 2)
    assert torch.equal(filters[12:], -filters[:12])
    assert not filters.requires_grad
    assert net.stem[0].bias.requires_grad


def test_a_direction_in_which_nothing_varies_is_not_blown_up() -> None:
    net = create_model("quicknet", num_classes=2, in_chans=1, img_size=16)
    net.prepare_from(torch.ones(50, 1, 16, 16))
    assert net.stem[0].weight.abs().max() < 50


def test_with_blurs_it_has_the_same_weights_and_moves_with_the_picture() -> None:
    torch.manual_seed(0)
    nets = [create_model("quicknet", num_classes=4, in_chans=3, img_size=32, blur=taps).eval() for taps in (None, 4)]
    nets[1].load_state_dict(nets[0].state_dict())
    wide = functional.avg_pool2d(torch.rand(16, 3, 70, 70), 5, 2)
    plain, moved = wide[..., :32, :32], wide[..., :32, 1:]
    apart = []
    for net in nets:
        with torch.no_grad():
            first, second, other = net(plain), net(moved), net(plain.roll(1, 0))
        apart.append(float((first - second).norm() / (first - other).norm()))
    assert apart[1] < 0.95 * apart[0]
    for side in (8, 9, 17, 64):
        made = create_model("quicknet", num_classes=4, in_chans=1, img_size=side, blur=3).eval()
        assert made(torch.rand(1, 1, side, side)).shape == (1, 4)


@pytest.mark.parametrize("blur", [None, 3])
def test_halving_by_strides_takes_the_same_weights_at_any_size(blur: int | None) -> None:
    kind = {"num_classes": 4, "in_chans": 1, "blur": blur}
    usual = create_model("quicknet", img_size=32, **kind)
    strided = create_model("quicknet", img_size=32, halving="stride", **kind).eval()
    strided.load_state_dict(usual.state_dict())
    assert not any(isinstance(module, nn.MaxPool2d) for module in strided.modules())
    for side in (8, 9, 17, 64):
        made = create_model("quicknet", img_size=side, halving="stride", **kind).eval()
        assert made(torch.rand(1, 1, side, side)).shape == (1, 4)


def test_a_stride_is_every_second_place_of_what_is_computed_everywhere() -> None:
    torch.manual_seed(0)
    group = Group(3, 8, halving="stride").eval()
    x = torch.rand(2, 3, 16, 16)
    everywhere = functional.conv2d(x, group.conv1.weight, padding=1)
    torch.testing.assert_close(group.pool(group.conv1(x)), everywhere[..., ::2, ::2])


def test_another_halving_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="halving") as caught:
        create_model("quicknet", num_classes=4, in_chans=1, img_size=32, halving="strid")
    assert "stride" in (caught.value.hint or "")
