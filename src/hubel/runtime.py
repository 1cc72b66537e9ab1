"""Device, threads, seeds, determinism: the only room that touches torch's global state."""

from __future__ import annotations

import ctypes
import json
import math
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, cast

import torch

from hubel.errors import UsageError

_WORD = (1 << 64) - 1


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" takes CUDA, then MPS, then the CPU.

    >>> pick_device("cpu")
    device(type='cpu')
    >>> pick_device("gpu0")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: device must be auto, cpu, cuda, cuda:N or mps, got 'gpu0'
      use --device auto to take the best one
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise UsageError(
            f"device must be auto, cpu, cuda, cuda:N or mps, got {name!r}",
            hint="use --device auto to take the best one",
        )
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present[kind]:
        raise UsageError(f"device {name!r} is not available here", hint="use --device auto to take what is there")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        raise UsageError(f"device {name!r} does not exist: {torch.cuda.device_count()} CUDA devices are visible")
    return torch.device(name)


def mix(*words: int) -> int:
    """A 63-bit seed from whole numbers, the same on every machine: randomness as a function, not as a state.

    Each word passes through the finaliser of SplitMix64 (Steele, Lea, Flood 2014), so neighbouring seeds,
    epochs and steps give unrelated numbers.

    >>> mix(0, 1), mix(0, 2), mix(1, 1)
    (1534736266818221247, 4702803707325424070, 4858116031665395457)
    """
    state = 0
    for word in words:
        state = (state + (word & _WORD) + 0x9E3779B97F4A7C15) & _WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
        state ^= state >> 31
    return state >> 1


def generator(*words: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator seeded with `mix(*words)`."""
    return torch.Generator(device=device).manual_seed(mix(*words))


def seed_all(*words: int) -> None:
    """Seed torch's global generators (initial weights, dropout) with `mix(*words)`."""
    torch.manual_seed(mix(*words))


def seed_step(device: torch.device, *words: int) -> None:
    """Seed the generators that a step on `device` draws from (drop-out): `seed_all`, but cheap enough for every step.

    torch.manual_seed remembers who called it, for devices that are not yet awake; that takes longer than a small step.
    """
    seed = mix(*words)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def seeded(*words: int) -> Iterator[None]:
    """Global generators seeded inside the block and put back afterwards."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        seed_all(*words)
        yield


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


def keep_memory() -> bool:
    """Let freed memory stay with this process for its next tensors; False where the C library cannot be told so.

    glibc hands every block above 32 MB back to the system at once, and what is free at the end of its heap soon after.
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


def memory_is_kept() -> bool:
    """Has `keep_memory` been called in this process, and did it help?"""
    return _kept


_kept = False


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
    key = f"{_processor()}, {physical} of {logical} cores, torch {torch.__version__}"
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


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it: needed around a timing, never in a step."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def has_bf16() -> bool:
    """Can this processor's convolutions and matrix products be done in bf16 at all? (Not: are they faster.)"""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def has_quick_bf16(device: torch.device) -> bool:
    """Does it have instructions of its own for bf16, so that twice as much is computed in the same time?"""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return device.type == "cpu" and has_bf16() and any(known.get(word) for word in ("avx512_bf16", "amx_bf16"))


def has_compiler(device: torch.device) -> bool:
    """Is there what torch.compile needs: Triton for a GPU, a C++ compiler for the CPU?"""
    if device.type == "cuda":
        return find_spec("triton") is not None
    named = os.environ.get("CXX")
    return any(shutil.which(name) for name in ([named] if named else ["g++", "clang++", "c++", "cl"]))


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


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be had: of the GPU, or of the machine and the container around us. None if nobody tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = _kilobytes("/proc/meminfo", "MemAvailable:") if device.type == "cpu" else None
    try:
        with open("/sys/fs/cgroup/memory.max") as limit, open("/sys/fs/cgroup/memory.current") as used:
            inside = int(limit.read()) - int(used.read())
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return inside if free is None else min(free, inside)


def _kilobytes(path: str, name: str) -> int | None:
    try:
        with open(path) as info:
            for line in info:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def environment(device: torch.device | None = None) -> dict[str, object]:
    """What a number depends on: versions, platform, processor, threads. Plain data for `env.json`."""
    return {
        "hubel": _version("hubel"),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "numpy": _version("numpy"),
        "pillow": _version("pillow"),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device or "cpu"),
        "device_name": torch.cuda.get_device_name(device) if device and device.type == "cuda" else _processor(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
