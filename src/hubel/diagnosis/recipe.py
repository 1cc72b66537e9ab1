"""A training that a recipe describes, as a patient: its batches, its own step, its data without augmentation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.assembly.ready import Ready
from hubel.assembly.transfer.head import only_head
from hubel.assembly.wire import assemble, augmentations
from hubel.data.augment import build_augment, mirrors
from hubel.data.batches import batches
from hubel.data.mirrors import ask_mirrors
from hubel.diagnosis.checks import Stage
from hubel.diagnosis.examining import BEFORE
from hubel.diagnosis.patient import MOST_BATCHES, MOST_NUMBERS, MOST_SAMPLES, Pair, Part, Patient
from hubel.errors import UsageError
from hubel.tasks import CLASSIFY, EMBED, REGRESS, Task
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

    @cached_property
    def model(self) -> nn.Module:
        """The copy, asked as its task asks it."""
        return self.run.task.answering(self.run.model)

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """Its optimiser."""
        return self.run.optimiser

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One update; the loss before it."""
        batch = _again(images, labels, self.run.task)
        self.model.train()
        if self.run.freeze is not None:
            self.run.freeze(self.run.model, 0)
        done = step(self.run, batch)
        return float("nan") if done.fault is not None else float(done.loss)


def patient_of(ready: Ready, *, seconds: float = 20.0) -> Patient:
    """The training of a recipe as a patient; nothing of `ready` changes. Raises UsageError where views are to agree."""
    run, prepared = one_form(ready), ready.prepared
    task, numbers = run.task, run.task is REGRESS
    if not knows(ready):
        raise UsageError(
            "the doctor checks trainings that learn from labels, masks or the pictures themselves, and this one learns "
            f"by {prepared.recipe.pretext.method}",
            hint="hubel pretrain tells when its net collapses; hubel doctor RUN reads what a run recorded",
        )
    model = task.answering(run.model)

    def loss(output: Any, labels: torch.Tensor) -> torch.Tensor:
        answer, *others = output if isinstance(output, tuple) else (output,)
        more = others if getattr(run.loss, "takes_all", False) else ()
        value: torch.Tensor = run.loss(answer.float(), labels.float().reshape(-1, 1) if numbers else labels, *more)
        return value

    def stepping() -> Step:
        copied = twin(run)
        if copied.freeze is not None:
            copied.freeze(copied.model, 0)
        return Step(copied)

    names = tuple(name for name, p in model.named_parameters() if not p.requires_grad)
    patient = Patient(
        name=f"{prepared.recipe.data.data}, {ready.spec.architecture}", model=model, loss=loss, batches=Epochs(run),
        optimiser=run.optimiser, val=[] if len(prepared.splits.val) else None, classes=prepared.class_names,
        frozen=names or None, stepper=stepping, seconds=seconds, rates=_rates(run), rate=run.base_rate,
        task="" if task in (CLASSIFY, REGRESS) else task.name, shuffled=not task.by_class,
        spare=_spare(run), resumed=itertools.islice(run.batches(1, 0), 1) if run.steps_per_epoch > 1 else None,
    )  # fmt: skip
    clean, rows = _part(ready, "train")
    epoch = [_pair(batch, task) for batch in itertools.islice(run.batches(0, 0), MOST_BATCHES)]
    order = [pair[1] for pair in epoch]
    patient.__dict__["train"] = Part(
        pairs=epoch, images=clean.images, labels=clean.labels, every_label=clean.every_label, whole=True,
        sizes=tuple(len(pair[0]) for pair in epoch), order=torch.cat(order).cpu() if clean.classed else None,
        classed=clean.classed,
    )  # fmt: skip
    if len(prepared.splits.val):
        patient.__dict__["held"] = _part(ready, "val")[0]
    chain = augmentations(prepared.recipe)
    patient.turned, patient.cues = _turns(chain), _cues(ready)
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


def _turns(chain: tuple[str, ...]) -> frozenset[str]:
    """What a chain of augmentations does to sides."""
    words = {word.partition("=")[0] for word in chain}
    found = {"mirror"} if mirrors(chain) else set()
    return frozenset(found | ({"turn"} if words & {"vertical-flip", "quarter-turns"} else set()))


def _cues(ready: Ready) -> dict[str, np.ndarray]:
    """What the files of the training pictures tell without being looked at; {} where they are no files."""
    prepared, manifest = ready.prepared, ready.prepared.manifest
    if manifest.kind != "files" or manifest.stats is None or ready.training.task is not CLASSIFY:
        return {}
    rows, sides = prepared.splits.train, prepared.scan.sides
    found = {"size": np.log(np.maximum(sides[rows], 1)), "file size": np.log(manifest.stats[rows, :1].clip(1))}
    told = {cue: values for cue, values in found.items() if np.ptp(values, axis=0).any()}
    return told | {"label": manifest.labels[rows][:, None]} if told else {}


def _spare(run: Training) -> str:
    """The head for classes of a net whose task asks another part; "" where it is the head that answers."""
    head = str(getattr(run.model, "head", ""))
    if run.task.asks:
        return f"model.{head}" if head else ""
    return head if run.task is EMBED else ""


def one_form(ready: Ready) -> Training:
    """The training; of one that holds several forms of a picture together the same with one, as batches of pairs."""
    run = ready.training
    return run if run.forms == 1 else assemble(ready.prepared.recipe.change(jsd=0.0), ready.prepared, run.model)


def knows(ready: Ready) -> bool:
    """Is it a training that the checks are made for: of answers to samples, and not of turns or views of them?"""
    return ready.prepared.recipe.pretext.method is None


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
    images, pairs = torch.cat([b.images.float() for b in fed]), [_pair(b, ready.training.task) for b in fed]
    told = torch.cat([pair[1] for pair in pairs])
    classed = ready.training.task in (CLASSIFY, REGRESS, EMBED)
    labels = torch.from_numpy(prepared.decoded.labels[rows].copy()) if classed else told
    return Part(
        pairs=pairs, images=images, labels=told, every_label=labels, sizes=tuple(len(b) for b in fed), whole=True,
        classed=classed,
    ), chosen  # fmt: skip


def _pair(batch: Batch, task: Task) -> Pair:
    """Pictures, and what a task's loss compares the answers with."""
    return batch.images, batch.labels if task is REGRESS else task.targets(batch)


def _again(images: torch.Tensor, told: torch.Tensor, task: Task) -> Batch:
    """The batch that a pair was taken from, as far as a step needs it."""
    ids = torch.arange(len(images), device=images.device)
    if task in (REGRESS, EMBED):
        return Batch(images, told, ids)
    if task is CLASSIFY:
        soft = told if told.ndim == 2 else None
        return Batch(images, told if soft is None else told.argmax(1), ids, soft)
    return Batch(images, torch.zeros_like(ids), ids, targets=told)


def _rates(run: Training) -> list[float]:
    total = run.steps_per_epoch * (run.recipe.train.epochs or 1)
    if run.recipe.schedule.schedule == "plateau":
        return []
    try:
        return [run.base_rate * run.schedule(int(s), []) for s in np.linspace(0, total - 1, min(total, RATES))]
    except (IndexError, ValueError):  # a schedule that follows what was measured
        return []
