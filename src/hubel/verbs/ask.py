"""Ask: what a word of the field means, what else it is called, and where it stands."""

from __future__ import annotations

from hubel.book.advisor import WORDS, Advised, advise
from hubel.book.glossary import Term, ask, terms

__all__ = ["WORDS", "Advised", "Term", "advise", "ask", "terms"]
