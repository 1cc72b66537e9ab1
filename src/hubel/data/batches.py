"""From decoded pictures to what a model eats. There is no loader state: order is a function of (seed, epoch, id)."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from hubel.data.decode import Decoded, rows_of
from hubel.data.preprocessing import Preprocessing
from hubel.data.streamed import Streamed
from hubel.errors import UsageError
from hubel.runtime import free_memory, mix
from hubel.types import Batch

RESIDENT_SHARE = 0.25
"""Part of an accelerator's free memory that the pictures may take; the rest is for the net and its activations."""

_RESIDENT: weakref.WeakKeyDictionary[Decoded, dict[torch.device, torch.Tensor]] = weakref.WeakKeyDictionary()


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


def class_order(ids: np.ndarray, labels: np.ndarray, *, classes: int, each: int, seed: int, epoch: int) -> np.ndarray:
    """Rows in an order whose every `classes` x `each` are so many samples of so many classes, as many steps as `ids`
    would make. Classes with one sample are left out; small ones come again and again. Labels of all rows, by row.

    >>> labels = np.array([0] * 6 + [1] * 3 + [2])
    >>> order = class_order(np.arange(10), labels, classes=2, each=2, seed=0, epoch=0)
    >>> labels[order].reshape(-1, 2, 2)[:, :, 0].tolist(), (labels[order].reshape(-1, 2) != 2).all()
    ([[0, 1], [0, 1]], np.True_)
    """
    rows = np.asarray(ids, dtype=np.int64)
    of = {int(k): epoch_order(rows[labels[rows] == k], seed=seed, epoch=epoch) for k in np.unique(labels[rows])}
    of = {k: members for k, members in of.items() if len(members) > 1}
    names = np.array(sorted(of), dtype=np.int64)
    taken = dict.fromkeys(of, 0)
    found: list[np.ndarray] = []
    for step in range(max(1, len(rows) // (classes * each))):
        for k in epoch_order(names, seed=mix(seed, epoch), epoch=step)[:classes].tolist():
            places = (taken[k] + np.arange(each)) % len(of[k])
            taken[k] += each
            found.append(of[k][places])
    return np.concatenate(found)


def steps_per_epoch(count: int, batch_size: int, *, drop_last: bool = False) -> int:
    """Batches that `count` samples make."""
    return count // batch_size if drop_last else -(-count // batch_size)


READ_PIXELS = 1 << 20
"""Pixels of a batch that is only read: a net holds several maps of that many places for each of its channels."""


def reading_size(decoded: Decoded, most: int = 500) -> int:
    """Samples a batch for looking and measuring: `most`, or as many large pictures as bound the memory it takes."""
    places = int(np.prod(decoded.images.shape[2:]))
    return max(1, min(most, READ_PIXELS // max(1, places)))


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
    along: Callable[..., torch.Tensor] | None = None,
    device: torch.device | str = "cpu",
    channels_last: bool = False,
    drop_last: bool = False,
    start_step: int = 0,
    shard: tuple[int, int] = (0, 1),
    names: np.ndarray | None = None,
    ahead: int | None = None,
    order: np.ndarray | None = None,
) -> Iterator[Batch]:
    """Batches of the samples `ids` (rows of `decoded`), from step `start_step` of the epoch on.

    Without `shuffle` they come as they are given, and `names` may say under which numbers they draw their chances.
    With `shard` (i, n), every n-th row of each batch from its i-th on: n processes then share the batches of one.

    Pictures are gathered as bytes, moved to the device as bytes (a quarter of the traffic), augmented there by
    `augment(images, ids, seed=, epoch=)` and normalised to float32 B C H W. Points (B F) pass through as they are.
    Where all pictures fit into a part of an accelerator's memory they are moved there once and gathered there.

    Targets (masks B H W) come as they are, or as `along(targets, ids, seed=, epoch=)` moves them with their pictures.

    `order` is the order of the rows where that is neither theirs nor shuffled (`class_order`).

    `ahead` batches are prepared by as many threads while the caller works on one: the same batches in the same order,
    since a batch is a function of its step. None leaves that to `usual_ahead`; 0 prepares each when it is asked for.

    >>> pictures = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    >>> decoded = Decoded(images=pictures, labels=np.zeros(6, np.int64), ids=np.arange(6), digest="")
    >>> [batch.ids.tolist() for batch in batches(decoded, decoded.ids, batch_size=4, ahead=2)]
    [[0, 1, 2, 3], [4, 5]]
    """
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, got {batch_size}", hint="64 is usual")
    if order is None:
        order = epoch_order(ids, seed=seed, epoch=epoch) if shuffle else np.asarray(ids, dtype=np.int64)
    target = torch.device(device)
    source = resident(decoded, target)
    layout = torch.channels_last if channels_last else torch.contiguous_format

    def batch(step: int) -> Batch:
        rows = order[step * batch_size : (step + 1) * batch_size][shard[0] :: shard[1]]
        named = torch.from_numpy(rows).to(target, non_blocking=True)
        images = gathered(decoded.images, rows, target) if source is None else source.index_select(0, named)
        labels = torch.from_numpy(decoded.labels[rows]).to(target, non_blocking=True)
        drawn = named
        if names is not None:
            drawn = torch.from_numpy(names[step * batch_size : (step + 1) * batch_size][shard[0] :: shard[1]]).to(
                target
            )
        if augment is not None:
            images = augment(images, drawn, seed=seed, epoch=epoch)
        if images.ndim == 4:
            images = images.contiguous(memory_format=layout)  # as bytes, where they still are: a quarter of the work
            if preprocessing is not None:
                images = preprocessing.normalise(images)
        if decoded.targets is None:
            return Batch(images, labels, named)
        targets = torch.from_numpy(np.take(decoded.targets, rows, axis=0)).to(target, non_blocking=True)
        if along is not None:  # masks; what is said of a whole picture does not move
            targets = along(targets, drawn, seed=seed, epoch=epoch)
        return Batch(images, labels, named, targets=targets)

    steps = range(start_step, steps_per_epoch(len(order), batch_size, drop_last=drop_last))
    threads = usual_ahead(target, source is not None) if ahead is None else ahead
    if ahead is None and isinstance(decoded.images, Streamed):
        threads = max(1, threads)  # decoding waits for disks, and its work is not the net's
    return in_advance(batch, steps, threads, target) if threads else map(batch, steps)


def gathered(images: np.ndarray, rows: np.ndarray, device: torch.device) -> torch.Tensor:
    """Some rows of an array (in memory or mapped) on a device, with the channels where the array has them."""
    taken = torch.from_numpy(rows_of(images, rows))
    if device.type == "cuda":
        taken = taken.pin_memory()  # only from there does a copy go on while the processor does something else
    return taken.to(device, non_blocking=True)


def resident(decoded: Decoded, device: torch.device) -> torch.Tensor | None:
    """All pictures on an accelerator, put there once, if they fit into `RESIDENT_SHARE` of what is free; else None."""
    if device.type == "cpu":
        return None
    known = _RESIDENT.setdefault(decoded, {})
    if device not in known:
        if decoded.images.nbytes > RESIDENT_SHARE * (free_memory(device) or 0):
            return None
        known[device] = moved_whole(decoded.images, device)
    return known[device]


def moved_whole(images: np.ndarray, device: torch.device, rows: int = 4096) -> torch.Tensor:
    """An array (in memory or mapped) on a device, brought there some `rows` at a time."""
    whole = torch.empty(images.shape, dtype=torch.from_numpy(images[:0].copy()).dtype, device=device)
    for start in range(0, len(images), rows):
        whole[start : start + rows] = torch.from_numpy(images[start : start + rows].copy()).to(device)
    return whole


def usual_ahead(device: torch.device, on_device: bool) -> int:
    """How many batches to prepare in advance.

    Two where a GPU waits for pictures from memory. None where they lie on it already; and none on a CPU, whose cores
    the net keeps busy by itself: what a thread prepares there is taken away from the step beside it. Apple's GPUs share
    the memory, and are not to be called from several threads.
    """
    return 2 if device.type == "cuda" and not on_device else 0


def in_advance(batch: Callable[[int], Batch], steps: range, threads: int, device: torch.device) -> Iterator[Batch]:
    """`batch(step)` for all steps in order, the next `threads` of them under way while one is used.

    What a batch raises is raised when its turn comes. Threads end with the iterator, also when it is left early.
    """
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def prepared(step: int) -> tuple[Batch, torch.cuda.Event | None]:
        if stream is None:
            return batch(step), None
        with torch.cuda.stream(stream):
            made = batch(step)
            done = torch.cuda.Event()
            done.record(stream)
        return made, done

    remaining = iter(steps)
    under_way: deque[Future[tuple[Batch, torch.cuda.Event | None]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="hubel-batches")
    try:
        for step in remaining:
            under_way.append(pool.submit(prepared, step))
            if len(under_way) > threads:
                yield _received(*under_way.popleft().result())
        while under_way:
            yield _received(*under_way.popleft().result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _received(batch: Batch, done: torch.cuda.Event | None) -> Batch:
    if done is not None:
        # The step's stream waits for the copy, and the copy's memory is not used again before the step is through.
        here = torch.cuda.current_stream(batch.images.device)
        here.wait_event(done)
        for tensor in (batch.images, batch.labels, batch.ids, batch.targets):
            if tensor is not None:
                tensor.record_stream(here)
    return batch
