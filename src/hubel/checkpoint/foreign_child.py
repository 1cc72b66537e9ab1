"""Open a foreign .pth file where it can do no harm: a program of its own, started by `hubel.checkpoint.foreign` alone.

    python -I foreign_child.py IN OUT

It has an empty environment, a private folder, no core dumps, and bounds on memory, time and what it may write, set
before the first byte of IN is read. Of what `torch.load(weights_only=True)` gives it keeps names with dense tensors,
writes them to OUT as safetensors called t0, t1, …, and says on standard output, in JSON, their names in the order of
the file and what it left out. Other objects of a training checkpoint (the arguments of its command line, NumPy's
numbers, settings) become stand-ins that do nothing: no foreign class is ever looked up, let alone called. Whatever goes
wrong is the exit code and one line on standard error; the parent decides what that means. Imports nothing of hubel.
"""

from __future__ import annotations

import json
import os
import pickletools
import re
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import torch
from safetensors.torch import save_file

try:
    import resource
except ImportError:  # Windows has no such bounds; weights_only and the parent's clock remain
    resource = None  # type: ignore[assignment]

SECONDS = 60
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "model_ema", "ema", "weights")
"""Keys under which training scripts keep the state dict beside epoch, optimiser and so on, in order of preference."""
DEEPEST = 3
"""Wrappers inside wrappers that are looked through."""
PICKLES = 5
"""Pickles in a row that a file of the old format holds, before the bytes of its tensors."""
PROGRAMS = re.compile(
    r"(os|posix|nt|sys|subprocess|importlib|runpy|pty|socket|shutil|ctypes|code|webbrowser|commands|multiprocessing)"
    r"([. ].*)?|builtins (eval|exec|execfile|compile|open|file|__import__|input|breakpoint)"
)
"""What no checkpoint has a reason to name: a file that does is not opened, though nothing of it would be called."""
FILLED = {re.compile(r"(?i).*(dict|box|munch|bunch|map)"): OrderedDict, re.compile(r"(?i).*(list|deque)"): list}
"""Names of classes that are filled like dictionaries or lists, and what stands for one."""


class NoStateDict(Exception):
    """The file was read, and what it holds is not what is wanted."""


class StandIn:
    """In place of any object that is no tensor: takes whatever it is made with, and keeps none of it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> StandIn:
        """A stand-in, whatever was given."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


class _Filled:
    """In place of a class whose objects are filled after they are made: calling it gives an empty `kind`."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.__dict__["__new__"] = self  # what the reader of pickles asks a class for

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.kind()


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


def named_in(source: str) -> list[str]:
    """Every "module name" that the pickles of a file ask for, read without following any of them."""
    if not zipfile.is_zipfile(source):
        with open(source, "rb") as file:
            return sorted({name for _ in range(PICKLES) for name in _names(file)})
    with zipfile.ZipFile(source) as archive:
        inside = next(member for member in archive.namelist() if member.endswith("/data.pkl"))
        with archive.open(inside) as file:
            return sorted(set(_names(file)))


def _names(file: IO[bytes]) -> Iterator[str]:
    try:
        for code, value, _ in pickletools.genops(file):
            if code.name == "GLOBAL":
                yield str(value)
    except ValueError:  # the tensors' bytes, after the last pickle of the old format
        file.seek(0, os.SEEK_END)


def stand_ins(source: str) -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """(stand-in, "module.name") for everything a file names; what torch itself allows keeps its meaning."""
    names = [(module, name) for module, _, name in (whole.partition(" ") for whole in named_in(source))]
    # Files say them as Python 2 did; torch looks for them as Python 3 does.
    names = [NAME_MAPPING.get(pair, (IMPORT_MAPPING.get(pair[0], pair[0]), pair[1])) for pair in names]
    program = next((" ".join(pair) for pair in names if PROGRAMS.fullmatch(" ".join(pair))), None)
    if program is not None:
        raise PermissionError(program.replace(" ", "."))
    found: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = []
    for module, name in names:
        kind = next((kind for pattern, kind in FILLED.items() if pattern.fullmatch(name)), None)
        one = type("StandIn", (StandIn,), {}) if kind is None else _Filled(kind)
        found.append((one, f"{module}.{name}"))
    return found


def unwrap(found: Any, depth: int = 0) -> Any:
    """The state dict inside a training checkpoint, or `found`: under a usual key, else where most tensors are."""
    if not isinstance(found, Mapping) or depth == DEEPEST:
        return found
    inside = {
        key: unwrap(value, depth + 1)
        for key, value in found.items()
        if isinstance(value, Mapping) and not str(key).startswith(("optim", "scheduler", "scaler"))
    }
    inside = {key: value for key, value in inside.items() if _count(value)}
    usual = [key for key in WRAPPERS if key in inside]
    most = max(inside, key=lambda key: _count(inside[key]), default=None)
    chosen = usual[0] if usual else most
    return found if chosen is None or _count(found) > _count(inside[chosen]) else inside[chosen]


def others(whole: Any, chosen: Any) -> list[Any]:
    """Keys of the state dicts beside the one that was chosen."""
    inside = {} if whole is chosen else {key: unwrap(value, 1) for key, value in whole.items()}
    return [key for key, value in inside.items() if value is not chosen and _count(value)]


def _count(found: Any) -> int:
    """Tensors right in a mapping."""
    return sum(isinstance(value, torch.Tensor) for value in found.values()) if isinstance(found, Mapping) else 0


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
    with torch.serialization.safe_globals(stand_ins(source)):
        whole = torch.load(source, map_location="cpu", weights_only=True)
    found = unwrap(whole)
    if isinstance(found, StandIn):
        raise NoStateDict("it holds a whole net or another object, not a state dict")
    if not isinstance(found, Mapping):
        raise NoStateDict(f"it holds a {type(found).__name__}, not a state dict")
    tensors = {name: value for name, value in found.items() if isinstance(name, str) and is_plain(value)}
    left_out = [str(name)[:100] for name in (*found, *others(whole, found)) if name not in tensors]
    # A view with stride 0 can claim any size; what the tensors claim together must be in the file.
    claimed = sum(value.numel() * value.element_size() for value in tensors.values())
    if claimed > 2 * size:
        raise NoStateDict(f"its tensors claim {claimed:,} bytes, and the file has {size:,}")
    kept = {f"t{number}": value.detach().clone().contiguous() for number, value in enumerate(tensors.values())}
    save_file(kept, target)
    print(json.dumps({"left_out": left_out[:100], "names": list(tensors)}))


def run(source: str, target: str) -> None:
    """`main`, with every failure as an exit code and one line on standard error."""
    try:
        main(source, target)
    except MemoryError:
        sys.exit("it asks for more memory than a file of its size may")
    except Exception as error:
        if type(error).__name__ == "UnpicklingError":  # torch's own text advises to load it without protection
            sys.exit("it holds objects that are not tensors, and those could run programs")
        if isinstance(error, PermissionError):
            sys.exit(f"it holds objects that are not tensors, and those could run programs: {error}")
        if isinstance(error, NoStateDict):
            sys.exit(str(error))
        sys.exit(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}")


if __name__ == "__main__":
    run(*sys.argv[1:3])
