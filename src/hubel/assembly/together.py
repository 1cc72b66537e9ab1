"""How a training computes: its threads, and what several processes that train one net must agree on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel import runtime
from hubel.data import cache
from hubel.errors import UsageError
from hubel.nn.sync_norm import synchronised
from hubel.recipes.schema import Recipe
from hubel.runtime import world
from hubel.watching import Watcher
from hubel.words import plural

FEW = 16
"""Samples below which statistics of a batch are too rough for a good net (Wu and He, arXiv:1803.08494, figure 1)."""


@contextmanager
def computing(recipe: Recipe) -> Iterator[None]:
    """Compute with the recipe's number of threads, or the one found fastest here; keep the memory of tensors."""
    count = recipe.train.threads
    runtime.check_threads(count)
    on_cpu = runtime.pick_device(recipe.train.device).type == "cpu"
    if count is None and on_cpu and world() == 1:
        count = runtime.settle_threads(cache.home() / "threads.json")
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
                f"each of {world()} processes takes its batch norm from {plural(samples // world(), 'sample')}, which "
                f"is little: --sync-bn takes it from all {samples}, or use a larger --batch-size"
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
