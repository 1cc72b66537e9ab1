"""Many pictures scanned and decoded by all places of a cluster, before one net is trained on it."""

from __future__ import annotations

import os

from hubel.assembly.prepare import prepare
from hubel.assembly.transfer.start import start
from hubel.data.afar import reading_over
from hubel.data.sources import SOURCES, is_there
from hubel.data.spread import WORTH
from hubel.recipes.schema import Recipe
from hubel.records.own_data import open_data
from hubel.watching import SILENT, Watcher


def read_afar(recipe: Recipe, on: str, watch: Watcher) -> None:
    """Fill the cache with what a recipe reads. Where all see that cache, the first process of the training finds it.

    Few pictures are left to that process, as are those that are not seen from here. Raises DataError, UsageError: what
    is wrong with the data is known before anything begins.
    """
    data = recipe.data.data
    if data in SOURCES or not is_there(os.path.expanduser(data)):
        return
    listed = open_data(recipe)
    if listed.kind == "files" and len(listed) >= WORTH:
        with reading_over(on, watch):
            prepare(start(recipe, SILENT).chosen, watch)
