"""Classes turned: each class as it stands, and turned by one, two and three quarters of a circle, is four classes.

A net that is to tell classes which it has never seen learns more from many classes than from few: of five figures it
learns what tells these five apart, of twenty what shapes are like (A. Santoro et al., ICML 2016; J. Snell
et al., NIPS 2017, arXiv 1703.05175, section 3.1). Pictures that have no upper side gain nothing by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np
import torch

from hubel.data.batches import class_order
from hubel.types import Batch

TURNS = 4


def turned_order(
    ids: np.ndarray, labels: np.ndarray, *, classes: int, each: int, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`class_order` over four times the classes, as many steps as without: (rows, quarters each is turned by, numbers
    that name a picture as it is turned). Labels of all rows, by row.

    >>> rows, turns, names = turned_order(np.arange(32), np.array([0, 1] * 16), classes=4, each=2, seed=0, epoch=0)
    >>> len(rows), sorted(set(turns.tolist())), (names == rows + 32 * turns).all()
    (32, [0, 1, 2, 3], np.True_)
    """
    every, kinds = len(labels), int(labels.max()) + 1
    names = class_order(
        np.concatenate([ids + every * turn for turn in range(TURNS)]),
        np.concatenate([labels + kinds * turn for turn in range(TURNS)]),
        classes=classes, each=each, seed=seed, epoch=epoch,
    )[: max(1, len(ids) // (classes * each)) * classes * each]  # fmt: skip
    return names % every, names // every, names


def turn_batches(
    found: Iterator[Batch], turns: np.ndarray, *, size: int, start: int, shard: tuple[int, int], classes: int
) -> Iterator[Batch]:
    """Batches with their pictures B C H W (H = W) turned, and labels of 4 K classes; `turns` of all pictures in order,
    `size` a batch, of which this process has a `shard`; the first batch is that of step `start`.
    """
    for step, batch in zip(count(start), found, strict=False):
        quarters = torch.from_numpy(turns[step * size : (step + 1) * size][shard[0] :: shard[1]])
        quarters = quarters.to(batch.labels.device)
        images = batch.images.clone()
        for turn in range(1, TURNS):
            those = quarters == turn
            images[those] = batch.images[those].rot90(turn, (2, 3))
        yield replace(batch, images=images, labels=batch.labels + classes * quarters)
