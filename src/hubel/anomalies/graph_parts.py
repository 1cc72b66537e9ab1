"""What the graphs of all methods share: arrays that are kept in a file, and eyes as a net that exporters can follow.

Letters: B pictures, C channels, H height, W width, F numbers, h w places of a map.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hubel.anomalies.eyes import Eyes, patches, shrunken, together
from hubel.anomalies.settings import State
from hubel.nn.taps import pooled, record

Raw = tuple[torch.Tensor, torch.Tensor | None]
"""Scores B and maps B h w as a method gives them, float64; None for a method that cannot say where."""


class Sight(nn.Module):
    """What eyes see of pictures B C H W uint8, step by step as `Eyes` sees it.

    >>> from hubel.data.preprocessing import Preprocessing
    >>> eyes = Eyes(preprocessing=Preprocessing(height=40, width=40, channels=1))
    >>> Sight(eyes).vectors(torch.zeros(2, 1, 40, 40, dtype=torch.uint8)).shape
    torch.Size([2, 400])
    """

    def __init__(self, eyes: Eyes) -> None:
        super().__init__()
        self.net, self.stages = eyes.net, eyes.stages
        for name, factor in zip(("factor", "summand"), eyes.preprocessing._scale_and_shift(True), strict=True):
            self.register_buffer(name, torch.from_numpy(factor))

    def vectors(self, images: torch.Tensor) -> torch.Tensor:
        """B F float32."""
        return shrunken(images).flatten(1) if self.net is None else pooled(self._seen(images)[-1])

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """B F h w float32."""
        return patches(images) if self.net is None else together(self._seen(images))

    def _seen(self, images: torch.Tensor) -> list[torch.Tensor]:
        assert self.net is not None
        with record(self.net, *self.stages, copy=True) as seen:
            self.net(images.float() * self.get_buffer("factor") + self.get_buffer("summand"))
        return [seen[name] for name in self.stages]


class Kept(nn.Module):
    """A net that holds what a method has learnt: floating-point numbers in single precision where that is exact."""

    def __init__(self, state: State) -> None:
        super().__init__()
        for name, array in state.items():
            kept = torch.from_numpy(np.ascontiguousarray(array))
            if kept.dtype == torch.float64 and torch.equal(kept.float().double(), kept):
                kept = kept.float()
            self.register_buffer(name, kept)

    def numbers(self, name: str) -> torch.Tensor:
        """One of the arrays, in double precision."""
        return self.get_buffer(name).double()


def whole(numbers: np.ndarray) -> tuple[int, ...]:
    """An array of whole numbers as such that stand fast in a graph.

    >>> whole(np.array([3, 4]))
    (3, 4)
    """
    return tuple(int(number) for number in numbers)


def apart(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """B M squared distances of rows B F to others M F.

    >>> apart(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])).tolist()
    [[25.0]]
    """
    mixed = (rows**2).sum(dim=1, keepdim=True) - 2 * rows @ others.T + (others**2).sum(dim=1)
    return mixed.clamp(min=0)
