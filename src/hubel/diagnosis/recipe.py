"""A training that a recipe describes, as a patient: its batches, its own step, its data without augmentation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.assembly.ready import Ready
from hubel.assembly.transfer.head import only_head
from hubel.assembly.wire import augmentations
from hubel.data.augment import build_augment, mirrors
from hubel.data.batches import batches
from hubel.data.mirrors import ask_mirrors
from hubel.diagnosis.checks import Stage
from hubel.diagnosis.examining import BEFORE
from hubel.diagnosis.patient import MOST_BATCHES, MOST_NUMBERS, MOST_SAMPLES, Part, Patient, as_pair
from hubel.errors import UsageError
from hubel.tasks.labels import CLASSIFY, REGRESS
from hubel.training.loop import Training
from hubel.training.probes import twin
from hubel.training.step import step
from hubel.types import Batch

RATES = 5_000
"""Steps of a schedule that are looked at, evenly taken."""


@dataclass(eq=False)
class Epochs:
    """The batches of a training; each time they are gone through, another epoch."""

    training: Training
    epoch: int = 0
    """The last that was gone through: the first is read by itself."""

    def __iter__(self) -> Iterator[Batch]:
        self.epoch += 1
        return iter(self.training.batches(self.epoch, 0))


@dataclass(eq=False)
class Step:
    """The one step of every training, on a copy."""

    run: Training

    @property
    def model(self) -> nn.Module:
        """The copy."""
        return self.run.model

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """Its optimiser."""
        return self.run.optimiser

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One update; the loss before it."""
        soft = labels if labels.ndim == 2 else None
        classes = labels.argmax(1) if soft is not None else labels
        batch = Batch(images, classes, torch.arange(len(labels), device=labels.device), soft)
        self.run.model.train()
        if self.run.freeze is not None:
            self.run.freeze(self.run.model, 0)
        done = step(self.run, batch)
        return float("nan") if done.fault is not None else float(done.loss)


def patient_of(ready: Ready, *, seconds: float = 20.0) -> Patient:
    """The training of a recipe as a patient; nothing of `ready` is changed. Raises UsageError for other tasks."""
    run, prepared = ready.training, ready.prepared
    numbers = run.task is REGRESS
    if not knows(ready):
        raise UsageError(
            f"the doctor checks trainings for classes and numbers, and this one is for {run.task.name}",
            hint="hubel train tells what is not finite; hubel doctor RUN reads what a run recorded",
        )

    def loss(output: Any, labels: torch.Tensor) -> torch.Tensor:
        answer = output[0] if isinstance(output, tuple) else output
        value: torch.Tensor = run.loss(answer.float(), labels.float().reshape(-1, 1) if numbers else labels)
        return value

    def stepping() -> Step:
        copied = twin(run)
        if copied.freeze is not None:
            copied.freeze(copied.model, 0)
        return Step(copied)

    names = tuple(name for name, p in run.model.named_parameters() if not p.requires_grad)
    patient = Patient(
        name=f"{prepared.recipe.data.data}, {ready.spec.architecture}", model=run.model, loss=loss, batches=Epochs(run),
        optimiser=run.optimiser, val=[] if len(prepared.splits.val) else None, classes=prepared.class_names,
        frozen=names or None, stepper=stepping, seconds=seconds, rates=_rates(run), rate=run.base_rate,
    )  # fmt: skip
    clean, rows = _part(ready, "train")
    epoch = [as_pair(b, "batches", run.device) for b in itertools.islice(run.batches(0, 0), MOST_BATCHES)]
    labels = torch.from_numpy(prepared.decoded.labels[prepared.ids("train")].copy())
    patient.__dict__["train"] = Part(
        pairs=epoch, images=clean.images, labels=clean.labels, every_label=labels, whole=True,
        sizes=tuple(len(pair[0]) for pair in epoch), order=torch.cat([pair[1] for pair in epoch]).cpu(),
    )  # fmt: skip
    if len(prepared.splits.val):
        patient.__dict__["held"] = _part(ready, "val")[0]
    chain = augmentations(prepared.recipe)
    if clean.pictures and any(word != "none" for word in chain):
        augment = build_augment([word for word in chain if word.partition("=")[0] not in ("mixup", "cutmix")] or "none")

        def augmented(images: torch.Tensor) -> torch.Tensor:
            fed = batches(
                prepared.decoded, rows[: len(images)], preprocessing=prepared.preprocessing, batch_size=256,
                seed=prepared.recipe.train.seed, epoch=0, augment=augment,
            )  # fmt: skip
            return torch.cat([batch.images.float() for batch in fed])

        patient.augment = augmented if augment.steps else None
        if mirrors(chain) and not numbers:
            patient.mirrors = ask_mirrors(prepared.decoded.images, prepared.manifest.labels, prepared.splits.train)
    return patient


def knows(ready: Ready) -> bool:
    """Is it a training that the checks are made for: of classes, or of numbers?"""
    return ready.training.task in (CLASSIFY, REGRESS)


def stages_of(ready: Ready) -> tuple[Stage, ...]:
    """The stages that have a meaning: a head that is fitted to features makes no steps."""
    return BEFORE[:3] if only_head(ready.prepared, ready.training.model) else BEFORE


def _part(ready: Ready, name: str) -> tuple[Part, np.ndarray]:
    """Samples of a split as they are, normalised, and their rows."""
    prepared = ready.prepared
    rows = prepared.ids(name)
    most = max(16, min(MOST_SAMPLES, MOST_NUMBERS // max(1, int(np.prod(prepared.decoded.images.shape[1:])))))
    order = np.random.default_rng(runtime.mix(prepared.recipe.data.split_seed) % (1 << 32)).permutation(len(rows))[
        :most
    ]
    chosen = rows[order]
    fed = list(batches(prepared.decoded, chosen, preprocessing=prepared.preprocessing, batch_size=256))
    labels = torch.from_numpy(prepared.decoded.labels[rows].copy())
    images, told = torch.cat([b.images.float() for b in fed]), torch.cat([b.labels for b in fed])
    pairs = [(b.images, b.labels) for b in fed]
    return Part(
        pairs=pairs, images=images, labels=told, every_label=labels, sizes=tuple(len(b) for b in fed), whole=True
    ), chosen


def _rates(run: Training) -> list[float]:
    total = run.steps_per_epoch * (run.recipe.train.epochs or 1)
    if run.recipe.schedule.schedule == "plateau":
        return []
    try:
        return [run.base_rate * run.schedule(int(s), []) for s in np.linspace(0, total - 1, min(total, RATES))]
    except (IndexError, ValueError):  # a schedule that follows what was measured
        return []
