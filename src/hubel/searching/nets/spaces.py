"""Spaces of nets, as YAML says them: the usual ones, which lie beside this file, and those that users write.

>>> print(usual_text("paths").splitlines()[1])
kind: paths
>>> space = read_nets({"kind": "layers", "layers": {"conv": {"filters": 8, "kernel": 3}}})
>>> space.depth, space.kinds["conv"].filters
((2, 9), (8,))
>>> read_nets({"kind": "layers", "layers": {"conf": {}}})
Traceback (most recent call last):
    ...
hubel.errors.UnknownName: unknown name in the space of nets, under layers: 'conf'
  did you mean 'conv'?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from typing import Any

from hubel.errors import UsageError
from hubel.searching.axes import Space
from hubel.searching.nets.cells import CellSpace
from hubel.searching.nets.genes import NetSpace
from hubel.searching.nets.macro import LayerSpace
from hubel.searching.nets.motifs import MotifSpace
from hubel.searching.nets.paths import PathSpace
from hubel.searching.nets.reading import EXAMPLE, one_of
from hubel.store.documents import read_yaml

SPACES: dict[str, type[LayerSpace] | type[CellSpace] | type[MotifSpace] | type[PathSpace]] = {
    space.kind: space for space in (LayerSpace, CellSpace, MotifSpace, PathSpace)
}


def read_nets(said: Mapping[str, Any]) -> NetSpace:
    """The space of nets that a mapping says. Raises UsageError, UnknownName."""
    if "kind" not in said:
        raise UsageError(
            f"a space of nets says its kind, got {', '.join(map(str, list(said)[:4])) or 'nothing'}",
            hint=f"kind: {', '.join(SPACES)}; {EXAMPLE}",
        )
    return SPACES[one_of(said["kind"], "kind", list(SPACES))].read(said)


def usual_text(*names: str) -> str:
    """The usual space in YAML: its kind, and what belongs to it, each a file beside this one."""
    return "".join(files("hubel.searching.nets").joinpath(f"{name}.yaml").read_text(encoding="utf-8") for name in names)


def usual_nets(*names: str) -> NetSpace:
    """The space that `usual_text` says."""
    return read_nets(read_yaml(usual_text(*names)))


def recorded(found: Mapping[str, Any]) -> Space:
    """The space that `to_dict` wrote, of nets or of settings. Raises UsageError for one that is damaged."""
    if "nets" in found and "side" in found:
        return replace(read_nets(found["space"]), side=int(found["side"]))
    return Space.from_dict(found)
