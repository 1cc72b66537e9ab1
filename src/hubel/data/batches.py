"""From decoded pictures to what a model eats. There is no loader state: order is a function of (seed, epoch, id)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from hubel.data.decode import Decoded
from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError
from hubel.runtime import mix
from hubel.types import Batch

_WORD = np.uint64(0xFFFFFFFFFFFFFFFF)


def epoch_order(ids: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """`ids` in the order of one epoch: sorted by a hash of (seed, epoch, id), whatever order they come in.

    >>> epoch_order(np.arange(6), seed=0, epoch=0).tolist(), epoch_order(np.arange(6), seed=0, epoch=1).tolist()
    ([3, 4, 1, 5, 2, 0], [5, 3, 0, 2, 1, 4])
    """
    rows = np.asarray(ids, dtype=np.int64)
    # SplitMix64's finaliser on id x odd constant + (seed, epoch): uint64 arithmetic wraps, and the map is one-to-one.
    z = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(mix(seed, epoch))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return rows[np.argsort(z ^ (z >> np.uint64(31)), kind="stable")]


def steps_per_epoch(count: int, batch_size: int, *, drop_last: bool = False) -> int:
    """Batches that `count` samples make."""
    return count // batch_size if drop_last else -(-count // batch_size)


def batches(
    decoded: Decoded,
    ids: np.ndarray,
    *,
    preprocessing: Preprocessing | None = None,
    batch_size: int = 128,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = False,
    augment: Callable[..., torch.Tensor] | None = None,
    device: torch.device | str = "cpu",
    channels_last: bool = False,
    drop_last: bool = False,
    start_step: int = 0,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Batches of the samples `ids` (rows of `decoded`), from step `start_step` of the epoch on.

    With `shard` (i, n), every n-th row of each batch from its i-th on: n processes then share the batches of one.

    Pictures are gathered as bytes, moved to the device as bytes (a quarter of the traffic), augmented there by
    `augment(images, ids, seed=, epoch=)` and normalised to float32 B C H W. Points (B F) pass through as they are.
    """
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, got {batch_size}")
    order = epoch_order(ids, seed=seed, epoch=epoch) if shuffle else np.asarray(ids, dtype=np.int64)
    target = torch.device(device)
    source = decoded.images
    for step in range(start_step, steps_per_epoch(len(order), batch_size, drop_last=drop_last)):
        rows = order[step * batch_size : (step + 1) * batch_size][shard[0] :: shard[1]]
        images = torch.from_numpy(np.take(source, rows, axis=0)).to(target, non_blocking=True)
        labels = torch.from_numpy(decoded.labels[rows]).to(target, non_blocking=True)
        names = torch.from_numpy(rows)
        if augment is not None:
            images = augment(images, names, seed=seed, epoch=epoch)
        if preprocessing is not None and images.ndim == 4:
            images = preprocessing.normalise(images)
        if channels_last and images.ndim == 4:
            images = images.to(memory_format=torch.channels_last)
        yield Batch(images, labels, names.to(target))
