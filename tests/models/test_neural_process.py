"""A picture told from some of its pixels."""

from __future__ import annotations

import math

import pytest
import torch

from hubel.errors import UsageError
from hubel.models import create_model
from hubel.nn.losses import build_loss


def told_by(y: int, x: int) -> torch.Tensor:
    """A pixel of a picture of 4x6 by its place and the waves of it."""
    place = [2 * y / 3 - 1, 2 * x / 5 - 1]
    angles = [math.pi * turns * at for at in place for turns in (1, 2, 4, 8)]
    return torch.tensor([*place, *map(math.sin, angles), *map(math.cos, angles)])


def test_what_is_told_is_the_papers_three_equations_pixel_by_pixel() -> None:
    torch.manual_seed(0)
    net = create_model("neural_process", in_chans=2, img_size=(4, 6), width=16)
    net.scale.running_mean.normal_()
    net.scale.running_var.uniform_(0.5, 2)
    net.eval()
    images, shown = torch.rand(2, 2, 4, 6), torch.rand(2, 4, 6) < 0.4
    mean, deviation = net.complete(images, shown)
    for row in range(2):
        each = []
        for y, x in shown[row].nonzero().tolist():
            each.append(net.each(torch.cat([told_by(y, x), images[row, :, y, x]])))
        r = (torch.stack(each).mean(0) - net.scale.running_mean) / (net.scale.running_var + 1e-5).sqrt()
        for y, x in [(0, 0), (3, 5), (1, 4)]:
            said = net.tell(torch.cat([told_by(y, x), r]))
            torch.testing.assert_close(mean[row, :, y, x], said[:2])
            torch.testing.assert_close(deviation[row, :, y, x], 0.33 + 0.67 * torch.nn.functional.softplus(said[2:]))


def test_only_what_is_shown_has_a_say() -> None:
    net = create_model("neural_process", in_chans=1, img_size=8).eval()
    images, shown = torch.rand(1, 1, 8, 8), torch.zeros(1, 8, 8, dtype=torch.bool)
    shown[:, :4] = True
    other = images.clone()
    other[:, :, 4:] = torch.rand(1, 1, 4, 8)
    assert torch.equal(net.complete(images, shown)[0], net.complete(other, shown)[0])
    assert not torch.equal(net.complete(images, ~shown)[0], net.complete(other, ~shown)[0])


def test_asked_it_looks_at_the_same_scattered_pixels_and_learning_at_others_each_time() -> None:
    net = create_model("neural_process", in_chans=1, img_size=(28, 20), seen=40).eval()
    images = torch.rand(3, 1, 28, 20)
    assert sorted(net.order.tolist()) == list(range(560))
    shown = torch.zeros(560, dtype=torch.bool)
    shown[net.order[:40]] = True
    quarters = shown.view(28, 20)
    assert all(6 <= int(part.sum()) <= 14 for half in quarters.chunk(2) for part in half.chunk(2, dim=1))
    torch.testing.assert_close(net.reconstruct(images), net.complete(images, quarters.expand(3, -1, -1))[0])
    assert not torch.equal(net.reconstruct_all(images)[0], net.reconstruct_all(images)[0])
    with pytest.raises(UsageError, match="seen must be at most the 64 pixels of a picture, got 65"):
        create_model("neural_process", img_size=8, seen=65)


def test_its_loss_is_the_likelihood_of_a_normal_distribution() -> None:
    draw = torch.Generator().manual_seed(0)
    mean, truth = (torch.randn(3, 1, 4, 4, generator=draw) for _ in range(2))
    deviation = 0.1 + torch.rand(3, 1, 4, 4, generator=draw)
    oracle = torch.distributions.Normal(mean, deviation).log_prob(truth).mean()
    surest = torch.distributions.Normal(0.0, 0.1).log_prob(torch.tensor(0.0))
    torch.testing.assert_close(build_loss("gaussian-nll")(mean, truth, 2 * deviation.log()), surest - oracle)
    with pytest.raises(UsageError, match="floor must be above 0, got 0"):
        build_loss("gaussian-nll", floor=0)
