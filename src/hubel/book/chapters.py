"""The fourteen chapters: what each is about, and where its rows stand in the lectures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = [
    "CHAPTERS",
    "LECTURES",
    "Chapter",
    "Event",
    "Row",
    "Wording",
    "claims",
    "contradictions",
    "deck",
    "timeline",
    "wordings",
]

LECTURES = {
    "000": "Deep Learning, introduction and lecture 1 (Aakerberg, Aalborg 2026)",
    "001": "Machine Learning, deep learning (Mayer, 2025)",
    "002": "Convolutional networks, lecture 1 (Marza, INSA Lyon)",
    "003": "Deep Learning (Kainz)",
    "004": "Principles of Deep Learning I (Chatnuntawech, 2022)",
}
"""The five lectures; 000:657 is line 657 of the text of the first."""


@cache
def _read(name: str) -> Any:
    return json.loads(resources.files("hubel.book").joinpath(name).read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter of the book."""

    number: int
    title: str
    lead: str
    """What a student should take along, in two sentences."""


CHAPTERS = tuple(Chapter(**entry) for entry in _read("chapters.json"))


@dataclass(frozen=True, slots=True)
class Row:
    """A claim of the lectures, E1 … E176, in our words."""

    row: str
    deck: str
    says: str
    how: str
    """The experiment in one line."""
    experiment: str
    """Its number, "4.1"."""

    @property
    def chapter(self) -> int:
        """The chapter in which it stands."""
        return int(self.experiment.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Wording:
    """A loose statement, and what would be right."""

    deck: str
    printed: str
    better: str


def deck(row: str) -> str:
    """Where a fact W1 … W196 stands in the lectures.

    >>> deck("W31")
    '000:1678-1725'
    """
    return str(_read("rows.json")["facts"][row]["deck"])


@cache
def claims() -> dict[str, Row]:
    """All claims by their rows.

    >>> claims()["E36"].experiment, len(claims())
    ('5.2', 176)
    """
    return {row: Row(row=row, **entry) for row, entry in _read("rows.json")["claims"].items()}


@cache
def wordings() -> tuple[Wording, ...]:
    """Statements that are loose, not false."""
    return tuple(Wording(**entry) for entry in _read("wordings.json")["wordings"])


@cache
def contradictions() -> tuple[tuple[str, str], ...]:
    """What two lectures say differently: the subject, and the versions with their places."""
    return tuple((entry["topic"], entry["versions"]) for entry in _read("wordings.json")["contradictions"])


@dataclass(frozen=True, slots=True)
class Event:
    """A model, a data set, an idea or a winner of the timeline."""

    year: int
    kind: str
    title: str
    what: str
    deck: str
    model: str
    """Its name in `hubel models`; "" if it is not there."""


@cache
def timeline() -> tuple[Event, ...]:
    """From the neuron of 1943 on, by year.

    >>> timeline()[0].year, timeline()[-1].year
    (1943, 2017)
    """
    return tuple(Event(**entry) for entry in _read("timeline.json"))
