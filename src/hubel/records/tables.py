"""The tables in which the data of a run say their labels."""

from __future__ import annotations

from hubel.data.sources import tables_of
from hubel.data.tables import Table
from hubel.recipes.schema import Recipe
from hubel.records.own_data import LISTS


def tables_behind(recipe: Recipe) -> list[Table]:
    """The tables in which the source of a recipe says its labels, that of training first; [] where none does."""
    part = recipe.data
    return tables_of(
        part.data, data_root=part.data_root, columns=part.columns, images=part.images, follow_links=part.follow_links,
        lists=recipe.train.task in LISTS,
    )  # fmt: skip
