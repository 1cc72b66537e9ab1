"""Threads by measurement, and memory that is kept."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import hubel.runtime.threading as threads_module
from hubel import runtime
from hubel.errors import UsageError
from hubel.runtime.memory import OutOfMemory, in_parts


def test_cores_are_those_this_process_may_use() -> None:
    physical, logical = runtime.cores()
    assert 1 <= physical <= logical == len(os.sched_getaffinity(0))


def test_two_cores_leave_nothing_to_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "cores", lambda: (1, 2))
    assert runtime.fastest_threads(tmp_path / "threads.json") is None
    assert not (tmp_path / "threads.json").exists()


def test_the_fastest_number_is_measured_once_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []

    def seconds(candidates: list[int]) -> dict[int, float]:
        asked.append(list(candidates))
        return {8: 2.0, 4: 1.0}

    monkeypatch.setattr(threads_module, "cores", lambda: (4, 8))
    monkeypatch.setattr(threads_module, "step_seconds", seconds)
    cache = tmp_path / "deep" / "threads.json"
    assert runtime.fastest_threads(cache) == 4
    assert runtime.fastest_threads(cache) == 4
    assert asked == [[8, 4]]
    (kept,) = json.loads(cache.read_text())
    assert torch.__version__ in kept
    for damaged in ("", "[1]", json.dumps({kept: 77})):
        cache.write_text(damaged)
        assert runtime.fastest_threads(cache) == 4
    assert len(asked) == 4


def test_between_equals_more_threads_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads_module, "cores", lambda: (4, 8))
    monkeypatch.setattr(threads_module, "step_seconds", lambda candidates: {8: 1.02, 4: 1.0})
    assert runtime.fastest_threads() == 8


def test_the_measurement_leaves_threads_and_random_numbers_as_they_were() -> None:
    torch.manual_seed(3)
    expected, before = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(3)
    found = runtime.step_seconds([1, 2], budget=0.01)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == before
    assert set(found) == {1, 2}
    assert all(0 < seconds < 60 for seconds in found.values())


PAGES = """
import resource, sys, torch
from hubel import runtime
from hubel.errors import UsageError
if sys.argv[1] == "keep" and not runtime.keep_memory():
    print(-1)
    sys.exit()
torch.set_num_threads(1)
for _ in range(10):  # until the heap has found its shape
    torch.empty(12 << 20).fill_(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.empty(12 << 20).fill_(0)  # 48 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_kept_memory_is_not_mapped_again() -> None:
    faults = {
        way: int(subprocess.run([sys.executable, "-c", PAGES, way], capture_output=True, text=True, check=True).stdout)
        for way in ("keep", "leave")
    }
    if faults["keep"] < 0:
        pytest.skip("not glibc")
    pages = (48 << 20) // resource.getpagesize()
    assert faults["keep"] < pages
    assert faults["leave"] > 5 * pages


def resident() -> int:
    held = runtime.held_memory(torch.device("cpu"))
    if held is None or not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("not glibc, or nobody tells")
    return held


def test_released_memory_goes_back_to_the_system_also_where_none_was_kept_for_speed() -> None:
    before = resident()
    blocks = [torch.zeros(25_000) for _ in range(600)]  # 60 MB in pieces too small to be mapped one by one
    last = blocks.pop()  # keeps the end of the heap in use
    blocks.clear()
    runtime.release_memory()
    assert resident() - before < 30_000_000
    assert last.numel() == 25_000


def test_parts_are_halved_until_they_fit_and_one_that_does_not_is_a_typed_error() -> None:
    sizes: list[int] = []

    def run(part: slice, most: int) -> int:
        sizes.append(part.stop - part.start)
        if sizes[-1] > most:
            raise RuntimeError("DefaultCPUAllocator: not enough memory")
        return part.start

    assert in_parts(10, 8, partial(run, most=3), what="pictures") == [0, 2, 4, 6, 8]
    assert sizes == [8, 4, 2, 2, 2, 2, 2]
    runtime.keep_memory()
    assert in_parts(2, 2, partial(run, most=1), what="pictures") == [0, 1]
    assert not runtime.memory_is_kept(), "what was kept is needed now"
    with pytest.raises(OutOfMemory, match="memory ran out over pictures, one at a time: DefaultCPUAllocator"):
        in_parts(4, 4, partial(run, most=0), what="pictures")
    with pytest.raises(ZeroDivisionError):
        in_parts(1, 1, lambda part: 1 // 0, what="pictures")


def test_only_the_first_of_several_processes_tells_what_all_have_done(monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime.speaks()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    for rank, speaks in (("0", True), ("1", False)):  # also when they have parted, and no group is left to ask
        monkeypatch.setenv("RANK", rank)
        assert runtime.speaks() is speaks


def test_several_processes_share_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert runtime.pick_device("auto") == runtime.pick_device("cuda") == torch.device("cuda"), "alone"
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert runtime.pick_device("auto").type in ("cpu", "mps")
    with pytest.raises(UsageError, match="each process needs a GPU of its own: 1 are visible to 2 processes"):
        runtime.pick_device("cuda")
