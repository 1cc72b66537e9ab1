"""Where to compute, and what that device can do."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import torch

from hubel.errors import UsageError
from hubel.runtime.distributed import enough_gpus


def pick_device(name: str = "auto") -> torch.device:
    """The device called `name`; "auto" takes CUDA, then MPS, then the CPU.

    Of several processes on one machine each has a GPU of its own; where there are fewer, "auto" takes the CPU for all.

    >>> pick_device("cpu")
    device(type='cpu')
    >>> pick_device("gpu0")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: device must be auto, cpu, cuda, cuda:N or mps, got 'gpu0'
      use --device auto to take the best one
    """
    if name == "auto":
        if enough_gpus():
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
        raise UsageError(
            f"device {name!r} does not exist: {torch.cuda.device_count()} CUDA devices are visible",
            hint="use --device auto to take one that is there",
        )
    if name == "cuda" and not enough_gpus():
        raise UsageError(
            f"each process needs a GPU of its own: {torch.cuda.device_count()} are visible to "
            f"{os.environ['LOCAL_WORLD_SIZE']} processes",
            hint="start as many processes as there are GPUs (torchrun --nproc-per-node), or use --device cpu",
        )
    return torch.device(name)


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
