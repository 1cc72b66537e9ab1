"""A recipe, and why each setting that its user left open is what it is: passed on as one value, never written into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubel.recipes.schema import Recipe


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A recipe and the reasons for what was chosen in it.

    >>> from hubel.recipes.schema import compose
    >>> chosen = Chosen(recipe=compose({"data": "digits"})).take("a power of two", batch_size=64)
    >>> chosen.recipe.train.batch_size, dict(chosen.reasons)
    (64, {'batch_size': 'a power of two'})
    """

    recipe: Recipe
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why, by setting."""

    def take(self, why: str, **settings: Any) -> Chosen:
        """With these settings, all for the same reason."""
        names = [name.rstrip("_") for name in settings]  # from_ is Python's spelling of from
        return Chosen(recipe=self.recipe.change(**settings), reasons={**self.reasons, **dict.fromkeys(names, why)})

    def change(self, reasons: Mapping[str, str] | None = None, /, **settings: Any) -> Chosen:
        """With these settings, and with what `reasons` say about some of them."""
        return Chosen(recipe=self.recipe.change(**settings), reasons={**self.reasons, **(reasons or {})})
