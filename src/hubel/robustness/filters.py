"""The parts that corruptions are made of: numbers by chance, blurs, pictures read off at other places.

All of it works on the processor in double precision, so that bytes rounded from it are the same in any batch and order,
and on any machine. Letters: N pictures, C channels, H W height and width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.special import ndtri, pdtr

from hubel.data.augment_ops import mirrored
from hubel.data.draws import Draws

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey (ITU-R BT.601)."""

Rim = Callable[[torch.Tensor, int], torch.Tensor]
"""What stands beyond a picture: (places, length of the side) -> places within it."""


def edge(index: torch.Tensor, count: int) -> torch.Tensor:
    """The last pixel again and again.

    >>> edge(torch.arange(-2, 5), 3).tolist()
    [0, 0, 0, 1, 2, 2, 2]
    """
    return index.clamp(0, count - 1)


def doubled(index: torch.Tensor, count: int) -> torch.Tensor:
    """A mirror that shows the last pixel twice (SciPy calls it reflect).

    >>> doubled(torch.arange(-2, 5), 3).tolist()
    [1, 0, 0, 1, 2, 2, 1]
    """
    around = index.remainder(2 * count)
    return torch.minimum(around, 2 * count - 1 - around)


def as_shares(pictures: torch.Tensor) -> torch.Tensor:
    """uint8 0 … 255 as float64 0 … 1."""
    return pictures.double() / 255


def as_bytes(shares: torch.Tensor) -> torch.Tensor:
    """Numbers 0 … 1, cut off beyond, as uint8, a half rounded up also where it came out a hair below.

    >>> as_bytes(torch.tensor([-1.0, 0.5, 2.0])).tolist()
    [0, 128, 255]
    """
    return (shares.clamp(0, 1) * 255 + (0.5 + 1e-7)).floor().to(torch.uint8)


# ------------------------------------------------------------------------------------------------ chance


@lru_cache(maxsize=1)
def _quantiles() -> torch.Tensor:
    """Of the normal distribution, at the middles of 2¹⁶ equal shares: none is beyond 4.4."""
    return torch.from_numpy(ndtri((np.arange(1 << 16) + 0.5) / (1 << 16)))


def normals(draws: Draws, *shape: int) -> torch.Tensor:
    """N × shape, float64: standard normal numbers."""
    counts = draws.counts(*shape)
    return _quantiles().index_select(0, counts.flatten() >> 8).view(counts.shape)


def uniforms(draws: Draws, *shape: int) -> torch.Tensor:
    """N × shape, float64: from 0 (included) to 1 (not included)."""
    return draws.counts(*shape).double() * 2.0**-24


FINE = 12
"""Bits of chance that a count of events is read off by."""


@lru_cache(maxsize=16)
def _poisson_table(rate: float) -> torch.Tensor:
    """256 x 2¹²: events for each byte, where 255 lets `rate` be expected, at the middles of equal shares of chance."""
    most = math.ceil(rate + 8 * math.sqrt(rate) + 8)
    middles = (np.arange(1 << FINE) + 0.5) / (1 << FINE)
    rows = [np.searchsorted(pdtr(np.arange(most), value / 255 * rate), middles) for value in range(1, 256)]
    return torch.from_numpy(np.stack([np.zeros(1 << FINE, np.int64), *rows]).astype(np.int16)).flatten()


def poissons(draws: Draws, pictures: torch.Tensor, rate: float) -> torch.Tensor:
    """Events counted where `rate` are expected of a white pixel: uint8 N C H W -> float64 N C H W."""
    places = (pictures.int() << FINE) + (draws.counts(*pictures.shape[1:]) >> (24 - FINE))
    return _poisson_table(rate).index_select(0, places.flatten()).view(pictures.shape).double()


# ------------------------------------------------------------------------------------------------ blurs


