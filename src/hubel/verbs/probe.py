"""Probe: which learning rates and batch sizes suit a net, its data and this machine; nothing is trained or written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.assembly.build import build
from hubel.assembly.checks import check_names
from hubel.assembly.prepare import prepare
from hubel.assembly.probing import probe_batch, probe_rate
from hubel.errors import UsageError
from hubel.figures import timing
from hubel.figures.theme import Figure
from hubel.recipes.schema import compose, read_environment, read_file
from hubel.training.probes import BatchPoint, BatchProbe, RateProbe
from hubel.watching import SILENT, Watcher

__all__ = ["BatchPoint", "BatchProbe", "Probes", "RateProbe", "probe"]


@dataclass(frozen=True, kw_only=True)
class Probes:
    """What was found; None for what was not asked for."""

    data: str
    model: str
    optimizer: str
    lr: float
    """That the recipe says, or the rules choose."""
    batch_size: int | str
    """The same; the learning rates were swept with it."""
    rate: RateProbe | None
    batch: BatchProbe | None

    def flags(self) -> str:
        """The suggestions as flags of `hubel train`."""
        parts = []
        if self.batch is not None and self.batch.suggestion is not None:
            parts.append(f"--batch-size {self.batch.suggestion}")
        if self.rate is not None and self.rate.suggestion is not None:
            parts.append(f"--lr {self.rate.suggestion:g}")
        return " ".join(parts)

    def figures(self) -> dict[str, Figure]:
        """`rate` and `batch`, as far as there is something to draw."""
        found = {}
        if self.rate is not None and len(self.rate.rates):
            marks = {"valley": self.rate.valley, "steepest": self.rate.steepest, "edge": self.rate.edge}
            there = {name: rate for name, rate in marks.items() if rate is not None}
            found["rate"] = timing.rate_sweep(
                self.rate.rates.tolist(), self.rate.losses.tolist(), self.rate.smoothed.tolist(), there, chosen="valley"
            )
        if self.batch is not None and self.batch.points:
            points = self.batch.points
            found["batch"] = timing.batch_sweep(
                [point.size for point in points],
                [point.images_per_second for point in points],
                [nan if point.memory is None else point.memory / 1e6 for point in points],
                chosen=self.batch.suggestion,
            )
        return found

    def to_json(self) -> str:
        """Everything as JSON; what is not finite as null."""
        facts: dict[str, Any] = {
            "data": self.data, "model": self.model, "optimizer": self.optimizer, "lr": self.lr,
            "batch_size": self.batch_size,
        }  # fmt: skip
        if self.rate is not None:
            rate = self.rate
            facts["rate"] = {
                "rates": rate.rates.tolist(), "losses": rate.losses.tolist(), "smoothed": rate.smoothed.tolist(),
                "suggestion": rate.suggestion, "valley": rate.valley, "steepest": rate.steepest, "edge": rate.edge,
                "reason": rate.reason, "seconds": rate.seconds,
            }  # fmt: skip
            for key in ("losses", "smoothed"):
                facts["rate"][key] = [value if isfinite(value) else None for value in facts["rate"][key]]
        if self.batch is not None:
            batch = self.batch
            facts["batch"] = {
                "points": [
                    {"size": p.size, "step_seconds": p.seconds, "images_per_second": p.images_per_second,
                     "memory": p.memory}
                    for p in batch.points
                ],
                "suggestion": batch.suggestion, "ended": batch.ended, "reason": batch.reason, "seconds": batch.seconds,
            }  # fmt: skip
        return json.dumps(facts, indent=1, ensure_ascii=False)


def probe(
    data: str | Path | None = None,
    *,
    what: Sequence[str] = ("lr", "batch_size"),
    config: str | Path | None = None,
    steps: int = 100,
    largest: int | None = None,
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
        raise UsageError(f"probes are lr and batch_size, got {', '.join(what) or 'none'}")
    recipe = compose(
        read_file(config) if config is not None else {},
        read_environment(),
        settings | ({} if data is None else {"data": str(data)}),
    ).change(probe=None)
    if not recipe.data.data:
        raise UsageError("a data source is needed", hint="hubel probe digits, or hubel probe path/to/folder")
    if recipe.transfer.from_ is not None:
        raise UsageError("hubel probe starts from fresh weights", hint="hubel train --from … --probe lr measures there")
    check_names(recipe)
    given = recipe.train.batch_size is not None
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
