"""What a series of trainings can be made of: one over folds, over seeds, or over growing parts of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubel import runtime
from hubel.assembly.prepare import Prepared
from hubel.errors import DataError, UsageError
from hubel.recipes.schema import Recipe


def check_series(recipe: Recipe, kind: str, first: Mapping[str, Any]) -> None:
    """Raise UsageError for what a series cannot be made of."""
    count = f"--{kind}" if kind != "curve" else "hubel curve"
    if runtime.world() > 1:
        raise UsageError(
            f"{count} trains one run after the other in one process, got {runtime.world()} processes",
            hint="leave torchrun out, or train one: --fold 1/5",
        )
    if recipe.data.fold is not None:
        raise UsageError(f"fold ({recipe.data.fold}) is one of a series: it goes with no {count}", hint="leave one out")
    if recipe.transfer.compare_start:
        raise UsageError(f"compare_start goes with no {count}", hint="leave one of them out")
    if recipe.pretext.method is not None:
        raise UsageError(f"{count} measures what is named right, and {recipe.pretext.method} names nothing",
                         hint=f"leave {count} out")  # fmt: skip
    if kind == "folds":
        recipe.change(**first)  # refuses a test_fraction


def check_left(prepared: Prepared) -> None:
    """Raise UsageError for a task, DataError for data, of which nothing is left to measure the runs of a series by."""
    if prepared.task.learns_all:
        raise UsageError(f"the task {prepared.task.name} learns every sample, and runs spread over none that is left",
                         hint="train once: hubel train DATA")  # fmt: skip
    if not len(prepared.ids("test")) and not len(prepared.ids("val")):
        raise DataError(
            f"no sample of {prepared.manifest.source} is left to test by: those that are alike stay on one side",
            hint="more samples, or train once: hubel train DATA",
        )
