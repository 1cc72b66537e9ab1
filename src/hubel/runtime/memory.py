"""Memory: what is held, what is free, what a block of code needed at its peak."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

import torch

from hubel.errors import HubelError

_NO_MEMORY = (
    "DefaultCPUAllocator",  # torch on the CPU
    "std::bad_alloc",
    "could not create a primitive",  # oneDNN, for want of a buffer
    "could not create a memory",
    "MPS backend out of memory",
    "STATUS_ALLOC_FAILED",  # cuDNN, cuBLAS
)
"""Words in which libraries say that memory ran out."""
Part = TypeVar("Part")
"""What a computation gives for a part of its samples."""

_kept = False


def keep_memory() -> bool:
    """Let freed memory stay with this process for its next tensors; False where the C library cannot be told so.

    glibc hands every block above 32 MiB back to the system at once, and what is free at the end of its heap soon after.
    The next step asks for the same blocks again, and the system must map and clear them page by page: a tenth to a
    fifth of a training step on a virtual machine, and most of the time in which batches of photographs are made
    (docs/training.md). Tensors of a training come in the same sizes again and again, so keeping them costs no memory
    at the peak. Meant for processes that compute for long: a process keeps what it once used until it ends.
    """
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not glibc
        return False
    trim_threshold, most_maps = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    global _kept
    _kept = bool(tell(most_maps, 0)) and bool(tell(trim_threshold, (1 << 31) - 1))
    return _kept


def release_memory() -> None:
    """Give back what is free to the system, and keep no more from now on: for the moment when memory has run out.

    What `keep_memory` has kept lies in pieces of the sizes of before, and no other library can have it.
    """
    global _kept
    gc.collect()
    try:
        library = ctypes.CDLL(None)
        if _kept:
            library.mallopt(-4, 65536)  # M_MMAP_MAX and M_TRIM_THRESHOLD as they are at the start of a process
            library.mallopt(-1, 128 << 10)
        library.malloc_trim(0)
    except (OSError, AttributeError, TypeError):  # not glibc
        pass
    _kept = False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def memory_is_kept() -> bool:
    """Has `keep_memory` been called in this process, and did it help?"""
    return _kept


@contextmanager
def peak_memory(device: torch.device) -> Iterator[Callable[[], int | None]]:
    """Gives a function that tells how many bytes were held at the peak of the block; compare with `held_memory` before.

    On a GPU what torch has given out; on the CPU what the process holds. None where the platform does not tell.

    >>> before = held_memory(torch.device("cpu"))
    >>> with peak_memory(torch.device("cpu")) as peak:
    ...     _ = torch.ones(8_000_000).sum()
    >>> peak() is None or peak() >= before  # equal where the process has kept freed memory for it
    True
    """
    found: list[int | None] = [None]
    _forget_peak(device)
    try:
        yield lambda: found[0]
    finally:
        found[0] = _held(device, "peak")


def held_memory(device: torch.device) -> int | None:
    """Bytes that are held now; see `peak_memory`."""
    return _held(device, "now")


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be had: of the GPU, or of the machine and the container around us. None if nobody tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    free = _kilobytes("/proc/meminfo", "MemAvailable:") if device.type == "cpu" else None
    try:
        with open("/sys/fs/cgroup/memory.max") as limit, open("/sys/fs/cgroup/memory.current") as used:
            inside = int(limit.read()) - int(used.read())
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return inside if free is None else min(free, inside)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # Linux: the peak of what is resident starts anew
    except OSError:
        pass


def _held(device: torch.device, when: Literal["now", "peak"]) -> int | None:
    """Bytes held now, or at the peak since it was forgotten; None where the platform does not tell."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) if when == "now" else torch.cuda.max_memory_allocated(device)
    return _kilobytes("/proc/self/status", "VmRSS:" if when == "now" else "VmHWM:") if device.type == "cpu" else None


def _kilobytes(path: str, name: str) -> int | None:
    try:
        with open(path) as info:
            for line in info:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


class OutOfMemory(HubelError):
    """A computation does not fit into memory, not even in its smallest part."""


def in_parts(count: int, size: int, run: Callable[[slice], Part], *, what: str) -> list[Part]:
    """What `run` gives for `count` samples in slices of at most `size`; where memory runs out, in halves from there on.

    `run` must change nothing before it has succeeded. Raises OutOfMemory, naming `what`, when one sample does not fit.

    >>> in_parts(5, 2, lambda part: part.stop, what="numbers")
    [2, 4, 5]
    """
    start, results = 0, []
    while start < count:
        part = slice(start, min(start + size, count))
        try:
            results.append(run(part))
            start = part.stop
            continue
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        # Outside the handler, whose traceback would keep what was computed so far alive.
        if part.stop - part.start == 1:
            raise OutOfMemory(
                f"memory ran out over {what}, one at a time: {reason}",
                hint="close other programs, or use smaller pictures or another method",
            )
        size = (part.stop - part.start + 1) // 2
        release_memory()
    return results


def out_of_memory(error: BaseException) -> bool:
    """Did the device or the machine run out of memory? Only some libraries have an error of their own for that.

    >>> out_of_memory(RuntimeError("std::bad_alloc")), out_of_memory(RuntimeError("shapes do not fit"))
    (True, False)
    """
    kind = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return kind or (isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY))
