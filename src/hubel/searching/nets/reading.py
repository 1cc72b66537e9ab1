"""What a space of nets says, read strictly: each fault names its place, what must stand there and what stands there.

>>> choices([5, 3], "layers.conv.kernel", 1, 99, odd=True), span("2..9", "depth", 1, 100), span(4, "depth", 1, 100)
((3, 5), (2, 9), (4, 4))
>>> choices([3, 4], "layers.conv.kernel", 1, 99, odd=True)
Traceback (most recent call last):
    ...
hubel.errors.UsageError: in the space of nets, layers.conv.kernel must hold odd numbers, got 4
  an even window has no middle, and a picture would not keep its size: kernel: [3, 5]
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from hubel.errors import UsageError, unknown
from hubel.store.reading import shown

MOST = 64
"""Choices of one thing."""
EXAMPLE = "hubel search --nets evolution --print-space prints a whole space to begin with"
_SPAN = re.compile(r"\s*(\d{1,6})\s*\.\.\s*(\d{1,6})\s*")


def fault(at: str, what: str, hint: str = EXAMPLE) -> UsageError:
    """The error for what stands at `at`, such as "layers.conv.filters"."""
    return UsageError(f"in the space of nets, {at or 'the whole'} {what}", hint=hint)


def mapping(found: Any, at: str, known: Sequence[str], need: Sequence[str] = ()) -> dict[str, Any]:
    """Names and values. Raises UsageError for what is none, for a name that is not `known` and for one of `need`."""
    if not isinstance(found, Mapping):
        raise fault(at, f"must hold names and values, got {told(found)}", f"what it may hold: {', '.join(known)}")
    for name in found:
        if name not in known:
            raise unknown(f"name in the space of nets{f', under {at}' if at else ''}:", str(name), known)
    for name in need:
        if name not in found:
            raise fault(at, f"must say {name}", f"what it may hold: {', '.join(known)}; {EXAMPLE}")
    return dict(found)


def whole(value: Any, at: str, low: int, high: int) -> int:
    """A whole number between `low` and `high`. Raises UsageError."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise fault(at, f"must be a whole number from {low} to {high:,}, got {told(value)}")
    return value


def choices(value: Any, at: str, low: int, high: int, *, odd: bool = False) -> tuple[int, ...]:
    """Whole numbers, the smallest first; one alone need not stand in a list. Raises UsageError."""
    listed = listed_in(value, at)
    found = sorted(whole(each, at, low, high) for each in listed)
    for number in found if odd else ():
        if number % 2 == 0:
            raise fault(
                at,
                f"must hold odd numbers, got {number}",
                "an even window has no middle, and a picture would not keep its size: kernel: [3, 5]",
            )
    _check_once(found, at)
    return tuple(found)


def span(value: Any, at: str, low: int, high: int) -> tuple[int, int]:
    """From one whole number to another, "2..9"; one alone is both. Raises UsageError."""
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found:
        first, last = (whole(int(end), at, low, high) for end in found.groups())
        if first > last:
            raise fault(at, f"goes from a smaller to a larger number, got {first}..{last}", f"{last}..{first}")
        return first, last
    if isinstance(value, int) and not isinstance(value, bool):
        return (whole(value, at, low, high),) * 2
    raise fault(at, f"must be a whole number or a range such as 2..9, got {told(value)}")


def names(value: Any, at: str, known: Sequence[str]) -> tuple[str, ...]:
    """Some of `known`, in the order in which they are said. Raises UsageError, UnknownName."""
    listed = listed_in(value, at)
    found = [one_of(each, at, known) for each in listed]
    _check_once(found, at)
    return tuple(found)


def one_of(value: Any, at: str, known: Sequence[str]) -> str:
    """One of `known`. Raises UsageError, UnknownName."""
    if not isinstance(value, str):
        raise fault(at, f"must be a word, got {told(value)}", f"one of: {', '.join(known)}")
    if value not in known:
        raise unknown(f"word in the space of nets, for {at}:", value, known)
    return value


def share(value: Any, at: str) -> Fraction:
    """A number between 0 and 1, as a decimal or as 1/3. Raises UsageError."""
    try:
        found = Fraction(value.strip()) if isinstance(value, str) and len(value) < 20 else Fraction(str(float(value)))
    except (ValueError, ZeroDivisionError, TypeError, OverflowError):
        found = Fraction(0)
    if isinstance(value, bool) or not 0 < found < 1:
        raise fault(at, f"must be a number above 0 and below 1, or as 1/3, got {told(value)}")
    return found


def told(value: Any) -> str:
    """What stands somewhere, in few signs.

    >>> told(None), told([]), told({"a": 1}), told(0.5), told(True)
    ('nothing', 'an empty list', 'a', '0.5', 'true')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return shown(", ".join(map(str, value))).strip("'") or "nothing"
    if isinstance(value, list) and not value:
        return "an empty list"
    return shown(value) if isinstance(value, str) else repr(value)[:60]


def listed_in(value: Any, at: str) -> list[Any]:
    """The values of a list, or one alone. Raises UsageError for an empty list and for a very long one."""
    listed = list(value) if isinstance(value, (list, tuple)) else [value]
    if not listed:
        raise fault(at, "has no choice left: it must hold at least one, got an empty list")
    if len(listed) > MOST:
        raise fault(at, f"must hold at most {MOST} choices, got {len(listed)}", "name the ones that matter")
    return listed


def _check_once(found: Sequence[Any], at: str) -> None:
    twice = next((each for place, each in enumerate(found) if each in found[:place]), None)
    if twice is not None:
        raise fault(at, f"holds {twice!r} twice", "leave one of them out; weight says how often a kind is drawn")
