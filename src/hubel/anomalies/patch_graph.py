"""PaDiM and PatchCore as nets that exporters can follow.

Each takes pictures B C H W uint8 of the detector's size and gives what its method in `hubel.anomalies.patchwise` gives.
Letters: F numbers a patch, h w places, P = h w, M patches that are kept.
"""

from __future__ import annotations

import torch

from hubel.anomalies.eyes import Eyes
from hubel.anomalies.graph_parts import Kept, Raw, Sight, whole
from hubel.anomalies.patchwise import Bank
from hubel.anomalies.settings import State

TOGETHER = 256
"""Patches of the coreset that all patches of a batch are compared with at once: 2 MB of distances a picture."""


class Places(Kept):
    """The distance of every patch to the Gaussian of its place."""

    def __init__(self, eyes: Eyes, state: State) -> None:
        super().__init__(state)
        self.sight, self.size = Sight(eyes), whole(state["places"])

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        seen = self.sight.maps(images).flatten(2)[:, self.get_buffer("kept")].permute(2, 0, 1).double()
        plain = torch.matmul(seen - self.numbers("mean")[:, None], self.numbers("whitener").transpose(1, 2))
        maps = (plain**2).mean(dim=2).sqrt().transpose(0, 1)
        return maps.amax(dim=1), maps.reshape(-1, *self.size)


class Coreset(Kept):
    """The distance of every patch to the nearest of a coreset; the largest one weighed by what lies around it."""

    def __init__(self, eyes: Eyes, state: State) -> None:
        super().__init__(state | {"around": Bank(state["bank"]).all_around()})
        self.sight, self.size = Sight(eyes), whole(state["places"])

    def forward(self, images: torch.Tensor) -> Raw:
        """Scores and maps."""
        rows = self.sight.maps(images).flatten(2).transpose(1, 2)
        bank, nearest = self.get_buffer("bank"), self._nearest(rows.double())
        distance = _length(rows - bank[nearest])
        place = distance.argmax(dim=1, keepdim=True)
        row = rows.gather(1, place[:, :, None].expand(-1, -1, rows.shape[2]))[:, 0]
        near = nearest.gather(1, place)[:, 0]
        own = _length(bank[near] - row)
        others = _length(bank[self.get_buffer("around")[near]] - row[:, None])
        most = others.amax(dim=1)
        weight = 1 - torch.exp(own - most) / torch.exp(others - most[:, None]).sum(dim=1)
        return distance.amax(dim=1) * weight, distance.reshape(-1, *self.size)

    def _nearest(self, rows: torch.Tensor) -> torch.Tensor:
        """B P: which of the coreset is nearest to each of rows B P F float64."""
        best = near = None
        for start in range(0, len(self.get_buffer("bank")), TOGETHER):
            some = self.get_buffer("bank")[start : start + TOGETHER].double()
            least, place = ((some**2).sum(dim=1) - 2 * rows @ some.T).min(dim=2)
            if best is None or near is None:
                best, near = least, place
            else:
                near, best = torch.where(least < best, place + start, near), torch.minimum(least, best)
        assert near is not None
        return near


def _length(rows: torch.Tensor) -> torch.Tensor:
    """The length of each row … F float32, in double precision."""
    return (rows.double() ** 2).sum(dim=-1).sqrt()
