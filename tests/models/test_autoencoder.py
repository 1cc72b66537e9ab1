"""Nets that give a picture back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from hubel.errors import UsageError
from hubel.models import create_model


def test_an_autoencoder_learns_digits_and_finds_noise_strange() -> None:
    torch.manual_seed(0)
    digits = torch.tensor(load_digits().images[:400] / 16, dtype=torch.float32)[:, None]
    net = create_model("autoencoder", in_chans=1, img_size=8, code=16)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    first = net.errors(digits).mean().item()
    for _ in range(120):
        optimiser.zero_grad()
        net.errors(digits).mean().backward()
        optimiser.step()
    known = net.errors(digits).mean().item()
    shuffled = torch.tensor(np.random.default_rng(0).permuted(digits.flatten(1).numpy(), axis=1)).view_as(digits)
    assert known < first / 5
    assert net.errors(shuffled).mean().item() > 3 * known


@pytest.mark.parametrize("size", [(28, 28), (9, 14), (1, 1)])
def test_any_size_comes_back_as_it_was(size: tuple[int, int]) -> None:
    net = create_model("autoencoder", in_chans=3, img_size=size)
    assert net.reconstruct(torch.zeros(2, 3, *size)).shape == (2, 3, *size)
    assert net.decode(torch.zeros(2, 32)).shape == (2, 3, *size)
    with pytest.raises(
        UsageError, match=r"option .code. of model .autoencoder. must be a whole number of at least 1, got 0"
    ):
        create_model("autoencoder", code=0)


@pytest.mark.parametrize("size", [(28, 28), (33, 17), (8, 8)])
def test_a_unet_answers_for_every_pixel_and_its_logits_are_the_mean(size: tuple[int, int]) -> None:
    net = create_model("unet", num_classes=3, in_chans=1, img_size=size, maps=4).eval()
    images = torch.randn(2, 1, *size)
    assert net.segment(images).shape == (2, 3, *size)
    assert torch.allclose(net.segment(images).mean((2, 3)), net(images))


def test_the_published_unet_has_its_parameters() -> None:
    with torch.device("meta"):
        net = create_model("unet", in_chans=1)
    assert sum(p.numel() for p in net.parameters()) == 31_036_546
