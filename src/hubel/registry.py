"""A strict registry, the same for models, losses, optimisers, schedules, augmentations, metrics and explainers.

Names are unique, unknown names suggest near ones, tests add an entry inside a `with`, and an entry can be a
string "package.module:attribute" that is imported only when it is asked for, so that listing names costs nothing.

A registry with a `group` also holds what installed packages offer under that group of entry points: the names are known
at once, the code is imported when one of them is asked for. A package that fails then loses its own entries only.
"""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from hubel.errors import UsageError, near, unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

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

    def __init__(
        self,
        kind: str,
        *,
        listing: str = "",
        group: str = "",
        adopt: Callable[[EntryPoint], T] | None = None,
    ) -> None:
        """`adopt` makes an entry of what a package offers, and raises TypeError for what cannot be one."""
        self.kind = kind
        self.listing = listing
        self.group = group
        self._adopt = adopt or _loaded
        self._entries: dict[str, T | str] = {}
        self._adopted: dict[str, tuple[EntryPoint, T]] = {}

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

    def replace(self, name: str, value: T | str) -> None:
        """File `value` under `name`, in the place of what was there."""
        self._entries[name] = value

    def remove(self, name: str) -> None:
        """Forget what was filed under `name`."""
        self._entries.pop(name, None)

    def get(self, name: str) -> T:
        """The entry called `name`; raises UnknownName with the nearest names, UsageError if its package fails."""
        if name in self._entries:
            value = self._entries[name]
            if isinstance(value, str):
                module, _, attribute = value.partition(":")
                value = cast(T, getattr(importlib.import_module(module), attribute))
                self._entries[name] = value
            return value
        offered = self._offered()
        if name not in offered:
            raise unknown(self.kind, name, self, listing=self.listing)
        return self._load(name, offered[name])

    def _load(self, name: str, offer: EntryPoint) -> T:
        if name in self._adopted and self._adopted[name][0] == offer:
            return self._adopted[name][1]
        try:
            adopted = self._adopt(offer)
        except Exception as error:  # the code of others may fail in any way, and only this name is lost by it
            raise UsageError(
                f"the {self.kind} {name!r} of {package(offer)} cannot be used: {type(error).__name__}: {error}",
                hint=f"it is offered as {offer.value} in {self.group}: mend that package or uninstall it",
            ) from error
        self._adopted[name] = (offer, adopted)
        return adopted

    def _offered(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for offer in offers(self.group) if self.group else ():
            found.setdefault(offer.name, offer)  # of two packages with the same name, the first on the path
        return found

    def origin(self, name: str) -> str:
        """The installed package that offers `name`, for messages: " of hubel-flowers 1.2"; "" for what is our own."""
        offer = None if name in self._entries else self._offered().get(name)
        return "" if offer is None else f" of {package(offer)}"

    def names(self, match: str = "*") -> list[str]:
        """Names in the order of registration, filtered by a shell pattern; those of installed packages last."""
        return [name for name in self if fnmatch.fnmatchcase(name, match)]

    def items(self) -> Iterator[tuple[str, T]]:
        """Names and entries, without those whose package fails (`faults` has them)."""
        faults = self.faults()
        return ((name, self.get(name)) for name in self if name not in faults)

    def values(self) -> Iterator[T]:
        """All entries, without those whose package fails."""
        return (value for _, value in self.items())

    def faults(self) -> dict[str, str]:
        """Name -> why: what installed packages offer and cannot be used."""
        found: dict[str, str] = {}
        offered = self._offered()
        for offer in offers(self.group) if self.group else ():
            if offer.name in self._entries or offered[offer.name] != offer:
                taken = f"the {self.kind} {offer.name!r} of {package(offer)} is left out: that name is taken"
                found[f"{offer.name} of {package(offer)}"] = taken
                continue
            try:
                self._load(offer.name, offer)
            except UsageError as error:
                found[offer.name] = error.what
        return found

    @contextmanager
    def temporarily(self, name: str, value: T | str) -> Iterator[None]:
        """Have an entry, or a replacement for one, inside a `with` block only."""
        before = dict(self._entries)
        self._entries[name] = value
        try:
            yield
        finally:
            self._entries = before

    def __getitem__(self, name: str) -> T:
        return self.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._offered()

    def __iter__(self) -> Iterator[str]:
        return iter({**self._entries, **self._offered()})

    def __len__(self) -> int:
        return len({**self._entries, **self._offered()})


def offers(group: str) -> tuple[EntryPoint, ...]:
    """What installed packages offer under a group of entry points ("hubel.metrics"); nothing is imported for that."""
    return _offers(group, tuple(sys.path))


@lru_cache(maxsize=32)
def _offers(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """`path` is where packages are looked for: a new folder in it is a new look."""
    from importlib.metadata import entry_points  # 20 ms, and most commands never ask

    return tuple(entry_points(group=group))


def _loaded(offer: EntryPoint) -> Any:
    return offer.load()


def package(offer: EntryPoint) -> str:
    """The package that offers something, as one names it: "hubel-flowers 1.2"."""
    return f"{offer.dist.name} {offer.dist.version}" if offer.dist is not None else "an installed package"


def adopt(kind: type[T], what: str) -> Callable[[EntryPoint], T]:
    """Takes what a package offers if it is of that kind; else TypeError says `what` it must be."""

    def adopted(offer: EntryPoint) -> T:
        value = offer.load()
        if not isinstance(value, kind):
            raise TypeError(f"it must be {what}, got {value!r}")
        return value

    return adopted


def check_options(
    owner: str, given: Iterable[str], known: Iterable[str], *, word: str = "option", else_: str = "nothing"
) -> None:
    """Raise UsageError for the first of `given` that is not among `known`, with near names, or all of them.

    >>> check_options("loss 'hinge'", ["margn"], ["margin", "power"])
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: loss 'hinge' has no option 'margn'
      did you mean 'margin'?
    """
    names = list(known)
    for option in given:
        if option not in names:
            close = near(option, names)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(names) or else_}"
            raise UsageError(f"{owner} has no {word} {option!r}", hint=hint)


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
    check_options(what, options, known)
    for name, value in options.items():
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
