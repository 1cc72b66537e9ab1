"""A strict registry, the same for models, losses, optimisers, schedules, augmentations, metrics and explainers.

Names are unique, unknown names suggest near ones, tests add an entry inside a `with`, and an entry can be a
string "package.module:attribute" that is imported only when it is asked for, so that listing names costs nothing.
"""

from __future__ import annotations

import fnmatch
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from hubel.errors import unknown

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Component(Generic[T]):
    """A named part (activation, loss, optimiser, schedule, initialisation, augmentation) and what is known of it."""

    title: str
    """What people call it: "Leaky ReLU"."""
    build: T
    """What makes it: a class or a function; the registry that holds it says which."""
    formula: str
    """One line of plain text with the letters of the docstring: "x if x >= 0 else slope * x"."""
    source: str
    """Who proposed it where: "Maas, Hannun, Ng, ICML 2013"; "folklore" if nobody in particular."""
    note: str = ""
    """When to use it, or what to mind, in one sentence."""
    rows: tuple[str, ...] = ()
    """Rows of the specification it covers: ("C43",)."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """What `build` makes."""
        return cast("Callable[..., Any]", self.build)(*args, **options)


class Registry(Generic[T]):
    """A dictionary of named things with manners.

    >>> shapes = Registry[type]("shape", listing="hubel shapes")
    >>> @shapes.register("circle")
    ... class Circle: ...
    >>> shapes.get("circle") is Circle, shapes.names()
    (True, ['circle'])
    >>> shapes.get("cirle")
    Traceback (most recent call last):
        ...
    hubel.errors.UnknownName: unknown shape 'cirle'
      did you mean 'circle'? all of them: hubel shapes
    """

    def __init__(self, kind: str, *, listing: str = "") -> None:
        self.kind = kind
        self.listing = listing
        self._entries: dict[str, T | str] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that files an object under `name`; a name that is taken is a programming error."""

        def file(value: T) -> T:
            self.add(name, value)
            return value

        return file

    def add(self, name: str, value: T | str) -> None:
        """File `value`, or the address "module:attribute" of it, under `name`."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = value

    def get(self, name: str) -> T:
        """The entry called `name`; raises UnknownName with the nearest names."""
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries, listing=self.listing)
        value = self._entries[name]
        if isinstance(value, str):
            module, _, attribute = value.partition(":")
            value = cast(T, getattr(importlib.import_module(module), attribute))
            self._entries[name] = value
        return value

    def names(self, match: str = "*") -> list[str]:
        """Names in the order of registration, filtered by a shell pattern."""
        return [name for name in self._entries if fnmatch.fnmatchcase(name, match)]

    @contextmanager
    def temporarily(self, name: str, value: T | str) -> Iterator[None]:
        """Have an entry, or a replacement for one, inside a `with` block only."""
        before = dict(self._entries)
        self._entries[name] = value
        try:
            yield
        finally:
            self._entries = before

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
