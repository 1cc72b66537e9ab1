"""Ask: what a word of the field means, what else it is called, and where it stands."""

from __future__ import annotations

from hubel.book.glossary import Term, ask, terms

__all__ = ["Term", "ask", "terms"]
