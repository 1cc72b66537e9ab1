"""The field's interchangeable terms: which words mean the same, and where one word means two things."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from importlib import resources

from hubel.book.chapters import CHAPTERS
from hubel.errors import UsageError, near
from hubel.lessons.parts import listed
from hubel.views import Viewed


@dataclass(frozen=True, slots=True)
class Term(Viewed):
    """A term, what else it is called, and where it stands."""

    term: str
    also: tuple[str, ...]
    """Other words for it; what else they mean is said in `meaning`."""
    meaning: str
    formula: str
    component: str
    """Its name in `hubel components`; "" if it has none."""
    chapter: int
    """Of the book; 0 for a component that no chapter has a term for."""
    deck: str
    """Its places in the lectures."""

    def __str__(self) -> str:
        lines = [self.term, textwrap.fill(self.meaning, 78, initial_indent="  ", subsequent_indent="  ")]
        if self.also:
            also = f"  also called  {', '.join(self.also)}"
            lines.append(textwrap.fill(also, 78, subsequent_indent=" " * 15, break_on_hyphens=False))
        if self.formula:
            lines.append(f"  formula      {self.formula}")
        if self.component:
            lines.append(f"  component    hubel components {self.component}")
        if self.chapter:
            title = CHAPTERS[self.chapter - 1].title
            lines.append(f"  chapter      {self.chapter}. {title}: hubel book {self.chapter}")
        if self.deck:
            lines.append(f"  lectures     {self.deck}")
        return "\n".join(lines)


@cache
def terms() -> tuple[Term, ...]:
    """All of them, in the order of the book."""
    rows = json.loads(resources.files("hubel.book").joinpath("terms.json").read_text("utf-8"))
    return tuple(Term(**row | {"also": tuple(row["also"])}) for row in rows)


@cache
def _words() -> dict[str, Term]:
    known: dict[str, Term] = {}
    for term in terms():
        for name in (term.term, *term.also):
            known.setdefault(_plain(name), term)
    for part in listed():  # parts that have no term of their own: their formula and note
        meaning = part.note or part.title
        known.setdefault(_plain(part.name), Term(part.title, (part.name,), meaning, part.formula, part.name, 0, ""))
    return known


def _plain(name: str) -> str:
    """A term without case, dashes, plural and doubled spaces.

    >>> _plain("Fully-Connected  Layers"), _plain("loss"), _plain("bias")
    ('fully connected layer', 'loss', 'bias')
    """
    words = re.sub(r"[-_\s]+", " ", name.casefold()).strip()
    return words[:-1] if len(words) > 4 and words.endswith("s") and words[-2] not in "su" and words != "bias" else words


def ask(term: str) -> Term:
    """The term of that name, or of that other name, whatever its case, dashes and plural.

    Raises UsageError for one that is not known, with near ones.

    >>> ask("Fully connected").term, ask("kernels").component, ask("log loss").term
    ('dense layer', 'conv', 'cross-entropy')
    """
    found = _words().get(_plain(term))
    if found is None:
        close = near(_plain(term), list(_words()))
        inside = [name for name in _words() if len(_plain(term)) > 2 and _plain(term) in name]
        some = list(dict.fromkeys([*close, *inside]))[:4]
        told = f"did you mean {', '.join(some)}? " if some else ""
        raise UsageError(f"the glossary has no term {term!r}", hint=f"{told}all of them: hubel ask")
    return found
