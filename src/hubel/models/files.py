"""Nets in a Python file of one's own, known by FILE.py:NAME. The file is run only when its user names it.

A run keeps that name, never the file: a run folder, a recipe or an exported file cannot make hubel run code. Whoever
reads such a run names the file again, and hubel says so where it was not done.

>>> stands_in_file("nets/my_net.py:Net"), stands_in_file("my_net.yaml"), stands_in_file("resnet18")
(True, False, False)
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from typing import Any

from hubel.errors import DataError, UsageError, unknown
from hubel.models.cards import CARDS
from hubel.models.own import put_down, takes_classes
from hubel.words import visible

_NAMED = re.compile(r"(?P<file>.+\.py):(?P<net>[A-Za-z_]\w*)")


def stands_in_file(name: str) -> bool:
    """Does this name a net in a file, FILE.py:NAME?"""
    return _NAMED.fullmatch(name) is not None


def known_as(name: str) -> str:
    """What a net is called in runs: for FILE.py:NAME the file is run, and the folder left out; others stay as they are.

    Raises DataError for a file that is not there, UsageError for one that fails, UnknownName for a net it has not.
    """
    match = _NAMED.fullmatch(name)
    if match is None or name in CARDS:
        return name
    file = Path(match["file"])
    found = _builders(_run(file))
    if match["net"] not in found:
        raise unknown(f"net of {file.name}", match["net"], found)
    return _register(file, match["net"], found[match["net"]])


def load_nets(file: str | PathLike[str]) -> tuple[str, ...]:
    """Run a Python file of one's own and make its nets known, as FILE.py:NAME; returns their names.

    Its nets are the classes and functions defined in it that take `num_classes` (see `hubel.register_model`).
    Raises DataError for a file that is not there, UsageError for one that fails or has no net.
    """
    path = Path(fspath(file))
    names = tuple(_register(path, name, builder) for name, builder in _builders(_run(path)).items())
    if not names:
        raise UsageError(
            f"{path} has no net: no class or function in it takes num_classes",
            hint="class Net(torch.nn.Module): def __init__(self, num_classes, in_chans=3): ...",
        )
    return names


def unread(name: str) -> tuple[str, str] | None:
    """What to say, and what to do, of a net in a file that its user did not name; None for all other nets."""
    match = _NAMED.fullmatch(name)
    if match is None or name in CARDS:
        return None
    file = visible(Path(match["file"]).name)
    return (
        f"the net {match['net']!r} stands in {file}, a file of your own that runs only when you name it",
        f"hubel --nets path/to/{file} COMMAND …; in Python: hubel.load_nets('path/to/{file}')",
    )


def _register(file: Path, name: str, builder: Callable[..., Any]) -> str:
    known = f"{file.name}:{name}"
    put_down(builder, known, title=name, novelty=f"a net of your own, in {file.name}")
    return known


def _builders(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """What the file itself defines and hubel can build a net with, in its order."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if (inspect.isclass(thing) or inspect.isfunction(thing))
        and thing.__module__ == module.__name__
        and not name.startswith("_")
        and takes_classes(thing)
    }


def _run(file: Path) -> ModuleType:
    """The file as a module; what stands beside it can be imported from it, as when Python runs it as a script."""
    if file.suffix != ".py":
        raise UsageError(f"a file of nets is a Python file, got {file}", hint="name it my_net.py")
    if not file.is_file():
        raise DataError(f"no such file: {file}", hint="--model path/to/my_net.py:Net")
    spec = importlib.util.spec_from_file_location(f"_nets_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling within the file look themselves up there
    beside = str(file.resolve().parent)
    sys.path.append(beside)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the code of others may fail in any way
        del sys.modules[spec.name]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        place = f", line {lines[-1]}" if lines else ""
        raise UsageError(
            f"{file}{place} fails: {type(error).__name__}: {error}", hint=f"python {file} must run without an error"
        ) from error
    finally:
        sys.path.remove(beside)
    return module
