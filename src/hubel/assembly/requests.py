"""What a user asks for: file, environment and settings in layers, checked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hubel.assembly.checks import by_name, check_names
from hubel.assembly.onward import to_resume
from hubel.assembly.prepare import Prepared, prepare
from hubel.assembly.transfer.start import start
from hubel.errors import UsageError
from hubel.recipes.continuing import continued
from hubel.recipes.schema import Recipe, compose, flatten, read_environment, read_file
from hubel.watching import SILENT, Watcher


def layered(data: str | Path | None, config: str | Path | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What file, environment and settings say, later ones above earlier ones, by short names."""
    found = flatten(read_file(config) if config is not None else {}) | flatten(read_environment())
    return found | flatten(by_name(settings)) | ({} if data is None else {"data": str(data)})


def requested(given: Mapping[str, Any]) -> Recipe:
    """The recipe that is asked for; nothing open is chosen yet. Raises UsageError where it cannot be."""
    recipe = compose(given)
    if not recipe.data.data:
        raise UsageError("a data source is needed", hint="hubel train digits, or hubel train path/to/folder")
    check_names(recipe)
    return recipe


def resolve(
    data: str | Path | None = None,
    *,
    config: str | Path | None = None,
    resume: str | PathLike[str] | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Recipe:
    """The recipe that `train` would follow with these arguments, every open setting chosen from the data.

    Nothing is trained or written; what only a trial on the net can tell (a probed rate, an epoch's time) stays open.
    """
    given = layered(data, config, settings)
    if resume is not None:
        found, beside = to_resume(fspath(resume), given, watch)
        if found is not None:
            return continued(compose(read_file(found / "config.yaml")), beside, found).recipe
    return foreseen(requested(given), watch).recipe


def foresee(data: str | Path, settings: Mapping[str, Any], watch: Watcher = SILENT) -> Prepared:
    """The data as a new training would have them, with the recipe that it would follow, and why; as for `resolve`."""
    return foreseen(requested(layered(data, None, settings)), watch)


def foreseen(recipe: Recipe, watch: Watcher = SILENT) -> Prepared:
    """The data of a recipe, ready, with every setting chosen that they decide; nothing is built."""
    return prepare(start(recipe, watch).chosen, watch)
