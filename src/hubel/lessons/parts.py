"""The list of all parts, read from a file: `hubel components` answers without loading what the parts are made of.

`parts.json` is made from the registries (`python benchmarks/parts_index.py`); a test holds it to them.

>>> choose(listed(), "*elu", kind="activations")[0].name
'relu'
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hubel.errors import unknown
from hubel.views import Viewed

__all__ = ["KINDS", "Part", "choose", "listed", "parts_named"]

KINDS = (
    "layers", "blocks", "activations", "losses", "optimisers", "schedules", "initialisations", "augmentations",
    "sound", "video", "kernels", "metrics",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Part(Viewed):
    """One part, in words."""

    kind: str
    """One of KINDS: "activations"."""
    name: str
    title: str
    formula: str
    source: str
    note: str
    options: str
    """Its settings with their usual values: "negative_slope=0.01"."""
    used: str
    """How a recipe asks for it; "" if it cannot."""
    rows: tuple[str, ...]


@cache
def listed() -> tuple[Part, ...]:
    """All parts that come with hubel, in the order of the registries."""
    rows = json.loads(resources.files("hubel.lessons").joinpath("parts.json").read_text("utf-8"))
    return tuple(Part(**row | {"rows": tuple(row["rows"])}) for row in rows)


def choose(parts: Iterable[Part], pattern: str = "*", *, kind: str = "") -> tuple[Part, ...]:
    """Those of a kind, or of all, whose name fits a shell pattern. Raises UnknownName for a kind that is not there."""
    if kind and kind not in KINDS:
        raise unknown("kind of component", kind, KINDS, listing="hubel components")
    return tuple(part for part in parts if kind in ("", part.kind) and fnmatch.fnmatchcase(part.name, pattern))


def parts_named(parts: Iterable[Part], name: str) -> tuple[Part, ...]:
    """The parts called `name`: one, or several of different kinds. Raises UnknownName with near names.

    >>> print(parts_named(listed(), "gelu")[0].formula)
    x Φ(x)
    """
    known = tuple(parts)
    found = choose(known, name)
    if not found:
        raise unknown("component", name, {*KINDS, *(part.name for part in known)}, listing="hubel components")
    return found