@lru_cache(maxsize=256)
def _blurring(side: int, sigma: float, truncate: float, rim: Rim) -> torch.Tensor:
    """side x side: row i holds what each place gives to the blurred place i."""
    radius = int(truncate * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    weights /= weights.sum()
    places = rim(torch.arange(side)[:, None] + offsets, side)
    return torch.zeros(side, side, dtype=torch.float64).scatter_add_(1, places, weights.expand(side, -1))


def blurred(x: torch.Tensor, sigma: float, *, truncate: float = 4.0, rim: Rim = edge) -> torch.Tensor:
    """… H W with a Gaussian of `sigma` pixels, cut off at `truncate` of them; 0 leaves it as it is."""
    if sigma <= 0:
        return x
    rows, cols = (_blurring(side, sigma, truncate, rim) for side in x.shape[-2:])
    return rows @ x @ cols.T


def filtered(x: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """N C H W, each weighed with its kernel (N or 1, odd x odd) around each place; mirrored beyond its rim."""
    height, width = x.shape[2:]
    dy, dx = (side // 2 for side in kernels.shape[1:])
    rows = mirrored(torch.arange(-dy, height + dy), height)
    cols = mirrored(torch.arange(-dx, width + dx), width)
    wide = x[:, :, rows][:, :, :, cols]
    size = [next_fast_len(side) for side in wide.shape[2:]]  # what goes around lies beyond what is kept
    waves = torch.fft.rfft2(wide, s=size) * torch.fft.rfft2(kernels.flip(1, 2), s=size)[:, None]
    return torch.fft.irfft2(waves, s=size)[:, :, 2 * dy : height + 2 * dy, 2 * dx : width + 2 * dx]


def disc(radius: float, soft: float) -> torch.Tensor:
    """1 k k: a lens out of focus, its rim softened by a Gaussian of `soft` pixels; sums to 1."""
    reach = max(8, math.ceil(radius))
    at = torch.arange(-reach, reach + 1, dtype=torch.float64)
    inside = (at[:, None] ** 2 + at**2 <= radius**2).double()
    near = 1 if radius <= 8 else 2
    weights = torch.exp(-0.5 * (torch.arange(-near, near + 1).double() / soft) ** 2)
    weights /= weights.sum()
    wide = torch.nn.functional.pad(inside / inside.sum(), (near,) * 4)
    soft_rows = sum(w * wide[i : i + 2 * reach + 1] for i, w in enumerate(weights))
    assert isinstance(soft_rows, torch.Tensor)
    kernel = torch.stack([w * soft_rows[:, i : i + 2 * reach + 1] for i, w in enumerate(weights)]).sum(dim=0)
    return (kernel / kernel.sum())[None]


def streaks(angles: torch.Tensor, radius: float, sigma: float) -> torch.Tensor:
    """N k k: what moves along `angles` (N, radians) while the shutter is open, weaker with the way; each sums to 1."""
    reach = max(1, math.ceil(radius))
    far = torch.linspace(0, radius, 4 * reach + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (far / sigma) ** 2)
    weights = weights / weights.sum()
    size = 2 * reach + 3
    kernels = torch.zeros(len(angles), size * size, dtype=torch.float64)
    y = reach + 1 + far * torch.sin(angles.double())[:, None]
    x = reach + 1 + far * torch.cos(angles.double())[:, None]
    for dy in (0, 1):
        for dx in (0, 1):
            row, col = y.floor() + dy, x.floor() + dx
            share = (1 - (y - row).abs()) * (1 - (x - col).abs()) * weights
            kernels.scatter_add_(1, (row * size + col).long(), share)
    return kernels.view(-1, size, size)


# ------------------------------------------------------------------------------------------------ other places


def read_at(
    x: torch.Tensor, rows: torch.Tensor, cols: torch.Tensor, *, rim: Rim = mirrored, black: bool = False
) -> torch.Tensor:
    """N C H W read off at `rows` and `cols` (N or 1, h, w; in pixels), between pixels by bilinear interpolation.

    Beyond the rim stands what `rim` says, or 0 where it is `black`.
    """
    N, C, height, width = x.shape
    rows, cols = (places.expand(N, -1, -1) for places in (rows, cols))
    top, left = rows.floor(), cols.floor()
    pixels = x.permute(0, 2, 3, 1).reshape(-1, C)  # all channels of a pixel lie together, and are taken at once
    begins = (torch.arange(N) * height * width)[:, None, None]
    found = torch.zeros(*rows.shape, C, dtype=x.dtype)
    for dy in (0, 1):
        for dx in (0, 1):
            row, col = top + dy, left + dx
            share = (1 - (rows - row).abs()) * (1 - (cols - col).abs())
            if black:
                share = share * ((row >= 0) & (row < height) & (col >= 0) & (col < width))
            places = begins + rim(row.long(), height) * width + rim(col.long(), width)
            found += pixels.index_select(0, places.flatten()).view(found.shape).mul_(share[..., None])
    return found.permute(0, 3, 1, 2)


def grid(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns, 1 H W float64 each."""
    rows, cols = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    return rows[None], cols[None]


@lru_cache(maxsize=512)
def _steps(side: int, zoom: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Places and shares: what the middle part of a side shows, enlarged."""
    middle = (side - 1) / 2
    at = middle + (torch.arange(side, dtype=torch.float64) - middle) / zoom
    low = at.floor().clamp(0, max(0, side - 2))
    return low.long(), at - low


def enlarged(x: torch.Tensor, *zooms: float) -> torch.Tensor:
    """N C H W: the sum of its middle parts, each of `zooms` (from 1 on) times as large, the same size; float32.

    Single precision is exact enough for bytes, and repeatable, since every product and sum is a step of its own.
    """
    N, C, height, width = x.shape
    pixels = x.permute(2, 3, 0, 1).reshape(height, width, N * C).float()
    total = torch.zeros_like(pixels)
    for zoom in zooms:
        part = pixels
        for axis, side in enumerate((height, width)):
            low, share = _steps(side, zoom)
            first = part.index_select(axis, low)
            second = part.index_select(axis, (low + 1).clamp(max=side - 1))
            share = share.float().view(-1, 1, 1) if axis == 0 else share.float().view(-1, 1)
            part = first.add_(second.sub_(first).mul_(share))
        total += part
    return total.view(height, width, N, C).permute(2, 3, 0, 1)


@lru_cache(maxsize=64)
def _boxes(side: int, small: int) -> torch.Tensor:
    """small x side: the mean over equal parts of a side (area averaging)."""
    edges = torch.arange(small + 1, dtype=torch.float64) * side / small
    at = torch.arange(side, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], at + 1) - torch.maximum(edges[:-1, None], at)
    overlap = overlap.clamp(min=0)
    return overlap / overlap.sum(dim=1, keepdim=True)


def in_boxes(x: torch.Tensor, small: tuple[int, int]) -> torch.Tensor:
    """… H W shrunk to `small` by area, and back, each place the colour of its box."""
    height, width = x.shape[-2:]
    shrunk = _boxes(height, small[0]) @ x @ _boxes(width, small[1]).T
    rows = ((torch.arange(height, dtype=torch.float64) + 0.5) * small[0] / height).long()
    cols = ((torch.arange(width, dtype=torch.float64) + 0.5) * small[1] / width).long()
    return shrunk[..., rows, :][..., cols]


# ------------------------------------------------------------------------------------------------ clouds


def plasma(draws: Draws, height: int, width: int, decay: float) -> torch.Tensor:
    """N H W in 0 … 1: clouds whose parts of half the size are weaker by the square of `decay`.

    Midpoint displacement on a torus (Fournier, Fussell & Carpenter, CACM 1982): the middle of each square, then of each
    diamond, is the mean of its four corners and a number by chance.
    """
    size = 1 << max(1, math.ceil(math.log2(max(height, width, 2))))
    field = torch.zeros(len(draws), size, size, dtype=torch.float64)
    step, strength = size, 1.0
    while step >= 2:
        half, cells = step // 2, size // step
        chance = [strength * (2 * uniforms(draws, cells, cells) - 1) for _ in range(3)]
        corners = field[:, ::step, ::step]
        below = corners + corners.roll(-1, 1)
        middles = (below + below.roll(-1, 2)) / 4 + chance[0]
        field[:, half::step, half::step] = middles
        field[:, ::step, half::step] = (middles + middles.roll(1, 1) + corners + corners.roll(-1, 2)) / 4 + chance[1]
        field[:, half::step, ::step] = (middles + middles.roll(1, 2) + corners + corners.roll(-1, 1)) / 4 + chance[2]
        step, strength = half, strength / decay**2
    field -= field.amin(dim=(1, 2), keepdim=True)
    field /= field.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    return field[:, :height, :width]
