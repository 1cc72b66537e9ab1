"""QuickNet and its first layer, which is computed from the data."""

from __future__ import annotations

import torch
from torch.nn import functional

from hubel.models import create_model


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
