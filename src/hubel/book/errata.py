"""Errata: everything in the lectures that is wrong, loose, or came out differently, made anew with every book."""

from __future__ import annotations

from dataclasses import dataclass

from hubel.book.chapters import CHAPTERS, deck, wordings
from hubel.book.fact import written
from hubel.book.reading import Book
from hubel.book.verdicts import REFUTED, VERDICTS

__all__ = ["Erratum", "errata"]


@dataclass(frozen=True, slots=True)
class Erratum:
    """Something in the lectures that is wrong, loose, or came out differently."""

    place: str
    row: str
    kind: str
    """"figure", "outside", "claim" or "wording"."""
    printed: str
    better: str
    note: str = ""


def errata(book: Book) -> list[Erratum]:
    """Everything that the book corrects, in the order of the lectures."""
    found = []
    for each in book.figures:
        fact = each.fact
        if not fact.right:
            kind = "outside" if fact.reason == "outside" else "figure"
            printed = f"{fact.what}: {written(fact.printed)}"
            found.append(Erratum(deck(fact.row), fact.row, kind, printed, written(each.value), fact.note))
    for claimed in book.claims:
        if claimed.verdict == REFUTED:
            claim, other = claimed.claim, book.in_full(claimed)
            note = f"with --full: {VERDICTS[other]}" if other else ""
            found.append(Erratum(claim.deck, claim.row, "claim", claim.says, claimed.finding.text, note))
    if not book.rows and len(book.chapters) == len(CHAPTERS):
        found += [Erratum(each.deck, "", "wording", each.printed, each.better) for each in wordings()]
    return sorted(found, key=lambda entry: (entry.place[:3], int("0" + _digits(entry.place[4:])), entry.row))


def _digits(text: str) -> str:
    end = next((i for i, letter in enumerate(text) if not letter.isdigit()), len(text))
    return text[:end]
