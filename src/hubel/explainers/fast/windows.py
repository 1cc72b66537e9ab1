"""Copies of one map that differ from it inside a window each: what a sliding operation makes of them.

A change inside the rows [lo, lo + size) reaches, behind a sliding operation of kernel k, stride s, padding p and
dilation d, the rows from ceil((lo + p - d (k - 1)) / s) to floor((lo + size - 1 + p) / s); everything outside keeps the
remembered value, and a global average changes by the sum of what changed.

Letters: N windows, C channels, H W height and width of a whole map, h w of a window, k s p d as above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Slide:
    """An operation that slides a kernel over the map: its geometry (rows, columns) and how to apply it."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    fill: float
    """What stands in the padding: 0, or minus infinity for max-pooling."""
    apply: Callable[[torch.Tensor, tuple[int, int]], torch.Tensor]
    """(maps N C h w, padding) -> maps."""
    lined: bool = False
    """Does it read maps fastest in the order h N w C?"""

    def reach(self, low: np.ndarray, size: int, axis: int, out: int) -> tuple[np.ndarray, int]:
        """First row N and number of rows (one for all windows) that a change in rows [low, low + size) can reach."""
        k, s, p, d = (part[axis] for part in (self.kernel, self.stride, self.padding, self.dilation))
        first = np.maximum(-((d * (k - 1) - low - p) // s), 0)
        last = np.minimum((low + size - 1 + p) // s, out - 1)
        extent = int(max((last - first + 1).max(), 1))
        return np.clip(first, 0, out - extent), extent

    def extent(self, count: int, axis: int) -> int:
        """Number of rows that `count` rows of the output read."""
        return (count - 1) * self.stride[axis] + self.dilation[axis] * (self.kernel[axis] - 1) + 1


class Ground:
    """The remembered map of one node, 1 C H W, and its channels-last copies, padded as those who read it need."""

    def __init__(self, maps: torch.Tensor) -> None:
        self.maps = maps
        self.height, self.width = int(maps.shape[2]), int(maps.shape[3])
        self._padded: dict[tuple[int, int, float], torch.Tensor] = {}

    def padded(self, padding: tuple[int, int] = (0, 0), fill: float = 0.0) -> torch.Tensor:
        """H W C in that order in memory, with `padding` more rows and columns on each side."""
        key = (*padding, fill)
        if key not in self._padded:
            down, right = padding
            padded = F.pad(self.maps, (right, right, down, down), value=fill)
            self._padded[key] = padded[0].permute(1, 2, 0).contiguous()
        return self._padded[key]

    def windows(self, tops: np.ndarray, height: int, lefts: np.ndarray, width: int) -> torch.Tensor:
        """N h w C: copies of the windows."""
        base = self.padded()
        places = _places(base, tops, lefts, height, width)
        return base.view(-1, base.shape[2]).index_select(0, places.view(-1)).view(*places.shape, -1)


def _places(base: torch.Tensor, tops: np.ndarray, lefts: np.ndarray, height: int, width: int) -> torch.Tensor:
    """N h w: which of the pixels of H W C, counted row by row, the windows hold."""
    rows = (tops[:, None] + np.arange(height)) * base.shape[1]
    return _sum(rows, lefts[:, None] + np.arange(width), base.device)


def _sum(rows: np.ndarray, columns: np.ndarray, device: torch.device) -> torch.Tensor:
    """N h w, int32, from N h and N w."""
    parts = (torch.as_tensor(part.astype(np.int32), device=device) for part in (rows, columns))
    return next(parts)[:, :, None] + next(parts)[:, None, :]


@dataclass(slots=True)
class Region:
    """N copies of one map that differ from it inside a window each."""

    base: Ground
    window: torch.Tensor
    """N C h w, channels last."""
    tops: np.ndarray
    lefts: np.ndarray

    @property
    def height(self) -> int:
        """h: rows of the windows."""
        return int(self.window.shape[2])

    @property
    def width(self) -> int:
        """w: columns of the windows."""
        return int(self.window.shape[3])

    @property
    def full(self) -> bool:
        """Are the windows as large as the map?"""
        return (self.height, self.width) == (self.base.height, self.base.width)

    @property
    def shape(self) -> torch.Size:
        """N C H W, the shape of the whole copies."""
        return torch.Size((len(self.tops), *self.base.maps.shape[1:]))

    def whole(self) -> torch.Tensor:
        """N C H W."""
        if self.full:
            return self.window
        zero = np.zeros_like(self.tops)
        return self.widened(zero, self.base.height, zero, self.base.width).window

    def widened(self, tops: np.ndarray, height: int, lefts: np.ndarray, width: int) -> Region:
        """The same copies with larger windows that hold the present ones."""
        same = (height, width) == (self.height, self.width)
        if same and (tops == self.tops).all() and (lefts == self.lefts).all():
            return self
        return Region(self.base, self.within(tops, height, lefts, width).permute(0, 3, 1, 2), tops, lefts)

    def within(
        self,
        tops: np.ndarray,
        height: int,
        lefts: np.ndarray,
        width: int,
        padding: tuple[int, int] = (0, 0),
        fill: float = 0.0,
        lined: bool = False,
    ) -> torch.Tensor:
        """N h w C: other windows of the same copies; rows and columns count from the corner of the padded map.

        They lie in memory in that order, or, `lined`, in the order h N w C. What sticks out of them is left away. Every
        pixel is either one of the remembered map or one of the present windows, and all are fetched at once: several
        times as fast as copying windows of the map and writing the present ones into them.
        """
        base = self.base.padded(padding, fill)
        count, channels, tall, broad = self.window.shape
        numbers = np.arange(count)[:, None]
        y = np.arange(height) + (tops - padding[0] - self.tops)[:, None]  # N h, in the present windows
        x = np.arange(width) + (lefts - padding[1] - self.lefts)[:, None]
        if self.window.permute(2, 0, 3, 1).is_contiguous():
            own, first = self.window.permute(2, 0, 3, 1), (y * count + numbers) * broad
        else:
            own, first = self.window.permute(0, 2, 3, 1), (numbers * tall + y) * broad
        pixels = torch.cat([base.view(-1, channels), own.reshape(-1, channels)])
        covered = ((y >= 0) & (y < tall), (x >= 0) & (x < broad))
        inside = [torch.as_tensor(part, device=base.device) for part in covered]
        places = torch.where(
            inside[0][:, :, None] & inside[1][:, None, :],
            _sum(base.shape[0] * base.shape[1] + first, x, base.device),
            _places(base, tops, lefts, height, width),
        )
        if lined:
            places = places.transpose(0, 1).contiguous()
        found = pixels.index_select(0, places.view(-1)).view(*places.shape, channels)
        return found.transpose(0, 1) if lined else found


def slid(slide: Slide, region: Region, base: Ground) -> Region:
    """A sliding operation on windows: crop what they need from the remembered map, write them in, slide."""
    if region.full:
        return Region(base, slide.apply(region.window, slide.padding), *_origin(region))
    tops, height = slide.reach(region.tops, region.height, 0, base.height)
    lefts, width = slide.reach(region.lefts, region.width, 1, base.width)
    first_row, first_column = tops * slide.stride[0], lefts * slide.stride[1]
    extents = slide.extent(height, 0), slide.extent(width, 1)
    crop = region.within(first_row, extents[0], first_column, extents[1], slide.padding, slide.fill, slide.lined)
    return Region(base, slide.apply(crop.permute(0, 3, 1, 2), (0, 0)), tops, lefts)


def _origin(region: Region) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros_like(region.tops), np.zeros_like(region.lefts)


def mean_by_difference(region: Region) -> torch.Tensor:
    """N C: the average of the whole map, from the remembered average and what the windows change."""
    fine = torch.promote_types(region.window.dtype, torch.float32)  # maps may be coarse, their average must not be
    if region.full:
        return region.window.mean((2, 3), dtype=fine)
    ground = region.base
    before = ground.windows(region.tops, region.height, region.lefts, region.width)
    change = region.window.sum((2, 3), dtype=fine) - before.sum((1, 2), dtype=fine)
    return ground.maps.mean((2, 3), dtype=fine) + change / (ground.height * ground.width)


def hull(spans: Sequence[tuple[np.ndarray, int]], limit: int) -> tuple[np.ndarray, int]:
    """Where windows of one size start that hold those of all `spans` (starts, size), inside 0 to `limit`."""
    low = np.min([low for low, _ in spans], axis=0)
    high = np.max([low + size for low, size in spans], axis=0)
    size = int((high - low).max())
    return np.clip(low, 0, limit - size), size
