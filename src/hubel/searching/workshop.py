"""What all trials of a search share: the data, read once, decoded once and split once; and how long an epoch takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from hubel import runtime
from hubel.assembly.build import build, described
from hubel.assembly.prepare import Prepared, chosen_anew, prepare
from hubel.assembly.ready import Ready
from hubel.assembly.requests import requested
from hubel.assembly.transfer.start import start
from hubel.assembly.trials import arithmetic, attempt, long_enough, sample_seconds
from hubel.assembly.wire import assemble
from hubel.checkpoint import ModelSpec
from hubel.data.splits import Splits
from hubel.errors import UsageError
from hubel.inference import VIEWS
from hubel.recipes.schema import NOTHING, Recipe
from hubel.records.own_data import Decided
from hubel.watching import SILENT, Watcher

SIGHT = ("img_size", "fit", "interpolation", "in_chans", "mean", "std")
"""Settings by which pictures are decoded otherwise."""
PAGES = 5.0
"""Seconds that writing the report of the winner and that of the search takes."""
FINALISTS = 12
"""Runs, at most, that are laid beside the winner picture by picture."""


class Workshop:
    """Data, shared by all trials of a search, and what each of them needs beyond."""

    def __init__(
        self, given: Mapping[str, Any], watch: Watcher, *, splits: Splits | None = None, edits: Decided = ()
    ) -> None:
        """`splits` and `edits`: those of its first trial, where a search goes on."""
        self.given = dict(given)
        self.watch = watch
        self.asked: Recipe = requested(self.given)
        begun = start(self.asked, watch)
        self.transfers = begun.source is not None
        """Do the defaults start from a trained net? What is tried beside them starts from nothing."""
        plain = self.asked if not self.transfers else self.asked.change(from_=NOTHING)
        nothing = start(plain, watch).chosen if self.transfers else begun.chosen
        self.first: Prepared = prepare(nothing, watch, splits=splits, edits=edits)
        if not len(self.first.splits.val):
            task, told = self.first.task, self.given.get("val_fraction") is not None
            raise UsageError(
                "a search chooses by validation samples, and "
                + (f"the task {task.name} learns every sample" if task.learns_all else "nothing is held out"),
                hint="hubel train DATA tries one setting"
                + ("" if task.learns_all else "; leave --val-fraction out" if told else ", and takes fewer samples"),
            )
        self.device = runtime.pick_device(self.asked.train.device)
        self._prepared: dict[str, Prepared] = {}
        self.precision: dict[str, Any] = {}
        self.crowd = 0.0
        """Seconds for a second of computing, when the defaults were timed."""

    def settle(self) -> tuple[float, float]:
        """Time a few steps of the defaults: seconds of an epoch, and of measuring and reporting the winner."""
        model, _ = build(self.first)
        if long_enough(self.first) and self.asked.train.precision == "auto":
            found = arithmetic(self.first, model, self.watch).recipe.train.precision
            self.precision = {} if found == "auto" else {"precision": found}
        recipe = self.first.recipe.change(time=None, **self.precision)
        wall, busy = time.perf_counter(), time.process_time()
        trial = attempt(recipe, self.first, model, seconds=1.0)
        # Where others compute too, a second of work takes longer than a second.
        self.crowd = (time.perf_counter() - wall) / max(1e-3, time.process_time() - busy)
        crowded = max(1.0, self.crowd)
        a_sample = sample_seconds(trial.training, self.first)
        splits = self.first.splits
        looks = VIEWS.get(recipe.augment.views or "none", 1) + 1
        after = PAGES * crowded + a_sample * (
            looks * (len(splits.test) + len(splits.val)) + FINALISTS * len(splits.val)
        )
        return trial.step * trial.training.steps_per_epoch + a_sample * len(splits.val), after

    def recipe(self, settings: Mapping[str, Any], **also: Any) -> Recipe:
        """The recipe of a trial. Raises UsageError for settings that contradict each other."""
        free = {"from_": None} if self.asked.transfer.from_ in (None, NOTHING) else {}
        return requested({**self.given, **free, **self.precision, **settings, "time": None, **also})

    @property
    def defaults(self) -> Recipe:
        """What nothing was chosen for, with every open setting as `hubel train` would have it."""
        return self.first.recipe

    def prepared(self, recipe: Recipe) -> Prepared:
        """The data for a recipe; decoded anew only where it sees pictures otherwise. Raises UsageError."""
        seen = {name: getattr(recipe.data, name) for name in SIGHT}
        if seen == {name: getattr(self.asked.data, name) for name in SIGHT}:
            return chosen_anew(self.first, recipe)
        key = json.dumps(seen, default=str)
        if key not in self._prepared:
            self._prepared[key] = prepare(recipe, SILENT, splits=self.first.splits, edits=self.first.manifest.edits)
        return chosen_anew(self._prepared[key], recipe)

    @property
    def sight(self) -> tuple[tuple[int, ...], int]:
        """C H W of what nets see (features alone of points), and the number of outputs."""
        return tuple(self.first.decoded.images.shape[1:]), self.first.manifest.num_classes or 1

    def spec(self, recipe: Recipe) -> ModelSpec:
        """The net of a recipe, as data. Raises UsageError."""
        return described(self.prepared(recipe))

    def as_begun(self, written: Recipe) -> Recipe:
        """The recipe that a run folder holds, with its sight as it was asked for, so that nothing is decoded twice."""
        first, asked = self.first.recipe.data, self.asked.data
        alike = all(getattr(written.data, name) == getattr(first, name) for name in SIGHT)
        return written.change(**{name: getattr(asked, name) for name in SIGHT}) if alike else written

    def ready(self, recipe: Recipe, give: Callable[[nn.Module], None] | None = None) -> Ready:
        """A training from nothing, or from the weights that `give` puts into the net. Raises UsageError."""
        prepared = self.prepared(recipe)
        model, spec = build(prepared)
        if give is not None:
            give(model)
        return Ready(training=assemble(prepared.recipe, prepared, model), prepared=prepared, spec=spec)
