"""Occlusion: cover a patch, see how much the score drops; pixels whose covering costs much are what the net looks at.

M. Zeiler, R. Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv 1311.2901, section 4.2.

The map is the naive loop's: patches at multiples of the stride (the last one cut off at the border), and each pixel
gets the mean drop of the patches that cover it. It is exact up to rounding (1e-4 of the map's range, tested), but a
patch costs only what it can reach (see `explain/fast`). `coarse_to_fine` gives the same map approximately, and
better the longer it runs: it measures some patches, and knows of all others what the first layers make of them, and
which way the score goes from there.

Letters: B batch, C channels, H W height and width, R Q rows and columns of the grid of patches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator
from torch import nn

from hubel.errors import UsageError
from hubel.explainers.attribution import Raw
from hubel.explainers.fast.forward import Around, Fast, Slope
from hubel.explainers.fast.windows import Ground
from hubel.runtime import has_quick_bf16, in_parts

LARGE = 64
"""Rows or columns of a picture from which the approximate map is computed in bfloat16, where that is quick."""
Baseline = float | torch.Tensor
Heard = Callable[[int, int], None]
"""Told after every batch: patches measured so far, patches in all."""


@dataclass(frozen=True)
class Grid:
    """Where the patches are."""

    tops: np.ndarray
    """R: first row of the patches."""
    lefts: np.ndarray
    """Q: first column."""
    patch: int
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """R, Q."""
        return len(self.tops), len(self.lefts)

    def spread(self, drops: np.ndarray) -> np.ndarray:
        """H W: each pixel's mean over the patches that cover it, from R Q drops; uncovered pixels get 0.

        >>> grid(4, 4, patch=2, stride=2).spread(np.array([[1.0, 2.0], [3.0, 4.0]]))[0]
        array([1., 1., 2., 2.])
        """
        total = np.zeros((self.height + 1, self.width + 1))
        count = np.zeros_like(total)
        tops, lefts = np.meshgrid(self.tops, self.lefts, indexing="ij")
        bottoms, rights = np.minimum(tops + self.patch, self.height), np.minimum(lefts + self.patch, self.width)
        for y, x, sign in ((tops, lefts, 1), (tops, rights, -1), (bottoms, lefts, -1), (bottoms, rights, 1)):
            np.add.at(total, (y, x), sign * drops)
            np.add.at(count, (y, x), sign)
        total, count = (part.cumsum(0).cumsum(1)[:-1, :-1] for part in (total, count))
        return total / np.maximum(count, 1)


def grid(height: int, width: int, *, patch: int | None, stride: int | None) -> Grid:
    """The grid for images of a size; patch: a fourteenth of the shorter side, stride: half the patch, unless given."""
    patch = max(1, round(min(height, width) / 14)) if patch is None else patch
    stride = max(1, patch // 2) if stride is None else stride
    if not 1 <= patch <= min(height, width) or not 1 <= stride <= patch:
        raise UsageError(
            f"occlusion needs 1 <= stride <= patch <= {min(height, width)} (the shorter side), got patch {patch} "
            f"and stride {stride}",
            hint="a patch of a fourteenth of the image and a stride of half the patch are usual",
        )
    counts = (-(-(height - patch) // stride) + 1, -(-(width - patch) // stride) + 1)
    return Grid(np.arange(counts[0]) * stride, np.arange(counts[1]) * stride, patch, height, width)


def occlusion(
    model: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    patch: int | None = None,
    stride: int | None = None,
    baseline: Baseline = 0.0,
    batch_size: int = 192,
    progress: Heard | None = None,
) -> Raw:
    """The exact map. `baseline` covers the patch: a number, C 1 1 or C H W values (0: the mean colour)."""
    fast = Fast(model)
    places = grid(*images.shape[2:], patch=patch, stride=stride)
    maps = []
    goal = int(np.prod(places.shape))
    for index, (image, target) in enumerate(zip(images, targets.tolist(), strict=True)):
        drop = _Drops(fast, image, target, places, baseline)
        drop.heard = _counted(progress, index, goal, len(images))
        everything = np.ones(places.shape, dtype=bool)
        for block in _blocks(places, everything, batch_size):
            drop.measure(*block)
        maps.append(torch.from_numpy(places.spread(drop.values)))
    return Raw(
        maps=torch.stack(maps).to(images.device, torch.float32),
        details={"patches": float(np.prod(places.shape))},
        note=_slowly(fast),
    )


def occlusion_fast(
    model: nn.Module,
    images: torch.Tensor,
    targets: torch.Tensor,
    *,
    patch: int | None = None,
    stride: int | None = None,
    baseline: Baseline = 0.0,
    share: float = 0.2,
    seconds: float = float("inf"),
    batch_size: int = 192,
    progress: Heard | None = None,
) -> Raw:
    """The approximate map after a `share` of the patches or after `seconds` for each image, whichever comes first."""
    if not 0 < share <= 1 or seconds <= 0:
        raise UsageError(
            f"share must be in (0, 1] and seconds above 0, got {share} and {seconds}",
            hint="share=0.2 without a limit of seconds is usual",
        )
    # What is filled in is further off than what bfloat16 rounds; a small picture has no time to win.
    coarse = min(images.shape[2:]) >= LARGE and has_quick_bf16(images.device)
    fast = Fast(model, arithmetic=torch.bfloat16 if coarse else None)
    places = grid(*images.shape[2:], patch=patch, stride=stride)
    maps, shares = [], []
    goal = int(list(_levels(places.shape, share))[-1].sum())
    for index, (image, target) in enumerate(zip(images, targets.tolist(), strict=True)):
        started = time.perf_counter()
        drop = _Drops(fast, image, target, places, baseline)
        drop.heard = _counted(progress, index, goal, len(images))
        drop.foresee(batch_size)
        for _ in _measured(drop, batch_size, share, hurried=seconds < float("inf")):
            if time.perf_counter() - started >= seconds:
                break
        maps.append(torch.from_numpy(places.spread(drop.filled())))
        shares.append(float(drop.known.mean()))
    return Raw(
        maps=torch.stack(maps).to(images.device, torch.float32),
        details={"share of patches": min(shares)},
        note=_slowly(fast),
    )


def _slowly(fast: Fast) -> str:
    """Why covering a patch cost a whole pass; "" where it cost only what the patch can reach."""
    return f"{fast.reason}: every patch took a whole pass" if fast.reason else ""


@dataclass(frozen=True)
class Progress:
    """An occlusion map on its way."""

    map: np.ndarray
    """H W, the best estimate so far."""
    share: float
    """The part of the patches that were measured, in (0, 1]; at 1 the map is exact."""


def coarse_to_fine(
    model: nn.Module,
    image: torch.Tensor,
    target: torch.Tensor,
    *,
    patch: int | None = None,
    stride: int | None = None,
    baseline: Baseline = 0.0,
    batch_size: int = 128,
) -> Iterator[Progress]:
    """Better and better maps of one image C H W, the last of them exact: stop when it is good enough.

    The patches of a coarse lattice are measured first, then of ever denser ones. All others get what a straight line
    foresees, brought smoothly to what was measured around them.
    """
    places = grid(*image.shape[1:], patch=patch, stride=stride)
    drop = _Drops(Fast(model), image, int(target), places, baseline)
    drop.foresee(batch_size)
    for _ in _measured(drop, batch_size, 1.0):
        yield Progress(places.spread(drop.filled()), float(drop.known.mean()))


class _Drops:
    """The drops of one image's score, as far as they are measured."""

    def __init__(self, fast: Fast, image: torch.Tensor, target: int, places: Grid, baseline: Baseline) -> None:
        self.around: Around = fast.around(image)
        self.cover = Ground(torch.as_tensor(baseline, dtype=image.dtype, device=image.device).expand_as(image)[None])
        self.target = target
        self.places = places
        self.values = np.zeros(places.shape)
        self.foreseen = np.zeros(places.shape)
        self.known = np.zeros(places.shape, dtype=bool)
        self.heard: Callable[[int], None] | None = None

    def foresee(self, batch_size: int) -> None:
        """To first order the drops of all patches; they stay 0 where the net has no layer to take the slope at."""
        slope = self.around.slope(self.target, self.places.patch)
        if slope is None:
            return
        for rows, columns in _blocks(self.places, np.ones(self.places.shape, dtype=bool), batch_size):
            in_parts(len(rows), len(rows), partial(self._foresee, slope, rows, columns), what="covered patches")

    def _foresee(self, slope: Slope, rows: np.ndarray, columns: np.ndarray, part: slice) -> None:
        rows, columns = rows[part], columns[part]
        self.foreseen[rows, columns] = self.around.first_order(slope, *self._covered(rows, columns)).cpu().numpy()

    def measure(self, rows: np.ndarray, columns: np.ndarray) -> None:
        """Measure the patches (row, column) of the grid, in one batch if memory allows."""
        in_parts(len(rows), len(rows), partial(self._measure, rows, columns), what="covered patches")

    def _measure(self, rows: np.ndarray, columns: np.ndarray, part: slice) -> None:
        rows, columns = rows[part], columns[part]
        logits = self.around.windows(*self._covered(rows, columns))
        drops = self.around.logits[0, self.target].double() - logits[:, self.target].double()
        self.values[rows, columns] = drops.cpu().numpy()
        self.known[rows, columns] = True
        if self.heard is not None:
            self.heard(int(self.known.sum()))

    def _covered(self, rows: np.ndarray, columns: np.ndarray) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
        """The windows N C h w with their patches covered, and where they lie."""
        places, patch = self.places, self.places.patch
        tops = np.minimum(places.tops[rows], places.height - patch)
        lefts = np.minimum(places.lefts[columns], places.width - patch)
        covered = self.cover.windows(tops, patch, lefts, patch)  # N h w C
        # A patch that the border cuts off covers only the rest of its window.
        within = np.arange(patch)
        down = within >= (places.tops[rows] - tops)[:, None]
        right = within >= (places.lefts[columns] - lefts)[:, None]
        if not (down.all() and right.all()):
            hidden = torch.as_tensor(down[:, :, None] & right[:, None, :], device=covered.device)
            covered = torch.where(hidden[..., None], covered, self.around.image.windows(tops, patch, lefts, patch))
        return covered.permute(0, 3, 1, 2), tops, lefts

    def filled(self) -> np.ndarray:
        """R Q: measured drops; elsewhere what was foreseen, and the least bent surface through what that missed."""
        if self.known.all():
            return self.values
        places = np.argwhere(self.known)
        foreseen = self.foreseen - self.foreseen[self.known].mean()
        spread = (foreseen[self.known] ** 2).sum()
        if spread > 0:  # the line is as steep as the measured drops say
            foreseen = foreseen * ((foreseen * self.values)[self.known].sum() / spread)
        missed = self.values - foreseen
        kernel = "thin_plate_spline" if np.linalg.matrix_rank(places - places[0]) == 2 else "linear"
        near = None if len(places) <= 500 else 24  # all at once while the system of equations is small
        surface = RBFInterpolator(places, missed[self.known], kernel=kernel, neighbors=near)
        result = self.values.copy()
        result[~self.known] = foreseen[~self.known] + surface(np.argwhere(~self.known))
        return result


