"""A strict registry, the same for models, losses, optimisers, schedules, augmentations, metrics and explainers.

Names are unique, unknown names suggest near ones, tests add an entry inside a `with`, and an entry can be a
string "package.module:attribute" that is imported only when it is asked for, so that listing names costs nothing.
"""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from hubel.errors import UsageError, near, unknown

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


def checked_options(
    what: str, build: Callable[..., Any], options: Mapping[str, Any], *, hidden: Collection[str] = ()
) -> dict[str, Any]:
    """The options that `build` is given by a user, those that are None left out; `what` names the part in messages.

    Raises UsageError with near names for an option it does not have (`hidden` ones are not the user's), and for a value
    that is not of the kind of the usual one: a finite number, a whole number, text, yes or no, a list of numbers.

    >>> def decay(*, steps, rate=0.1, turns=(0.5, 0.75)): ...
    >>> checked_options("schedule 'decay'", decay, {"rate": 1, "turns": "0.2,0.4"}, hidden=("steps",))
    {'rate': 1, 'turns': (0.2, 0.4)}
    >>> checked_options("schedule 'decay'", decay, {"rate": "fast"}, hidden=("steps",))
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: rate of schedule 'decay' must be a number, got 'fast'
      0.1 is usual
    """
    parameters = inspect.signature(build).parameters
    known = [name for name in parameters if name not in hidden]
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name not in known:
            close = near(name, known)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(known) or 'nothing'}"
            raise UsageError(f"{what} has no option {name!r}", hint=hint)
        if value is not None:
            found[name] = _of_kind(what, name, value, parameters[name].default)
    return found


def _of_kind(what: str, name: str, value: Any, usual: Any) -> Any:
    """`value`, if it is of the kind of the `usual` one; where a list of numbers is usual, a text of them is one."""
    if isinstance(usual, tuple):
        value = _numbers(value)
    elif isinstance(usual, int) and not isinstance(usual, bool) and _is_number(value) and float(value).is_integer():
        value = int(value)
    for kind, needed, fits in (
        (bool, "true or false", lambda: isinstance(value, bool)),
        (int, "a whole number", lambda: type(value) is int),
        (float, "a number", lambda: _is_number(value)),
        (str, "text", lambda: isinstance(value, str)),
        (tuple, "a list of numbers", lambda: isinstance(value, tuple) and all(map(_is_number, value)) and value),
    ):
        if isinstance(usual, kind):
            if fits():
                return value
            said = ",".join(f"{each:g}" for each in usual) if isinstance(usual, tuple) else f"{usual}"
            raise UsageError(f"{name} of {what} must be {needed}, got {value!r:.80}", hint=f"{said} is usual")
    return value


def _numbers(value: Any) -> Any:
    """A list, or a text such as "0.5,0.75", as a tuple of numbers; what is none stays as it is."""
    if isinstance(value, str):
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError:
            return value
    return tuple(value) if isinstance(value, list) else (value,) if _is_number(value) else value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
