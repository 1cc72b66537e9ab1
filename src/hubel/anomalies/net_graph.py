"""Methods that train a net, as nets that exporters can follow: autoencoders, f-AnoGAN, foreign patches.

Each takes pictures B C H W uint8 of the detector's size and gives what its method gives.
"""

from __future__ import annotations

import torch
from torch import nn

from hubel.anomalies import adversarial, autoencoders, foreign
from hubel.anomalies.eyes import Eyes, shrunken
from hubel.anomalies.flat import most_of
from hubel.anomalies.graph_parts import Raw
from hubel.anomalies.settings import State


class GivenBack(nn.Module):
    """Where a picture and what an autoencoder gives back differ."""

    def __init__(self, eyes: Eyes, state: State) -> None:
        super().__init__()
        self.net = autoencoders.opened(state, "cpu")

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        maps = autoencoders.seen(self.net, shrunken(images, autoencoders.SIDE))
        return _top(maps, autoencoders.TOP), maps.double()


class MadeInstead(nn.Module):
    """How far a picture is off from what f-AnoGAN makes in its place."""

    def __init__(self, eyes: Eyes, state: State) -> None:
        super().__init__()
        self.net, self.weight = adversarial.opened(state, "cpu")

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        off, maps = adversarial.seen(self.net, shrunken(images, adversarial.SIDE), self.weight)
        return off.double(), maps.double()


class ForeignShare(nn.Module):
    """How foreign each place of a picture looks."""

    def __init__(self, eyes: Eyes, state: State) -> None:
        super().__init__()
        self.net = foreign.opened(state, "cpu")

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        maps = foreign.seen(self.net, shrunken(images, foreign.SIDE))
        return _top(maps, foreign.TOP), maps.double()


def _top(maps: torch.Tensor, share: float) -> torch.Tensor:
    """B: mean of the largest share of each map."""
    count = most_of(maps[0].numel(), share)
    return maps.flatten(1).topk(count, dim=1).values.mean(dim=1).double()
