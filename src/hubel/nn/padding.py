"""Zeros around maps as other frameworks lay them, which published weights count on.

Letters: B batch, C channels, H W height and width, k kernel, s stride.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


class EvenPad(nn.Module):
    """Zeros around maps so that a window of k with step s gives ceil(H/s) x ceil(W/s); an odd one below and right.

    >>> EvenPad(3, 2)(torch.ones(1, 1, 4, 4)).shape, EvenPad(3, 2)(torch.ones(1, 1, 5, 5)).shape
    (torch.Size([1, 1, 5, 5]), torch.Size([1, 1, 7, 7]))
    """

    def __init__(self, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, self.zeros(int(x.shape[-2]), int(x.shape[-1])))

    def zeros(self, height: int, width: int) -> tuple[int, int, int, int]:
        """How many zeros stand left, right, above and below a map of that size."""
        down, right = self._missing(height), self._missing(width)
        return right // 2, right - right // 2, down // 2, down - down // 2

    def _missing(self, size: int) -> int:
        return max(0, (math.ceil(size / self.stride) - 1) * self.stride + self.kernel - size)

    def extra_repr(self) -> str:
        return f"kernel={self.kernel}, stride={self.stride}"
