"""How often the pictures of each class are shown in an epoch: as often as they are, alike, or in between.

The order is a function of (seed, epoch, sample), as without it: each class goes through its own pictures pass by pass,
so that after as many draws as it has pictures each was drawn once, and an epoch begins where the one before ended.
"""

from __future__ import annotations

import numpy as np

from hubel.data.batches import epoch_order
from hubel.errors import UsageError

SAMPLERS = ("balanced", "sqrt")


def shares_of(counts: np.ndarray, how: str) -> np.ndarray:
    """K shares of an epoch: alike for all classes that are there ("balanced"), or by the root of their number ("sqrt").

    >>> shares_of(np.array([900, 100]), "balanced").tolist(), shares_of(np.array([900, 100]), "sqrt").tolist()
    ([0.5, 0.5], [0.75, 0.25])
    """
    if how not in SAMPLERS:
        raise UsageError(f"a sampler is balanced or sqrt, got {how!r}", hint="leave it out to show all alike")
    wanted = (counts > 0).astype(np.float64) if how == "balanced" else np.sqrt(counts)
    return np.asarray(wanted / wanted.sum())


def resampled(
    rows: np.ndarray, labels: np.ndarray, how: str, *, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of an epoch in their order, as many as there are `rows`, and names under which each draws its chances.

    `labels` are those of the rows, N. A picture that comes again in one epoch has another name there, so that it is not
    augmented in the same way.

    >>> rows, names = resampled(np.arange(10), np.array([0] * 9 + [1]), "balanced", seed=0, epoch=0)
    >>> (rows == 9).sum(), len(set(names.tolist()))
    (np.int64(5), 10)
    """
    classes, counts = np.unique(labels, return_counts=True)
    shares, total, wide = shares_of(counts, how), len(rows), int(rows.max()) + 1
    ends = [np.floor(np.cumsum(shares) * total * number + 1e-9).astype(np.int64) for number in (epoch, epoch + 1)]
    ends[0][-1], ends[1][-1] = total * epoch, total * (epoch + 1)
    first, last = (np.diff(end, prepend=0) for end in ends)  # draws of each class before this epoch, and after it
    found, names = [], []
    for label, start, stop in zip(classes, first, last, strict=True):
        own = rows[labels == label]
        for turn in range(start // len(own), -(-stop // len(own))):
            order = epoch_order(own, seed=seed, epoch=turn)
            part = order[max(0, start - turn * len(own)) : stop - turn * len(own)]
            found.append(part)
            names.append(part + (turn - start // len(own)) * wide)
    drawn, named = np.concatenate(found), np.concatenate(names)
    shuffled = np.argsort(epoch_order(np.arange(len(drawn)), seed=seed, epoch=epoch), kind="stable")
    return drawn[shuffled], named[shuffled]
