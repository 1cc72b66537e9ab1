"""Device, threads, memory, seeds, processes: the only room that touches torch's global state."""

from hubel.runtime.device import has_bf16, has_compiler, has_quick_bf16, pick_device, synchronise
from hubel.runtime.distributed import average, processes, rank, slowest, speaks, told_by_first, world
from hubel.runtime.machine import environment
from hubel.runtime.memory import (
    free_memory,
    held_memory,
    in_parts,
    keep_memory,
    memory_is_kept,
    out_of_memory,
    peak_memory,
    release_memory,
)
from hubel.runtime.seeds import Stream, generator, mix, seed_all, seed_step, seeded
from hubel.runtime.threading import (
    check_threads,
    cores,
    fastest_threads,
    settle_threads,
    step_seconds,
    thread_candidates,
    threads,
)

__all__ = [
    "Stream",
    "average",
    "check_threads",
    "cores",
    "environment",
    "fastest_threads",
    "free_memory",
    "generator",
    "has_bf16",
    "has_compiler",
    "has_quick_bf16",
    "held_memory",
    "in_parts",
    "keep_memory",
    "memory_is_kept",
    "mix",
    "out_of_memory",
    "peak_memory",
    "pick_device",
    "processes",
    "rank",
    "release_memory",
    "seed_all",
    "seed_step",
    "seeded",
    "settle_threads",
    "slowest",
    "speaks",
    "step_seconds",
    "synchronise",
    "thread_candidates",
    "threads",
    "told_by_first",
    "world",
]
