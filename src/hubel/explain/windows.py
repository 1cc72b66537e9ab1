"""Copies of one map that differ from it inside a window each: what a sliding operation makes of them.

A change inside the rows [lo, lo + size) reaches, behind a sliding operation of kernel k, stride s, padding p and
dilation d, the rows from ceil((lo + p - d (k - 1)) / s) to floor((lo + size - 1 + p) / s); everything outside keeps the
remembered value, and a global average changes by the sum of what changed.

Letters: N windows, C channels, H W height and width of a whole map, h w of a window, k s p d as above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
        self._rows: dict[tuple[int, int, float], torch.Tensor] = {}

    def windows(
        self,
        tops: np.ndarray,
        height: int,
        lefts: np.ndarray,
        width: int,
        padding: tuple[int, int] = (0, 0),
        fill: float = 0.0,
        lined: bool = False,
    ) -> torch.Tensor:
        """N h w C: copies of the windows; rows and columns count from the corner of the padded map.

        They lie in memory in that order, or, `lined`, in the order h N w C.
        """
        key = (*padding, fill)
        if key not in self._rows:
            down, right = padding
            padded = F.pad(self.maps, (right, right, down, down), value=fill)
            self._rows[key] = padded[0].permute(1, 2, 0).contiguous()
        base = self._rows[key]
        high, wide, channels = base.shape
        row = wide * channels
        # All windows of that size, one by its first row and column: a row of a window is one piece of memory.
        shape = (height, high - height + 1, wide - width + 1, width * channels)
        every = base.as_strided(shape, (row, row, channels, 1))
        first_rows = torch.as_tensor(tops, device=base.device)
        first_columns = torch.as_tensor(lefts, device=base.device)
        if lined:
            found = every[:, first_rows, first_columns].transpose(0, 1)
        else:
            found = every.permute(1, 2, 0, 3)[first_rows, first_columns]
        return found.view(len(tops), height, width, channels)


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
        wide = self.base.windows(tops, height, lefts, width)
        paste(wide, self, self.tops - tops, self.lefts - lefts)
        return Region(self.base, wide.permute(0, 3, 1, 2), tops, lefts)


def paste(into: torch.Tensor, region: Region, down: np.ndarray, right: np.ndarray) -> None:
    """Write the windows into N h w C, shifted by (down, right) each; what sticks out is left away."""
    windows = region.window.permute(0, 2, 3, 1)
    shifts = np.stack([down, right], axis=1)
    for dy, dx in np.unique(shifts, axis=0).tolist():
        y, y_end = max(dy, 0), min(dy + region.height, into.shape[1])
        x, x_end = max(dx, 0), min(dx + region.width, into.shape[2])
        if y >= y_end or x >= x_end:
            continue
        chosen = np.flatnonzero((down == dy) & (right == dx))
        which: Any = slice(None) if len(chosen) == len(down) else torch.as_tensor(chosen, device=into.device)
        into[which, y:y_end, x:x_end] = windows[which, y - dy : y_end - dy, x - dx : x_end - dx]


def slid(slide: Slide, region: Region, base: Ground) -> Region:
    """A sliding operation on windows: crop what they need from the remembered map, write them in, slide."""
    if region.full:
        return Region(base, slide.apply(region.window, slide.padding), *_origin(region))
    tops, height = slide.reach(region.tops, region.height, 0, base.height)
    lefts, width = slide.reach(region.lefts, region.width, 1, base.width)
    first_row, first_column = tops * slide.stride[0], lefts * slide.stride[1]
    extents = slide.extent(height, 0), slide.extent(width, 1)
    crop = region.base.windows(first_row, extents[0], first_column, extents[1], slide.padding, slide.fill, slide.lined)
    paste(crop, region, region.tops + slide.padding[0] - first_row, region.lefts + slide.padding[1] - first_column)
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
