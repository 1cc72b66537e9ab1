"""3 x 3 convolutions with fewer multiplications: several rows of the answer at once.

S. Winograd, Arithmetic Complexity of Computations, SIAM 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional
Neural Networks, CVPR 2016, arXiv 1509.09308, section 4.1.

m rows of the answer of a kernel of 3 rows need m + 2 rows of the map. Direct, that is 3 m products of rows. Read as
polynomials, m + 2 are enough: one for each of m + 2 points at which both are evaluated. With rows d of the map, rows g
of the kernel and the answer y,

    y = A [(G g) * (B d)]        A: m, m + 2    G: m + 2, 3    B: m + 2, m + 2

where each product * is a convolution along the row with a kernel of one row, which the machine's own library does at
full speed. Only the rows are treated so: the small matrices then stay a small part of the work, and rounding grows once
instead of twice. Against double precision the answer is off by 2e-6 of its spread at m <= 6 and 6e-6 at m = 7 (direct:
2e-7), which is why training does not use it.

Letters: N maps, C D channels in and out, H W height and width of the map, m rows at a time, n = m + 2 points.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

POINTS = (1.0, 0.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0.75)
"""Where polynomials are evaluated, besides infinity; of a dozen sets tried, the one that rounds least at m = 7."""
ROWS = 7
"""The most rows at a time: the maps of nets for pictures of 224 are 7, 14, 28 and 56 high."""
CHANNELS = 64
"""With fewer channels the small matrices cost what the products save."""


PIECE = 1 << 16
"""Columns of a wide matrix that are multiplied at once."""


@cache
def matrices(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A m n, G n 3, B n n for m rows at a time.

    >>> A, G, B = matrices(2)
    >>> A @ ((G @ [1, 2, 3]) * (B @ [1, 0, 0, 1]))
    array([1., 3.])
    """
    count = rows + 2

    def evaluation(degrees: int) -> np.ndarray:
        finite = np.vander(POINTS[: count - 1], degrees, increasing=True)
        infinity = np.eye(degrees)[-1:]  # the leading coefficient
        return np.concatenate([finite, infinity])

    # A convolution is the transpose of a product of polynomials: evaluate, multiply point by point, interpolate.
    return evaluation(rows).T, evaluation(3), np.linalg.inv(evaluation(count)).T


def serves(conv: nn.Conv2d) -> bool:
    """Is it a convolution that this does faster? 3 x 3, dense, one step at a time, wide; single precision on a CPU."""
    return (
        conv.kernel_size == (3, 3)
        and conv.stride == conv.dilation == (1, 1)
        and conv.groups == 1
        and min(conv.in_channels, conv.out_channels) >= CHANNELS
        and conv.weight.dtype == torch.float32
        and conv.weight.device.type == "cpu"
    )


class Winograd:
    """The convolution with one kernel D C 3 3 and bias D, several rows at a time.

    >>> kernel, maps = torch.rand(4, 4, 3, 3) / 36, torch.rand(2, 4, 9, 9)
    >>> torch.allclose(Winograd(kernel, None)(maps, (1, 1)), F.conv2d(maps, kernel, padding=1), atol=1e-5)
    True
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight = weight
        self.bias = bias
        self._kernels: dict[int, list[torch.Tensor]] = {}

    def __call__(self, maps: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
        """N D H' W' of maps N C H W; the answer lies in memory in the order H' N W' D, and so should the maps."""
        lined = _lined(maps, padding)
        height, count, width, channels = lined.shape
        high, wide = height - 2, width - 2
        tiles = -(-high // ROWS)
        rows = -(-high // tiles)
        # The last rows are taken from the end: where they overlap those before, both are the same.
        starts = [min(tile * rows, high - rows) for tile in range(tiles)]
        into, _, out = (torch.from_numpy(part).to(lined) for part in reversed(matrices(rows)))
        flat = lined.view(height, -1)
        points = lined.new_empty(rows + 2, tiles, flat.shape[1])
        for tile, start in enumerate(starts):
            _times(into, flat[start : start + rows + 2], points[:, tile])
        products = lined.new_empty(rows + 2, tiles * count, wide, len(self.weight))
        for index, (point, kernel) in enumerate(zip(points, self.kernels(rows), strict=True)):
            # The first point is 1, whose product is part of every row once: there the bias is added.
            bias = None if index else self.bias
            products[index] = F.conv2d(
                point.view(-1, 1, width, channels).permute(0, 3, 1, 2), kernel, bias
            )[:, :, 0].permute(0, 2, 1)  # fmt: skip
        answer = lined.new_empty(high, count * wide * len(self.weight))
        products = products.view(rows + 2, tiles, -1)
        for tile, start in enumerate(starts):
            _times(out, products[:, tile], answer[start : start + rows])
        return answer.view(high, count, wide, -1).permute(1, 3, 0, 2)

    def kernels(self, rows: int) -> list[torch.Tensor]:
        """n kernels D C 1 3: the given one, evaluated in the direction of rows."""
        if rows not in self._kernels:
            at = torch.from_numpy(matrices(rows)[1]).to(self.weight)
            width, channels, _, columns = self.weight.shape
            lined = at @ self.weight.permute(2, 0, 3, 1).reshape(3, -1)
            self._kernels[rows] = [kernel.view(width, 1, columns, channels).permute(0, 3, 1, 2) for kernel in lined]
        return self._kernels[rows]


def _times(matrix: torch.Tensor, flat: torch.Tensor, out: torch.Tensor) -> None:
    """A small matrix times a wide one, piece by piece, so that what is read and written stays in the cache."""
    for start in range(0, flat.shape[1], PIECE):
        torch.mm(matrix, flat[:, start : start + PIECE], out=out[:, start : start + PIECE])


def _lined(maps: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
    """H N W C of maps N C H W with zeros around them, copied only where they do not lie so already."""
    lined = maps.permute(2, 0, 3, 1)
    if padding == (0, 0):
        return lined.contiguous()
    down, right = padding
    height, count, width, channels = lined.shape
    result = maps.new_zeros(height + 2 * down, count, width + 2 * right, channels)
    result[down : down + height, :, right : right + width] = lined
    return result
