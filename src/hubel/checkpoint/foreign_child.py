"""Open a foreign .pth file where it can do no harm: a program of its own, started by `hubel.checkpoint.foreign` alone.

    python -I foreign_child.py IN OUT

It has an empty environment, a private folder, no core dumps, and bounds on memory, time and what it may write, set
before the first byte of IN is read. Of what `torch.load(weights_only=True)` gives it keeps names with dense tensors,
writes them to OUT as safetensors, and says on standard output, in JSON, what it left out. Whatever goes wrong is the
exit code and one line on standard error; the parent decides what that means. Imports nothing of hubel.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import save_file

try:
    import resource
except ImportError:  # Windows has no such bounds; weights_only and the parent's clock remain
    resource = None  # type: ignore[assignment]

SECONDS = 60
WRAPPERS = ("state_dict", "model_state_dict", "model", "model_ema", "ema", "net", "weights")
"""Keys under which training scripts keep the state dict beside epoch, optimiser and so on."""


def bound(size: int) -> None:
    """Limit what this process may take, from what it has now and the size of the file."""
    if resource is None:
        return
    now = 8 << 30  # address space of an interpreter with torch, where the system does not say
    if os.path.exists("/proc/self/statm"):
        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
    memory = now + 4 * size + (256 << 20)
    for kind, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 2 * size + (16 << 20)),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (limit, limit))


def unwrap(found: Any) -> Any:
    """The state dict inside a training checkpoint, or `found` itself."""
    for key in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            inside = found[key]
            if any(isinstance(value, torch.Tensor) for value in inside.values()):
                return inside
    return found


def is_plain(value: Any) -> bool:
    """A dense tensor in memory, not a subclass with ideas of its own."""
    return (
        type(value) in (torch.Tensor, torch.nn.Parameter)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and not value.is_complex()
    )


def main(source: str, target: str) -> None:
    """Read, keep the tensors, write."""
    size = os.path.getsize(source)
    bound(size)
    found = unwrap(torch.load(source, map_location="cpu", weights_only=True))
    if not isinstance(found, Mapping):
        raise TypeError(f"it holds a {type(found).__name__}, not a state dict")
    tensors = {name: value for name, value in found.items() if isinstance(name, str) and is_plain(value)}
    left_out = [str(name)[:100] for name in found if name not in tensors]
    # A view with stride 0 can claim any size; what the tensors claim together must be in the file.
    claimed = sum(value.numel() * value.element_size() for value in tensors.values())
    if claimed > 2 * size:
        raise ValueError(f"its tensors claim {claimed:,} bytes, and the file has {size:,}")
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, target)
    print(json.dumps({"left_out": left_out[:100], "tensors": len(tensors)}))


def run(source: str, target: str) -> None:
    """`main`, with every failure as an exit code and one line on standard error."""
    try:
        main(source, target)
    except MemoryError:
        sys.exit("it asks for more memory than a file of its size may")
    except Exception as error:
        if type(error).__name__ == "UnpicklingError":  # torch's own text advises to load it without protection
            sys.exit("it holds objects that are not tensors, and those could run programs")
        sys.exit(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}")


if __name__ == "__main__":
    run(*sys.argv[1:3])
