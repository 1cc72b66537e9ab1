"""All experiments, and the claims that none of them settles yet, with the reason."""

from __future__ import annotations

from functools import cache

from hubel.book.chapters import claims
from hubel.book.experiment import Experiment
from hubel.book.experiments import ch01, ch02, ch03, ch04, ch05, ch06, ch07, ch08, ch09, ch10, ch11, ch12, ch13, ch14
from hubel.book.verdicts import NOT_YET, OPINION

_CHAPTERS: tuple[tuple[Experiment, ...], ...] = (
    ch01.EXPERIMENTS,
    ch02.EXPERIMENTS,
    ch03.EXPERIMENTS,
    ch04.EXPERIMENTS,
    ch05.EXPERIMENTS,
    ch06.EXPERIMENTS,
    ch07.EXPERIMENTS,
    ch08.EXPERIMENTS,
    ch09.EXPERIMENTS,
    ch10.EXPERIMENTS,
    ch11.EXPERIMENTS,
    ch12.EXPERIMENTS,
    ch13.EXPERIMENTS,
    ch14.EXPERIMENTS,
)

OPINIONS = ("E68",)
"""Claims that no measurement can settle."""


@cache
def all_experiments() -> dict[str, Experiment]:
    """Number -> experiment, in the order of the book."""
    known = [each for chapter in _CHAPTERS for each in chapter]
    return {each.number: each for each in sorted(known, key=lambda each: tuple(map(int, each.number.split("."))))}


@cache
def settled() -> dict[str, str]:
    """Claim -> the number of its experiment."""
    return {row: each.number for each in all_experiments().values() for row in each.rows}


@cache
def not_measured() -> dict[str, str]:
    """Claim -> why no experiment settles it."""
    return {row: OPINION if row in OPINIONS else NOT_YET for row in claims() if row not in settled()}