def _counted(progress: Heard | None, index: int, goal: int, images: int) -> Callable[[int], None] | None:
    """What to tell about the patches of one image of several."""
    if progress is None:
        return None
    return lambda known: progress(index * goal + known, goal * images)


def _measured(drop: _Drops, batch_size: int, limit: float, *, hurried: bool = True) -> Iterator[None]:
    """Measure lattice after lattice, up to the share `limit`; without hurry, the densest of these at once."""
    lattices = list(_levels(drop.places.shape, limit))
    for wanted in lattices if hurried else lattices[-1:]:
        for block in _blocks(drop.places, wanted & ~drop.known, batch_size):
            drop.measure(*block)
        yield


def _blocks(places: Grid, wanted: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The wanted patches in batches whose windows grow alike: those equally far from a border go together."""
    if not wanted.any():
        return
    classes = max(1, round((wanted.sum() / batch_size) ** 0.5))

    def alike(starts: np.ndarray, used: np.ndarray) -> list[np.ndarray]:
        index = np.flatnonzero(used)
        order = index[np.argsort(np.minimum(starts[index], starts[-1] - starts[index]), kind="stable")]
        return np.array_split(order, min(classes, len(order)))

    for rows in alike(places.tops, np.any(wanted, axis=1)):
        for columns in alike(places.lefts, np.any(wanted, axis=0)):
            row, column = (part.ravel() for part in np.meshgrid(rows, columns, indexing="ij"))
            chosen = wanted[row, column]
            if chosen.any():
                yield row[chosen], column[chosen]


def _levels(shape: tuple[int, int], limit: float) -> Iterator[np.ndarray]:
    """Ever denser lattices R Q, each holding those before it, as long as they stay within the share `limit`."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    # A knight's move from point to point: of all lattices with one place in five, the one without crowding.
    residue = (rows + 2 * columns) % 5
    lattices = [(residue == 1) & (rows % 3 == 1), residue == 1, (residue == 1) | (residue == 3), residue >= 0]
    for lattice in lattices:
        if lattice.any() and (lattice.mean() <= limit + 0.01 or lattice is lattices[0]):
            yield lattice
