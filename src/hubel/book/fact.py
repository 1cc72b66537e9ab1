"""A figure of the lectures: what is printed, what is counted, and whether it is right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REASONS = {
    "lost": "the picture or the listing that has the numbers is not in the text of the lecture",
    "outside": "a figure of the world: a date, a count of articles, a published result; nothing here can count it",
    "wording": "a definition, a symbol or advice: there is no number to count",
    "own draws": "the lecture's own random draws or settings are not given: the experiments measure it anew",
}
"""Why a figure is not counted; the set is closed."""

MARKS = {
    "=": "the same",
    "≈": "the same, rounded or in words",
    "≠": "wrong",
    "·": "the lecture asks, or its figure is lost; counted here",
    "?": "not counted",
    "ext": "outside knowledge",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure of a row W1 … W196. `right` false: the lecture is wrong, and `note` says how."""

    row: str
    what: str
    printed: Any
    """What the lecture prints; None where it asks, or where the figure is lost."""
    counted: Callable[[], Any] | None
    """A public call that gives the figure; None with a reason."""
    correct: Any
    """The figure as the inventory has it, counted by other means: what `counted` must give."""
    right: bool = True
    note: str = ""
    reason: str = ""
    """One of REASONS where nothing is counted."""
    command: str = ""
    """A line for the shell that shows the same."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A fact after counting."""

    fact: Fact
    value: Any

    @property
    def mark(self) -> str:
        """One of MARKS."""
        fact = self.fact
        if fact.counted is None:
            return "ext" if fact.reason == "outside" else ("?" if fact.right else "≠")
        if not fact.right:
            return "≠"
        if fact.printed is None:
            return "·"
        return "=" if type(fact.printed) is type(fact.correct) and fact.printed == fact.correct else "≈"

    @property
    def holds(self) -> bool:
        """Does what was counted agree with what is recorded, and with the mark?"""
        fact = self.fact
        if fact.counted is None:
            return fact.reason in REASONS
        same = self.value == fact.correct
        return bool(same) and (fact.right or fact.printed != self.value)


def count(fact: Fact) -> Counted:
    """The fact with its figure; a fact that is not counted keeps the one that is known from elsewhere."""
    return Counted(fact, fact.correct if fact.counted is None else fact.counted())


def written(value: Any) -> str:
    """A figure as it stands on a page.

    >>> written(61100840), written(0.05), written(1.25639e-185), written([1, 2.5]), written((3, 32, 32)), written(None)
    ('61,100,840', '0.05', '1.25639e-185', '1, 2.5', '3 x 32 x 32', '–')
    >>> written([[1, 2], [3, 4]]), written({"relu": 0.0}), written(True)
    ('[1, 2], [3, 4]', 'relu 0', 'yes')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return f"{value:,.10g}" if 1e-4 <= abs(value) < 1e15 or value == 0 else f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {written(entry)}" for name, entry in value.items())
    if isinstance(value, tuple) and len(value) > 1 and all(type(entry) is int for entry in value):
        return " x ".join(written(entry) for entry in value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        nested = any(isinstance(entry, list) for entry in value)
        return ", ".join(f"[{written(entry)}]" if nested else written(entry) for entry in value)
    return str(value)
