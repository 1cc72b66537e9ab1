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


def first_place(net: nn.Module, size: tuple[int, int], *, until: str = "") -> tuple[float, float]:
    """The pixel, down and across, in the middle of what the first place of the last maps of `net` looks at, or of the
    maps that its module called `until` puts out.

    0 where every padding is half its window; each `EvenPad` with an odd zero, which lies below and right, moves it on.
    `size`: H and W of the pictures. The paddings stand in the order in which maps pass them.

    >>> first_place(nn.Sequential(EvenPad(3, 2), EvenPad(5, 2)), (224, 25))  # 25 -> 13: zeros on either side
    (3.0, 0.0)
    """
    sides, first, jump = list(size), [0.0, 0.0], 1
    names = [name for name, _ in net.named_modules()]
    end = max(place for place, name in enumerate(names) if not until or f"{name}.".startswith(f"{until}."))
    for pad in (net.get_submodule(name) for name in names[: end + 1]):
        if not isinstance(pad, EvenPad):
            continue
        left, _, above, _ = pad.zeros(sides[0], sides[1])
        for axis, before in enumerate((above, left)):
            first[axis] += ((pad.kernel - 1) / 2 - before) * jump
            sides[axis] = math.ceil(sides[axis] / pad.stride)
        jump *= pad.stride
    return first[0], first[1]
