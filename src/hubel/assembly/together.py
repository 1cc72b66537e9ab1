"""Several processes that train one net: joining them, what they must agree on, and a log of each."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel import runtime
from hubel.data import cache
from hubel.errors import HubelError, UsageError
from hubel.nn.sync_norm import synchronised
from hubel.recipes.schema import Recipe
from hubel.runtime import rank, world
from hubel.store import RunStore
from hubel.training.events import EpochDone, Event, Finished, MicroBatchHalved, Skipped
from hubel.watching import Watcher

FEW = 16
"""Samples below which statistics of a batch are too rough for a good net (Wu and He, arXiv:1803.08494, figure 1)."""
SHORT = 30.0
"""Seconds of training below which the number of threads is not worth a measurement."""


@contextmanager
def computing(recipe: Recipe) -> Iterator[None]:
    """Compute with the recipe's number of threads, or the one found fastest here; keep the memory of tensors."""
    count = recipe.train.threads
    on_cpu = runtime.pick_device(recipe.train.device).type == "cpu"
    short = recipe.train.time is not None and recipe.train.time < SHORT
    if count is None and on_cpu and world() == 1 and "OMP_NUM_THREADS" not in os.environ and not short:
        count = runtime.fastest_threads(cache.home() / "threads.json")
    if on_cpu:
        runtime.keep_memory()
    with runtime.threads(count):
        yield


def agree(recipe: Recipe, model: nn.Module, samples: int, watch: Watcher) -> None:
    """Make batch norm what the recipe says for several processes, or say what it costs to leave it as it is.

    `samples`: those of a step, in all processes. Raises UsageError when they cannot be shared out evenly.
    """
    norms = any(isinstance(module, _BatchNorm) for module in model.modules())
    if world() == 1 or not norms:
        return
    if not recipe.train.sync_bn:
        if samples // world() < FEW:
            watch.remark(
                f"each of {world()} processes takes its batch norm from {samples // world()} samples, which is little: "
                f"--sync-bn takes it from all {samples}, or use a larger --batch-size"
            )
        return
    if samples % world():
        raise UsageError(
            f"with sync_bn all {world()} processes must see as many samples; a batch of {samples} cannot be shared out",
            hint=f"--batch-size {max(1, samples // world()) * world()}",
        )
    synchronised(model)


def share_statistics(model: nn.Module) -> None:
    """Give every process the running statistics of the first: those are saved, so those must be measured."""
    if world() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


class RankLog:
    """What one of several processes did: logs/rank-N.jsonl in the run folder, a line an event."""

    def __init__(self, store: RunStore, device: torch.device) -> None:
        self.store, self.name = store, f"logs/rank-{rank()}.jsonl"
        self.started = time.perf_counter()
        self.line({
            "event": "start", "rank": rank(), "processes": world(), "host": platform.node(), "process": os.getpid(),
            "device": str(device), "threads": torch.get_num_threads(),
        })  # fmt: skip

    def line(self, facts: dict[str, Any]) -> None:
        """Append a line. A log that cannot be written is no reason to end a training."""
        with suppress(HubelError):
            seconds = round(time.perf_counter() - self.started, 3)
            self.store.append_line(self.name, json.dumps({"seconds": seconds, **facts}))

    def event(self, event: Event) -> None:
        """Log what concerns this process: its epochs, what it left out, when its memory ran out, its end."""
        if isinstance(event, EpochDone):
            pace = event.row.get("images_per_second", 0.0) / world()
            self.line({"event": "epoch", "epoch": event.epoch + 1, "own_images_per_second": round(pace, 2)})
        elif isinstance(event, Skipped):
            self.line({"event": "skipped", "epoch": event.epoch + 1, "step": event.step, "reason": event.reason})
        elif isinstance(event, MicroBatchHalved):
            self.line({"event": "memory ran out", "micro_batch": event.micro_batch})
        elif isinstance(event, Finished):
            self.line({"event": "finished", "reason": event.reason})
