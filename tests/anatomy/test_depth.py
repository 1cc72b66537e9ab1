"""Depth counts layers with weights, also where the weights are computed from others before they are used."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hubel.anatomy.abstract import build
from hubel.anatomy.summary import summarise
from hubel.models import card, create_model
from hubel.nn.layers import StandardisedConv2d


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("lenet1989", 4),  # H1 and H2 mask their kernels by a table, H3, output
        ("lenet5", 4),  # C1, C3 (masked), C5, F6; the codes of the output are fixed
        ("p4_cnn", 7),  # six group convolutions and the one that answers: turned copies of the filters
        ("p4m_cnn", 7),
        ("harmonic_net", 7),  # filters made of rings and phases
        ("neocognitron", 4),  # S1, S2, S3 learn without gradients; what blurs is fixed
        ("resnet18", 18),
    ],
)
def test_computed_weights_count_as_layers(name: str, depth: int) -> None:
    size = card(name).img_size
    net = build(lambda: create_model(name, in_chans=card(name).in_chans))
    assert summarise(net, (card(name).in_chans, size, size)).depth == depth


def test_making_weights_of_weights_is_no_layer_of_its_own() -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(3, 6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, self.a @ self.b)

    assert summarise(Product(), (6,)).depth == 1
    assert summarise(nn.Sequential(StandardisedConv2d(1, 2, 3), nn.Conv2d(2, 2, 3)), (1, 8, 8)).depth == 2
