"""SIREN: the initial distributions of the paper, and a picture held by a net."""

from __future__ import annotations

import math

import torch
from sklearn.datasets import load_digits

from hubel.models import create_model
from hubel.models.architectures.siren import grid


def test_initial_layers_have_the_distributions_of_the_paper() -> None:
    torch.manual_seed(0)
    net = create_model("siren", in_chans=2, hidden=(1024, 1024, 1024))
    x = grid(40, 40)
    for name in net.stages:
        layer = net.get_submodule(name)
        before = layer.omega * layer.linear(x)
        x = layer(x)
        if name != "sine1":
            assert abs(before.std().item() - 1) < 0.15, "a sine receives N(0, 1)"
            assert abs(x.std().item() - math.sqrt(0.5)) < 0.1, "and gives an arcsine distribution of variance 1/2"


def test_a_small_siren_learns_a_picture_by_heart() -> None:
    torch.manual_seed(0)
    picture = torch.tensor(load_digits().images[0] / 8 - 1, dtype=torch.float32)
    net = create_model("siren", num_classes=1, in_chans=2, hidden=(32, 32))
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        loss = (net(grid(8, 8))[:, 0] - picture.flatten()).square().mean()
        loss.backward()
        optimiser.step()
    assert loss.item() < 1e-3
