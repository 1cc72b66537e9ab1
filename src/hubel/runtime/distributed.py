"""Several processes that compute together, as torchrun starts them: which one this is, and what all agree on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist


def rank() -> int:
    """This process among those that train together, also before they meet and after they part; 0 when it is alone."""
    if dist.is_initialized():
        return dist.get_rank()
    number = os.environ.get("RANK", "") if "TORCHELASTIC_RUN_ID" in os.environ else ""
    return int(number) if number.isdigit() else 0


def speaks() -> bool:
    """Is this the process that tells what all have done? Also before they have joined, and when they have parted."""
    return not launched() or os.environ.get("RANK", "0") == "0"


def launched() -> bool:
    """Did torchrun start this process, as one of several?"""
    return "TORCHELASTIC_RUN_ID" in os.environ


def enough_gpus() -> bool:
    """Is there a GPU for each process on this machine?"""
    together = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if launched() else 1
    return torch.cuda.is_available() and torch.cuda.device_count() >= together


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def processes() -> Iterator[None]:
    """Join the other processes when torchrun started us; alone otherwise."""
    if not launched() or dist.is_initialized():
        yield
        return
    if enough_gpus():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # With GPUs both ways are open, each is taken for the tensors of its device: what computes is decided later.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def told_by_first(text: str, device: torch.device) -> str:
    """What the first process says, in all of them; what the others say counts for nothing.

    As a tensor of bytes: what torch sends as an object is a pickle, and whoever receives it runs it.

    >>> told_by_first("runs/digits-1", torch.device("cpu"))
    'runs/digits-1'
    """
    if world() == 1:
        return text
    said = torch.tensor(list(os.fsencode(text)), dtype=torch.uint8, device=device)
    size = torch.tensor(len(said), device=device)
    dist.broadcast(size, 0)
    heard = said if rank() == 0 else torch.empty(int(size), dtype=torch.uint8, device=device)
    dist.broadcast(heard, 0)
    return os.fsdecode(bytes(heard.tolist()))


def slowest(seconds: float, device: torch.device) -> float:
    """The longest time of all processes, so that all of them draw the same conclusion."""
    if not dist.is_initialized():
        return seconds
    longest = torch.tensor(seconds, device=device)
    dist.all_reduce(longest, op=dist.ReduceOp.MAX)
    return float(longest)


def average(numbers: dict[str, float], count: int, device: torch.device) -> dict[str, float]:
    """Means over the samples of all processes, from each one's means over its own `count`."""
    if world() == 1:
        return numbers
    parts = torch.tensor([*(value * count for value in numbers.values()), count], device=device)
    dist.all_reduce(parts)
    return dict(zip(numbers, (parts[:-1] / parts[-1]).tolist(), strict=True))
