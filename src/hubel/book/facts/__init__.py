"""All facts W1 … W196, in order, each with its chapter and its place in the lectures."""

from __future__ import annotations

from functools import cache

from hubel.book.fact import Fact
from hubel.book.facts import ch01, ch02, ch03, ch04, ch05, ch06, ch07, ch08, ch09, ch10, ch11, ch12

_CHAPTERS = (ch01, ch02, ch03, ch04, ch05, ch06, ch07, ch08, ch09, ch10, ch11, ch12)


@cache
def all_facts() -> dict[int, tuple[Fact, ...]]:
    """Chapter -> its facts in the order of their rows."""
    return {
        number: tuple(sorted(module.FACTS, key=lambda fact: int(fact.row[1:])))
        for number, module in enumerate(_CHAPTERS, 1)
    }
