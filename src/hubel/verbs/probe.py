"""Probe: which learning rates and batch sizes suit a net, its data and this machine; nothing is trained or written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.checks import check_names
from hubel.assembly.prepare import prepare
from hubel.assembly.probing import probe_batch, probe_rate
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.recipes.schema import NOTHING, compose, read_environment, read_file
from hubel.training.probes import BatchPoint, BatchProbe, Probes, RateProbe
from hubel.watching import SILENT, Watcher

__all__ = ["BatchPoint", "BatchProbe", "Probes", "RateProbe", "probe"]


@shows_progress
def probe(
    data: str | Path | None = None,
    *,
    what: Sequence[str] = ("lr", "batch_size"),
    config: str | Path | None = None,
    steps: int = 100,
    largest: int | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Probes:
    """Sweep learning rates and batch sizes with the net, data and recipe that `train` would use; nothing is written.

    `what`: lr, batch_size or both; `steps` of the sweep of rates; `largest` batch size (None: as many samples as leave
    16 updates an epoch). `settings` as for `train`. Rates are swept with the recipe's batch size, or with the one just
    found. Raises UsageError and DataError.
    """
    named = [word.replace("-", "_") for word in what]
    if not named or not set(named) <= {"lr", "batch_size"}:
        raise UsageError(f"probes are lr and batch_size, got {', '.join(what) or 'none'}", hint="leave it out for both")
    recipe = compose(
        read_file(config) if config is not None else {},
        read_environment(),
        settings | ({} if data is None else {"data": str(data)}),
    ).change(probe=None)
    if not recipe.data.data:
        raise UsageError("a data source is needed", hint="hubel probe digits, or hubel probe path/to/folder")
    if recipe.transfer.from_ not in (None, NOTHING):
        raise UsageError(
            f"hubel probe starts from fresh weights, not from {recipe.transfer.from_}",
            hint="hubel train --from … --probe lr measures there",
        )
    check_names(recipe)
    recipe = recipe.change(from_=None)
    given = recipe.train.batch_size is not None
    runtime.check_threads(recipe.train.threads)
    with runtime.threads(recipe.train.threads):
        prepared = prepare(recipe, watch)
        watch.stage("building the model")
        model, spec = build(prepared)
        recipe = prepared.recipe
        batch = rate = None
        if "batch_size" in named:
            batch = probe_batch(recipe, prepared, model, watch, largest=largest)
            if batch.suggestion is not None and not given:
                recipe = recipe.change(batch_size=batch.suggestion)
        if "lr" in named:
            rate = probe_rate(recipe, prepared, model, watch, steps=steps)
    size = recipe.train.batch_size
    assert recipe.optimizer.lr is not None
    assert size is not None
    return Probes(
        data=recipe.data.data,
        model=spec.architecture,
        optimizer=recipe.optimizer.optimizer or "",
        lr=recipe.optimizer.lr,
        batch_size=size,
        rate=rate,
        batch=batch,
    )
