"""The training loop: `fit` is a generator of events. It touches no file and no screen.

Whoever reads the events decides what happens with them: log, save, draw, stop (by reading no further). All that changes
lies in one `Training`, whose `state()` is enough to go on later with the same bits: sample order, augmentation and
drop-out are functions of (seed, epoch, sample) or (seed, step), so there is no random state to keep.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch.distributed as dist

from hubel.errors import HubelError
from hubel.events import (
    Collapsed,
    EpochDone,
    Event,
    Finished,
    MicroBatchHalved,
    Overflowed,
    Skipped,
    StepDone,
    ThreadsChanged,
)
from hubel.runtime import slowest, world
from hubel.training import guard
from hubel.training.crowding import watch_threads
from hubel.training.objectives import COLLAPSED
from hubel.training.state import Training, forward_precision, improves
from hubel.training.step import step

__all__ = ["NonFinite", "Training", "fit", "forward_precision"]


class NonFinite(HubelError):
    """A loss or gradient is not finite; the weights have not been touched by it."""

    def __init__(self, diagnosis: guard.Diagnosis, *, epoch: int, step: int, updates: int) -> None:
        super().__init__(
            f"at epoch {epoch + 1}, step {step}: {diagnosis}; the update was not made",
            hint="lower --lr, add --clip-grad 1, or leave such batches out with --on-nonfinite skip",
        )
        self.diagnosis = diagnosis
        self.epoch = epoch
        self.step = step
        self.updates = updates
        """The step counted from the beginning of the run."""

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_nonfinite, (self.diagnosis, self.epoch, self.step, self.updates)


def _rebuild_nonfinite(diagnosis: guard.Diagnosis, epoch: int, step: int, updates: int) -> NonFinite:
    return NonFinite(diagnosis, epoch=epoch, step=step, updates=updates)


def fit(run: Training) -> Iterator[Event]:
    """Train from where `run` stands to the end of its recipe, and tell every step and epoch on the way.

    Raises NonFinite before an update that would spoil the weights, unless the recipe says to skip such steps.
    """
    train = run.recipe.train
    before, waited = run.seconds, run.paused
    started = time.perf_counter()

    def elapsed() -> float:
        return before + time.perf_counter() - started - (run.paused - waited)

    threads = watch_threads(run.device, fixed=train.threads is not None)
    reason = finished(run) if run.epoch else ""
    while not reason:
        epoch_started, first = time.perf_counter(), run.step - run.epoch * run.steps_per_epoch
        images = overflows = 0
        run.forward.train()
        if run.freeze is not None:
            run.freeze(run.model, run.epoch)
        for index, batch in enumerate(run.batches(run.epoch, first), start=first + 1):
            if run.step in run.skipped:
                run.step += 1
                continue
            at, done = run.step, step(run, batch)
            for size in done.halved:
                yield MicroBatchHalved(run.epoch, at, size)
            if done.fault is not None:
                if train.on_nonfinite != "skip" or done.fault.what in ("weight", "buffer", "learning rate"):
                    raise NonFinite(done.fault, epoch=run.epoch, step=index, updates=run.step)
                run.skipped.add(run.step)
                run.step += 1
                yield Skipped(run.epoch, index, tuple(batch.ids.tolist()), str(done.fault))
                continue
            run.seconds, lasted = elapsed(), elapsed() - run.seconds
            images, overflows = images + len(batch) * world(), overflows + done.overflowed
            yield StepDone(run.epoch, index, run.steps_per_epoch, len(batch) * world(), done.loss, done.lr)
            if done.vitals is not None:
                yield done.vitals
            changed = threads.after(lasted) if threads is not None else None
            if changed is not None:
                yield ThreadsChanged(run.epoch, index, *changed)
            if run.limit and world() == 1 and elapsed() + run.reading >= run.limit:
                reason = "time"  # several processes must stop at the same step: they look at the epoch's end only
                break
        trained = time.perf_counter() - epoch_started
        lr = run.base_rate * run.factor(max(run.step - 1, 0))
        run.epoch += 1
        # A step count that follows from the epoch alone keeps schedule and order right after an epoch cut short.
        run.step = run.epoch * run.steps_per_epoch
        measured = time.perf_counter()
        row = {"epoch": float(run.epoch), **train_numbers(run), **run.measure(run.measured_model), "lr": lr}
        run.reading = time.perf_counter() - measured
        row |= {"images_per_second": images / trained, "seconds": elapsed()}
        run.totals.zero_()
        run.history.append(row)
        run.seconds = elapsed()
        if row.get("spread", 1.0) < COLLAPSED <= (run.history[-2].get("spread", 1.0) if run.epoch > 1 else 1.0):
            yield Collapsed(run.epoch - 1, row["spread"])
        if overflows:
            yield Overflowed(run.epoch - 1, overflows, run.steps_per_epoch)
        better = improves(row, run.best)
        if better:
            run.best = row
        reason = reason or finished(run)
        yield EpochDone(run.epoch - 1, row, better)
    yield Finished(reason, run.epoch, elapsed(), run.best)


def train_numbers(run: Training) -> dict[str, float]:
    """Mean loss and accuracy over the epoch's training batches (as augmented, while the weights moved)."""
    totals = run.totals.clone()
    if dist.is_initialized():
        dist.all_reduce(totals)
    loss, hits, seen = totals.tolist()
    seen = max(seen, 1)
    numbers = {"train_loss": loss / seen}
    return numbers | ({f"train_{run.task.score}": hits / seen} if run.task.counts else {})


def finished(run: Training) -> str:
    """Why the run ends after this epoch, or ""."""
    train, row = run.recipe.train, run.history[-1]
    if train.target is not None and row.get(f"val_{run.task.score}", 0.0) >= train.target:
        return "target"
    if run.epoch >= (train.epochs or 1) and not run.timed:
        return "epochs"
    if run.limit and slowest(run.seconds + run.reading, run.device) >= run.limit:
        return "time"
    if train.patience and run.epoch - run.best["epoch"] >= train.patience:
        return "patience"
    return ""
