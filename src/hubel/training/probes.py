"""Two probes before a run: at which learning rates a net learns, and which batch size uses the machine well.

Both make real steps, but on a copy of model, optimiser and loss, with random numbers of their own: the run itself
starts as if nobody had looked.

The learning-rate range test is Smith's (2017, arXiv 1506.01186, section 3.3): the rate grows exponentially from step to
step, the loss is watched, and the sweep ends when the loss runs away. Three rates are read from the smoothed curve:

- `valley`, the suggestion: two thirds along the longest stretch over which the loss falls (in log rate);
- `steepest`: where it falls fastest;
- `edge`: a tenth of the rate at which it is lowest.

The batch size is doubled until the next one would not fit into memory, or more samples at once bring nothing: a step
then takes as much longer as it has more samples.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import numpy as np
import torch

from hubel import runtime
from hubel.errors import UsageError
from hubel.runtime import Stream, out_of_memory
from hubel.training.state import Training
from hubel.training.step import step
from hubel.types import Batch
from hubel.views import Viewed
from hubel.words import amount, plain, plural

DECADES_BELOW, DECADES_ABOVE = 3, 2
"""The sweep goes from a thousandth of the usual rate to a hundred times it."""
RUNAWAY = 3.0
"""The sweep ends when the smoothed loss is so many times the lowest so far."""
WORTH = 0.05
"""Share by which the loss must fall somewhere, or nothing is suggested."""
ENOUGH = 0.95
"""Share of the highest throughput that the suggested batch size must reach."""
HEADROOM = 0.7
"""Share of the free memory that a batch may be expected to need."""


@dataclass(frozen=True, kw_only=True)
class RateProbe:
    """A learning-rate range test."""

    rates: np.ndarray
    """Of each step made, rising; what the recipe calls lr."""
    losses: np.ndarray
    """Of each step's batch, before its update; the last may be infinite."""
    smoothed: np.ndarray
    """The same without the noise of batches."""
    valley: float | None
    steepest: float | None
    edge: float | None
    """None, all three, where the loss does not fall."""
    reason: str
    """Why the sweep ended, or why nothing is suggested."""
    seconds: float

    @property
    def suggestion(self) -> float | None:
        """The peak rate to train with, to two figures."""
        return None if self.valley is None else float(f"{self.valley:.2g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPoint:
    """A batch size that was tried."""

    size: int
    seconds: float
    """Of a step, the median."""
    steps: int
    """Timed."""
    memory: int | None
    """Bytes at the peak of a step, above those before the first; None where the platform does not tell."""

    @property
    def images_per_second(self) -> float:
        """Throughput of training."""
        return self.size / self.seconds


@dataclass(frozen=True, kw_only=True)
class BatchProbe:
    """Throughput and memory by batch size."""

    points: tuple[BatchPoint, ...]
    suggestion: int | None
    """The smallest size with ENOUGH of the highest throughput; None if not even the first fits into memory."""
    ended: Literal["memory", "throughput", "largest"]
    reason: str
    """Why no larger size was tried."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Probes(Viewed):
    """What was found; None for what was not asked for."""

    data: str
    model: str
    optimizer: str
    lr: float
    """That the recipe says, or the rules choose."""
    batch_size: int | str
    """The same; the learning rates were swept with it."""
    rate: RateProbe | None
    batch: BatchProbe | None

    def flags(self) -> str:
        """The suggestions as flags of `hubel train`."""
        parts = []
        if self.batch is not None and self.batch.suggestion is not None:
            parts.append(f"--batch-size {self.batch.suggestion}")
        if self.rate is not None and self.rate.suggestion is not None:
            parts.append(f"--lr {self.rate.suggestion:g}")
        return " ".join(parts)

    def to_json(self) -> str:
        """Everything as JSON; what is not finite as null."""
        facts: dict[str, Any] = {
            "data": self.data, "model": self.model, "optimizer": self.optimizer, "lr": self.lr,
            "batch_size": self.batch_size,
        }  # fmt: skip
        if self.rate is not None:
            names = ("rates", "losses", "smoothed", "suggestion", "valley", "steepest", "edge", "reason", "seconds")
            facts["rate"] = {name: getattr(self.rate, name) for name in names}
        if self.batch is not None:
            facts["batch"] = {
                "points": [
                    {"size": p.size, "step_seconds": p.seconds, "images_per_second": p.images_per_second,
                     "memory": p.memory}
                    for p in self.batch.points
                ],
                **{name: getattr(self.batch, name) for name in ("suggestion", "ended", "reason", "seconds")},
            }  # fmt: skip
        return json.dumps(plain(facts), indent=1, ensure_ascii=False)


def rate_range(
    run: Training,
    *,
    low: float | None = None,
    high: float | None = None,
    steps: int = 100,
    seconds: float = 60.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RateProbe:
    """Sweep the learning rate from `low` to `high` on a copy of `run`, which must not have started yet.

    `low`, `high`: None for a thousandth and a hundred times the run's own rate. At most `steps` steps and about
    `seconds` seconds: slow nets get fewer, but at least 30. Raises UsageError for an impossible range; what goes wrong
    in a step is told in `reason`.
    """
    usual = run.recipe.optimizer.lr
    assert usual is not None, "defaults have chosen"
    low = usual / 10**DECADES_BELOW if low is None else low
    high = usual * 10**DECADES_ABOVE if high is None else high
    if not 0 < low < high:
        raise UsageError(
            f"the sweep needs 0 < low < high, got {low:g} and {high:g}",
            hint=f"leave both out for {usual / 10**DECADES_BELOW:g} to {usual * 10**DECADES_ABOVE:g}",
        )
    if steps < 10:
        raise UsageError(f"the sweep needs at least 10 steps, got {steps}", hint="100 is usual: --steps 100")
    started = time.perf_counter()
    seen: list[float] = []
    losses: list[float] = []
    reason = "the whole range was swept"
    with runtime.seeded(run.recipe.train.seed, Stream.PROBE):
        trial = twin(run)
        feed = _endless(trial)
        length = steps
        calm, best, mark = 0.0, float("inf"), started
        for index in count():
            if index == 2:  # the first step also makes buffers
                each = max(time.perf_counter() - mark, 1e-9)
                length = min(steps, max(30, int(seconds / each)))
            if index >= length:
                break
            mark = time.perf_counter()
            rate = low * (high / low) ** (index / (length - 1) if index > 1 else index / (steps - 1))
            try:
                done = step(trial, next(feed), rate=rate)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                reason = f"a step failed: {(str(error).splitlines() or [type(error).__name__])[0]}"
                break
            loss = float(done.loss)
            seen.append(rate)
            losses.append(loss)
            progress(index + 1, length)
            if done.fault is not None:
                reason = f"the {done.fault.what} was not finite at {rate:.2g}"
                break
            calm = loss if index == 0 else 0.8 * calm + 0.2 * loss
            best = min(best, calm)
            if index > 10 and calm > RUNAWAY * max(best, 1e-3):
                reason = f"the loss ran away at {rate:.2g}"
                break
    return _read(np.array(seen), np.array(losses), reason, time.perf_counter() - started)


def _read(rates: np.ndarray, losses: np.ndarray, reason: str, seconds: float) -> RateProbe:
    """The rates that the curve suggests."""
    smoothed = smooth(losses)
    valley = steepest = edge = None
    finite = np.isfinite(smoothed)
    curve, log = smoothed[finite], np.log(rates[finite])
    if len(curve) < 10:
        reason = f"{reason}, after {plural(len(curve), 'step')}: too few to read anything from them"
    elif curve[0] - curve.min() < WORTH * abs(curve[0]):
        reason = f"{reason}, and the loss fell nowhere by {WORTH:.0%}"
    else:
        first, last = longest_descent(curve)
        valley = float(np.exp(log[first] + 2 / 3 * (log[last] - log[first])))
        lowest = int(curve.argmin())
        slope = np.gradient(curve, log)[: max(lowest, 1) + 1]
        steepest = float(np.exp(log[int(slope.argmin())]))
        edge = float(np.exp(log[lowest])) / 10
    return RateProbe(
        rates=rates, losses=losses, smoothed=smoothed, valley=valley, steepest=steepest, edge=edge, reason=reason,
        seconds=seconds,
    )  # fmt: skip


def smooth(losses: np.ndarray, width: float = 2.0) -> np.ndarray:
    """Weighted mean of neighbours, a bell of `width` steps; what ran away is cut first, or it would reach back.

    >>> smooth(np.array([2.0, 2.0, 2.0, 2.0])).round(6).tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    if not len(losses):
        return losses
    ceiling = 2 * abs(float(np.median(losses[:5]))) + 1e-12
    cut = np.where(np.isfinite(losses), np.minimum(losses, ceiling), ceiling)
    at = np.arange(len(cut))
    weights = np.exp(-0.5 * ((at[:, None] - at) / width) ** 2)
    calm = weights @ cut / weights.sum(1)
    return np.where(np.isfinite(losses), calm, np.nan)


def longest_descent(curve: np.ndarray) -> tuple[int, int]:
    """First and last index of the stretch over which the curve falls furthest, without rising by a tenth of that.

    >>> longest_descent(np.array([3.0, 3.1, 2.0, 1.0, 1.05, 0.5, 2.0, 1.9]))
    (1, 5)
    """
    best, fall = (0, 0), 0.0
    first = last = 0
    for index in range(1, len(curve)):
        if curve[index] < curve[last]:
            last = index
            if curve[first] - curve[last] > fall:
                best, fall = (first, last), curve[first] - curve[last]
        elif curve[index] - curve[last] > 0.1 * (curve[first] - curve[last]):
            first = last = index
    return best


def batch_sizes(
    run: Training,
    feed: Callable[[int], Iterator[Batch]],
    *,
    first: int = 16,
    largest: int = 4096,
    seconds: float = 1.0,
    progress: Callable[[int], None] = lambda size: None,
) -> BatchProbe:
    """Time training steps on copies of `run` at batch sizes `first`, twice that, … up to `largest`.

    `feed`: size -> batches of that size, enough of them (three at least). Each size gets about `seconds` seconds.
    Running out of memory ends the probe and is told in `reason`; nothing is raised for it.
    """
    if not 1 <= first <= largest:
        raise UsageError(
            f"batch sizes must be 1 <= first <= largest, got {first} and {largest}",
            hint="leave them out for 16 to 4096",
        )
    started = time.perf_counter()
    points: list[BatchPoint] = []
    ended: Literal["memory", "throughput", "largest"] = "largest"
    reason = f"{largest:,} is the largest that was allowed"
    size = first
    before = runtime.held_memory(run.device)
    with runtime.seeded(run.recipe.train.seed, Stream.PROBE):
        while size <= largest:
            free, needed = _free(run.device, before), _expected(points, size)
            if free is not None and needed > HEADROOM * free:
                ended, reason = "memory", f"{size:,} would need about {amount(needed)} of {amount(free)} that are free"
                break
            progress(size)
            try:
                points.append(_timed(run, feed, size, seconds, before))
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                ended, reason = "memory", f"memory ran out at {size:,}"
                break
            if len(points) > 2 and all(p.images_per_second < 1.02 * points[-3].images_per_second for p in points[-2:]):
                ended, reason = "throughput", f"beyond {points[-3].size:,} more samples at once are no faster"
                break
            size *= 2
    fast = max((point.images_per_second for point in points), default=0.0)
    suggestion = next((point.size for point in points if point.images_per_second >= ENOUGH * fast), None)
    return BatchProbe(
        points=tuple(points), suggestion=suggestion, ended=ended, reason=reason, seconds=time.perf_counter() - started
    )


def twin(run: Training) -> Training:
    """A run of its own with the same weights, state of the optimiser, loss and data; nothing is shared that changes."""
    model, optimiser, loss = copy.deepcopy((run.model, run.optimiser, run.loss))
    return Training(
        recipe=run.recipe.change(compile=False, ema=0.0),
        model=model,
        optimiser=optimiser,
        schedule=run.schedule,
        loss=loss,
        batches=run.batches,
        steps_per_epoch=run.steps_per_epoch,
        measure=run.measure,
        device=run.device,
        task=run.task,
        forms=run.forms,
        freeze=run.freeze,
    )


def _endless(trial: Training) -> Iterator[Batch]:
    """Batches of epoch after epoch, the model in training mode as in that epoch."""
    for epoch in count():
        _awake(trial, epoch)
        yield from trial.batches(epoch, 0)


def _awake(trial: Training, epoch: int) -> None:
    trial.forward.train()
    if trial.freeze is not None:
        trial.freeze(trial.model, epoch)


def _timed(
    run: Training, feed: Callable[[int], Iterator[Batch]], size: int, seconds: float, before: int | None
) -> BatchPoint:
    """Steps at one size: one to wake up, then at least two, for about `seconds`."""
    trial = twin(run)
    trial.micro_batch = None
    _awake(trial, 0)
    taken: list[float] = []
    with runtime.peak_memory(run.device) as peak:
        started = mark = time.perf_counter()
        for batch in feed(size):
            step(trial, batch, halve=False)
            runtime.synchronise(run.device)
            taken.append(time.perf_counter() - mark)
            mark = time.perf_counter()
            if len(taken) > 2 and mark - started > seconds:
                break
    timed = taken[1:] or taken
    most = peak()
    memory = None if most is None or before is None else max(0, most - before)
    return BatchPoint(size=size, seconds=float(np.median(timed)), steps=len(timed), memory=memory)


def _free(device: torch.device, before: int | None) -> int | None:
    """Bytes that a step may take: those still free, and those that smaller steps have left behind."""
    free, held = runtime.free_memory(device), runtime.held_memory(device)
    return None if free is None or held is None or before is None else free + max(0, held - before)


def _expected(points: list[BatchPoint], size: int) -> int:
    """Bytes that a size will need, from the two before: what grows with the batch, what does not. 0 if not known."""
    known = [(point.size, point.memory) for point in points if point.memory is not None][-2:]
    if len(known) < 2:
        return 0
    (small, less), (large, more) = known
    return int(max(0, more + max(0, more - less) / (large - small) * (size - large)))
