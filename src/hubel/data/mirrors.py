"""Whether a mirror image is still one of the pictures: asked of the training part before flips become the default.

Every picture is described by where its edges run (histograms of oriented gradients: Dalal & Triggs, CVPR 2005; 4 x 4
cells, 8 directions without sign), and so is its mirror image. Letters, digits and signs are far nearer to their class
than to the mirror image of it; cats, cars and ships are as near to one as to the other (measured: 91 to 96 % of digits
and letters, 48 to 54 % of CIFAR-10).

Of pictures with masks the outlines of whole objects are asked, each of the class of its pixels.

Letters: N pictures, C channels, H W height and width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hubel.data.decode import rows_of

MOST = 1000
"""Pictures asked at most: a tenth of a second."""
FEWEST = 40
"""With fewer the answer would be chance."""
HANDED = 0.8
"""From this share of nearer pictures on, mirror images are strangers."""
CELLS, DIRECTIONS, SIDE = 4, 8, 32


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The answer: how many were asked, and what their mirror images would do."""

    asked: int
    handed: float
    """Share of the pictures that are more like the others of their class than like the mirror images of those."""
    lost: int
    """Pictures whose nearest relative has their class, and no longer has it when mirror images count as well."""
    gained: int
    """The other way round."""
    of: str = "pictures"
    """What was asked."""

    @property
    def told(self) -> str:
        """How many turned out to have a hand, for a reason."""
        return f"{self.handed:.0%} of {self.asked:,} {self.of} are nearer to their class than to its mirror image"

    @property
    def strangers(self) -> bool:
        """Whether mirror images look like no picture of the set, and do not help to tell the classes all the same."""
        return self.handed >= HANDED and self.gained - self.lost <= 2 * (self.gained + self.lost) ** 0.5


def ask_mirrors(images: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> Mirrors | None:
    """Compare pictures with the mirror images of their classes; None where too few have company of their class.

    `images` N C H W uint8, `labels` N class numbers, `rows` those to ask: of many, evenly spread ones.

    >>> slash = np.zeros((60, 1, 16, 16), np.uint8)
    >>> slash[:, :, range(16), range(16)] = 255
    >>> ask_mirrors(slash, np.zeros(60, int), np.arange(60)).strangers
    True
    """
    chosen = np.sort(rows)[np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int))]
    classes = labels[chosen]
    own = classes[:, None] == classes
    np.fill_diagonal(own, False)
    others = own.sum(axis=1)
    if (others > 0).sum() < FEWEST:
        return None
    grey = np.concatenate([_small(rows_of(images, chosen[start : start + 64])) for start in range(0, len(chosen), 64)])
    there, mirrored = edges(grey), edges(grey[:, :, ::-1])
    plain, turned = there @ there.T, there @ mirrored.T
    nearer = ((plain - turned) * own).sum(axis=1)[others > 0] > 0
    for table in (plain, turned):  # nobody is a relative of his own
        np.fill_diagonal(table, -1)
    before = classes[plain.argmax(axis=1)] == classes
    after = classes[np.maximum(plain, turned).argmax(axis=1)] == classes
    return Mirrors(len(chosen), float(nearer.mean()), int((before & ~after).sum()), int((after & ~before).sum()))


def ask_outlines(masks: np.ndarray, rows: np.ndarray) -> Mirrors | None:
    """Compare the outlines of objects in masks N H W with the mirror images of their classes; None where too few are
    whole: what touches the rim of a picture, as grounds do, is cut off and has no outline of its own.

    >>> masks = np.zeros((60, 20, 20), np.uint8)
    >>> masks[:, 5:15, 5], masks[:, 14, 5:12] = 1, 1  # the letter L
    >>> ask_outlines(masks, np.arange(60)).told
    '100% of 60 outlines are nearer to their class than to its mirror image'
    """
    found: list[np.ndarray] = []
    classes: list[int] = []
    for row in rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int))]:
        mask = masks[row]
        rim = {int(number) for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]) for number in np.unique(side)}
        for number in set(np.unique(mask).tolist()) - rim:
            there = mask == number
            down, across = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
            found.append(_framed(there[down[0] : down[-1] + 1, across[0] : across[-1] + 1]))
            classes.append(int(number))
    if not found:
        return None
    answer = ask_mirrors(np.stack(found)[:, None], np.array(classes), np.arange(len(found)))
    return None if answer is None else replace(answer, of="outlines")


def _framed(outline: np.ndarray) -> np.ndarray:
    """An outline h w of any size in the middle of a square of SIDE pixels, as large as it may be, 0 or 255."""
    height, width = outline.shape
    longest = max(height, width)
    at = ((np.arange(SIDE) + 0.5) * longest / SIDE).astype(int)
    square = np.zeros((longest, longest), np.uint8)
    top, left = (longest - height) // 2, (longest - width) // 2
    square[top : top + height, left : left + width] = outline
    return square[at[:, None], at] * np.uint8(255)


def _small(images: np.ndarray) -> np.ndarray:
    """N C H W as N h w greys, shrunk by averages to about SIDE pixels."""
    count, _, height, width = images.shape
    step = max(1, min(height, width) // SIDE)
    greys = images.mean(axis=1, dtype=np.float32)[:, : height // step * step, : width // step * step]
    return greys.reshape(count, height // step, step, width // step, step).mean(axis=(2, 4))


def edges(grey: np.ndarray) -> np.ndarray:
    """N h w -> N CELLS² DIRECTIONS: how much edge runs in which direction in each cell, as vectors of length 1."""
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    direction = np.arctan2(down, across) % np.pi * (DIRECTIONS / np.pi)  # light on dark is as dark on light
    first = np.floor(direction)
    share = direction - first
    count, height, width = grey.shape
    row, column = (np.arange(side) * CELLS // side for side in (height, width))
    cell = (np.arange(count)[:, None, None] * CELLS + row[:, None]) * CELLS + column
    strength, size = np.hypot(down, across), count * CELLS * CELLS * DIRECTIONS
    found = np.zeros(size)
    for step, part in ((0, 1 - share), (1, share)):  # each edge counts for the two directions it lies between
        place = cell * DIRECTIONS + (first.astype(np.int64) + step) % DIRECTIONS
        found += np.bincount(place.ravel(), (part * strength).ravel(), size)
    vectors = np.sqrt(found).reshape(count, -1).astype(np.float32)
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6)
