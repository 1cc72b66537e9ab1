"""How many threads to compute with."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import torch

from hubel.errors import UsageError
from hubel.runtime.machine import processor
from hubel.runtime.seeds import seeded
from hubel.waiting import CROWD, others_running


@contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Compute with `count` threads inside the block (None leaves the setting alone)."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def settle_threads(cache: Path | None = None) -> int | None:
    """The number of threads to begin with: the fastest here, fewer where other programs compute; None: torch's own.

    Nothing is chosen where OMP_NUM_THREADS says it, or where this process is one of several that compute together. On
    an idle machine what `fastest_threads` remembers in `cache` is taken, and nothing is timed.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return None
    count = fastest_threads(cache)
    if others_running() < CROWD:
        return count
    most = count or torch.get_num_threads()
    candidates = sorted({most, max(1, most // 2), 1}, reverse=True)
    if len(candidates) == 1:
        return count
    seconds = step_seconds(candidates, budget=0.2)
    # Between equals, few: what does not share its work out waits for nobody.
    return min(number for number in candidates if seconds[number] <= 1.1 * min(seconds.values()))


def cores() -> tuple[int, int]:
    """(physical, logical) processor cores that this process may use; the same twice where nothing tells them apart."""
    try:
        mine = os.sched_getaffinity(0)
    except AttributeError:
        mine = set(range(os.cpu_count() or 1))
    siblings = set()
    for core in mine:
        try:
            with open(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") as file:
                siblings.add(file.read().strip())
        except OSError:
            return len(mine), len(mine)
    return len(siblings), len(mine)


def check_threads(count: int | None) -> None:
    """Raise UsageError for more threads than there are cores: they would take turns, and each turn costs.

    >>> check_threads(1 << 20)  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: threads must be at most the 8 cores that this process may use, got 1048576
    """
    _, logical = cores()
    if count is not None and count > logical:
        have = "the one core" if logical == 1 else f"the {logical} cores"
        raise UsageError(
            f"threads must be at most {have} that this process may use, got {count}",
            hint=f"--threads {logical}, or leave it out",
        )


def thread_candidates(physical: int, logical: int) -> list[int]:
    """Numbers of threads worth trying: all logical cores, all physical ones, and half of those on large machines.

    >>> thread_candidates(8, 16), thread_candidates(2, 2), thread_candidates(64, 64)
    ([16, 8], [2], [64, 32])
    """
    half = [physical // 2] if physical >= 16 else []
    return list(dict.fromkeys([logical, physical, *half]))


def fastest_threads(cache: Path | None = None) -> int | None:
    """The number of threads with which a small convolution trains fastest here; None for torch's own choice.

    Two threads on one physical core often hinder each other, and beyond some number the work is too small to be
    shared out: so it is measured, in a fraction of a second, and remembered in the file `cache` for this processor,
    these cores and this version of torch. With up to two cores there is nothing to choose: all of them.
    """
    physical, logical = cores()
    candidates = thread_candidates(physical, logical)
    if logical <= 2 or len(candidates) == 1:
        return None
    key = f"{processor()}, {physical} of {logical} cores, torch {torch.__version__}"
    known: dict[str, object] = {}
    with suppress(OSError, ValueError):
        found = json.loads(cache.read_bytes()) if cache is not None else {}
        known = found if isinstance(found, dict) else {}
    if known.get(key) in candidates:
        return cast(int, known[key])
    seconds = step_seconds(candidates)
    # A few per cent are noise; between equals, more threads leave nothing idle.
    best = max(count for count in candidates if seconds[count] <= 1.03 * min(seconds.values()))
    if cache is not None:
        with suppress(OSError):
            cache.parent.mkdir(parents=True, exist_ok=True)
            fresh = cache.with_name(f"{cache.name}.{os.getpid()}")
            fresh.write_text(json.dumps(known | {key: best}, indent=1))
            os.replace(fresh, cache)
    return best


def step_seconds(candidates: Sequence[int], budget: float = 0.3) -> dict[int, float]:
    """Seconds of one small training step (a convolution forward and backward) by number of threads: the best of some.

    Takes turns, so that a slow moment of the machine meets all candidates; ends after about `budget` seconds.
    """
    with seeded(0):
        layer = torch.nn.Conv2d(32, 32, 3, padding=1, bias=False)
        images = torch.randn(32, 32, 16, 16).to(memory_format=torch.channels_last)  # B C H W
    best = dict.fromkeys(candidates, math.inf)
    started, rounds = time.perf_counter(), 0
    while rounds < 2 or (rounds < 20 and time.perf_counter() - started < budget):
        for count in candidates:
            with threads(count):
                begun = time.perf_counter()
                torch.autograd.grad(torch.relu(layer(images)).sum(), layer.weight)
                taken = time.perf_counter() - begun
            if rounds:  # the first time of each starts its threads
                best[count] = min(best[count], taken)
        rounds += 1
    return best
