"""A training that only has to be run: what it is made of, what of it is told, and the folder it is run in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from hubel.assembly.prepare import Prepared
from hubel.assembly.transfer.head import only_head
from hubel.assembly.transfer.plan import in_words
from hubel.assembly.wire import batch_size
from hubel.checkpoint import ModelSpec
from hubel.recipes.continuing import asked
from hubel.recipes.schema import Recipe
from hubel.records.folder import create_folder
from hubel.runtime import world
from hubel.store import RunStore
from hubel.training.features import Seen
from hubel.training.logbook import Subject
from hubel.training.loop import Training
from hubel.watching import Plan


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A training that only has to be run, and what belongs to it."""

    training: Training
    prepared: Prepared
    spec: ModelSpec
    facts: dict[str, Any] = field(default_factory=dict)
    """What was taken over from another net, for transfer.json; {} for a net that starts from nothing."""
    seen: Seen | None = None
    """What a frozen net has seen of all training samples, where it has looked at them already."""
    advice: str = ""
    """What the user may do so that the next run does better; "" for nothing."""

    @property
    def subject(self) -> Subject:
        """What the weights belong to."""
        prepared = self.prepared
        first = prepared.ids("train")[:16]
        return Subject(
            spec=self.spec,
            preprocessing=prepared.preprocessing,
            class_names=prepared.class_names,
            data_digest=prepared.manifest.digest,
            columns=prepared.decoded.columns,
            first=torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[first])),
        )

    @property
    def samples(self) -> dict[str, int]:
        """By split."""
        return {name: len(self.prepared.ids(name)) for name in ("train", "val", "test")}

    @property
    def teacher(self) -> dict[str, Any]:
        """Who taught it and what it said, for teacher.json; {} for a net that learns from labels alone."""
        prepared, training = self.prepared, self.training
        if prepared.lesson is None:
            return {}
        return prepared.lesson.facts(training.recipe, prepared.ids("train"), training.device)

    @property
    def state_bytes(self) -> int:
        """What a saved state takes."""
        return sum(value.numel() * value.element_size() for value in self.training.state()[0].values())

    def plan(self, run: str) -> Plan:
        """What a face shows before the first step of the run in folder `run`."""
        training, prepared = self.training, self.prepared
        recipe = training.recipe
        return Plan(
            run=run,
            data=prepared.manifest.source,
            samples=self.samples,
            classes=prepared.manifest.num_classes,
            method=recipe.pretext.method or "",
            shape=None if prepared.preprocessing is None else prepared.preprocessing.shape,
            unit=prepared.task.unit(prepared.manifest),
            model=self.spec.architecture,
            parameters=sum(p.numel() for p in training.model.parameters()),
            transfer=in_words(training),
            fits_head=only_head(prepared, training.model),
            epochs=recipe.train.epochs or 1,
            epoch=training.epoch,
            steps=training.steps_per_epoch,
            batch_size=batch_size(recipe, prepared.samples),
            optimizer=recipe.optimizer.optimizer or "",
            lr=recipe.optimizer.lr or 0.0,
            device=str(training.device),
            threads=torch.get_num_threads(),
            processes=world(),
            reasons=prepared.reasons,
        )


def create(ready: Ready, said: Recipe) -> RunStore:
    """The run's folder, with all that is known before the first step; `said` is the recipe as the user gave it."""
    prepared = ready.prepared
    store = create_folder(
        prepared.chosen,
        prepared.manifest,
        prepared.splits,
        samples=ready.samples,
        problems=prepared.scan.problems,
        state_bytes=ready.state_bytes,
        device=ready.training.device,
        asked=asked(said),
    )
    if ready.facts:
        store.write_json("transfer.json", ready.facts)
    if ready.teacher:
        store.write_json("teacher.json", ready.teacher)
    return store
