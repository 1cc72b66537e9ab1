"""What is examined: a net, a loss, batches, and what else belongs to a training. Nothing here knows a recipe.

Letters: N samples, B batch, C H W channels, height and width, F numbers of a point, K outputs.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hubel.data.mirrors import Mirrors
from hubel.diagnosis.checks import Need
from hubel.errors import UsageError

MOST_SAMPLES = 2_000
"""Samples of a split that are looked at together."""
MOST_NUMBERS = 40_000_000
"""Numbers that they have at most."""
MOST_BATCHES = 60
"""Batches that are kept for steps."""
SECONDS = 5.0
"""Seconds that reading a split may take."""

Pair = tuple[torch.Tensor, torch.Tensor]
"""Images (B C H W, or B F) and labels (B whole numbers; B or B 1 numbers; B K shares of classes)."""
Loss = Callable[[Any, torch.Tensor], torch.Tensor]
Aim = Literal["classes", "numbers", "other"]
"""Labels that are classes, a logit for each; labels that are numbers; or masks, pictures, pairs, several labels."""


class Stepping(Protocol):
    """Somebody who makes steps of a training on copies."""

    @property
    def model(self) -> nn.Module:
        """The copy that moves."""

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """What moves it."""

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One update; the loss before it."""


@dataclass(kw_only=True)
class Patient:
    """A training as the doctor sees it; what is None was not given, and what needs it is not checked."""

    name: str
    model: nn.Module
    loss: Loss
    batches: Iterable[Any]
    optimiser: torch.optim.Optimizer | None = None
    val: Iterable[Any] | None = None
    step: Callable[..., Any] | None = None
    """(model, images, labels, optimiser): the user's own update."""
    evaluate: Callable[..., Any] | None = None
    """(model, batches) -> accuracy: the user's own measurement."""
    predict: Callable[..., Any] | None = None
    """(model, images) -> logits: how the user's program answers."""
    schedule: Any = None
    """A scheduler of torch that belongs to the optimiser."""
    ticks: int | None = None
    """How often it is stepped in the whole run."""
    classes: tuple[str, ...] = ()
    frozen: tuple[str, ...] | None = None
    """Beginnings of names of parameters that are meant not to learn."""
    accumulate: int = 1
    """Backward passes for each update."""
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None
    """Images as they are -> images as training shows them."""
    stepper: Callable[[], Stepping] | None = None
    """Makes what makes steps, where it is no plain loop."""
    rate: float | None = None
    """The learning rate as the user says it, where that is not the optimiser's."""
    rates: list[float] | None = None
    """Of the whole run, where they are known without a scheduler."""
    mirrors: Mirrors | None = None
    """Whether mirror images look like samples, where training shows mirror images."""
    shuffled: bool = True
    """Are batches expected to be mixed?"""
    spare: str = ""
    """A part of the net that is not asked for its answer here, and so need not learn."""
    average: nn.Module | None = None
    """The net with averaged weights, which is measured and shipped."""
    test: Iterable[Any] | None = None
    resumed: Iterable[Any] | None = None
    """What a program that was stopped after an epoch reads next."""
    turned: frozenset[str] = frozenset()
    """What training does to pictures, of "mirror" and "turn"."""
    cues: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What is known of the files of the training samples, by name: N F numbers; and "label", N 1."""
    task: str = ""
    """What it is trained for, where that is neither classes nor numbers."""
    seconds: float = 20.0
    """That all of it may take, about."""
    began: float = field(default_factory=time.perf_counter)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.seconds - (time.perf_counter() - self.began)

    @cached_property
    def device(self) -> torch.device:
        """Where the net is."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    @cached_property
    def train(self) -> Part:
        """Its training samples, as far as they are looked at."""
        return read(self.batches, "batches", self.device)

    @cached_property
    def held(self) -> Part | None:
        """Its validation samples."""
        return None if self.val is None else read(self.val, "val", self.device)

    @cached_property
    def tested(self) -> Part | None:
        """Its test samples."""
        return None if self.test is None else read(self.test, "test", self.device)

    def copied(self) -> tuple[nn.Module, torch.optim.Optimizer | None, Loss]:
        """Model, optimiser and loss as they stand, sharing nothing with the originals."""
        model, optimiser, loss = copy.deepcopy((self.model, self.optimiser, self.loss))
        return model, optimiser, loss

    def check_copies(self) -> None:
        """Raise UsageError for a net that cannot be copied, since everything is done on copies."""
        if any(isinstance(p, nn.parameter.UninitializedParameter) for p in self.model.parameters()):
            raise UsageError("the net has layers that do not know their size yet", hint="model(images) once, before")
        try:
            self.copied()
        except Exception as failure:  # whatever a module of the user's own holds may refuse in any way
            raise UsageError(
                f"net, optimizer and loss must be such that they can be copied: {type(failure).__name__}: {failure}",
                hint="copy.deepcopy(model) must work: locks, files and generators do not belong into a module",
            ) from None

    @cached_property
    def aim(self) -> Aim:
        """What the net's answers are held against."""
        if self.task:
            return "other"
        if self.train.classes is not None:
            return "classes"
        labels = self.train.labels
        return "numbers" if labels.is_floating_point() and labels[0].numel() == 1 else "other"

    def offers(self, need: Need) -> bool:
        """Is what a check needs there?"""
        if need == "classes":
            return self.train.classes is not None
        return need == "anything" or self.aim == "classes" or (need == "reference" and self.aim == "numbers")

    def named(self, label: int) -> str:
        """What a class is called."""
        return self.classes[label] if 0 <= label < len(self.classes) else f"class {label}"

    def intends(self, name: str) -> bool:
        """Is a parameter meant not to learn?"""
        return any(name == start or name.startswith(f"{start}.") for start in self.frozen or ())


@dataclass(kw_only=True, eq=False)
class Part:
    """Samples of a split as they were read."""

    pairs: list[Pair]
    """At most MOST_BATCHES of them, in their order."""
    images: torch.Tensor
    """N …, of at most MOST_SAMPLES samples."""
    labels: torch.Tensor
    """Of the same N."""
    every_label: torch.Tensor
    """Of all samples that were read, in the order in which they came."""
    sizes: tuple[int, ...]
    """Of the batches that were read."""
    whole: bool
    """Was all of it read?"""
    order: torch.Tensor | None = None
    """Labels in the order of an epoch, where `every_label` is in another one."""
    classed: bool = True
    """May labels be classes? Several labels of a sample look like shares of classes."""

    @cached_property
    def classes(self) -> torch.Tensor | None:
        """N class numbers; None where labels are numbers."""
        return class_numbers(self.labels) if self.classed else None

    @cached_property
    def every_class(self) -> torch.Tensor | None:
        """The same of every label."""
        return class_numbers(self.every_label) if self.classed else None

    @property
    def pictures(self) -> bool:
        """Are the samples pictures (C H W)?"""
        return self.images.ndim == 4

    @property
    def first(self) -> Pair:
        """The first batch."""
        return self.pairs[0]


def class_numbers(labels: torch.Tensor) -> torch.Tensor | None:
    """Labels as class numbers, int64: those of shares (B K) are the largest; None for numbers.

    >>> class_numbers(torch.tensor([[0.2, 0.8]])), class_numbers(torch.tensor([1.5]))
    (tensor([1]), None)
    """
    if not labels.is_floating_point():
        return labels.long().flatten() if labels.ndim == 1 or labels.shape[1:].numel() == 1 else None
    shares = labels.ndim == 2 and labels.shape[1] > 1 and bool((labels >= 0).all())
    return labels.argmax(1) if shares and bool(((labels.sum(1) - 1).abs() < 1e-3).all()) else None


def read(batches: Iterable[Any], name: str, device: torch.device, *, seconds: float = SECONDS) -> Part:
    """The first samples of a source of batches. Raises UsageError for what is none."""
    pairs: list[Pair] = []
    images: list[torch.Tensor] = []
    kept: list[torch.Tensor] = []
    every: list[torch.Tensor] = []
    sizes: list[int] = []
    count, whole, started = 0, True, time.perf_counter()
    for batch in batches:
        pair = as_pair(batch, name, device)
        sizes.append(len(pair[0]))
        every.append(pair[1].detach().cpu())
        if len(pairs) < MOST_BATCHES:
            pairs.append(pair)
        most = min(MOST_SAMPLES, max(16, MOST_NUMBERS // max(1, pair[0][0].numel()))) if len(pair[0]) else 0
        if count < most:
            images.append(pair[0][: most - count].detach().cpu())
            kept.append(pair[1][: most - count].detach().cpu())
            count += len(images[-1])
        if time.perf_counter() - started > seconds and len(pairs) >= 2:
            whole = False
            break
    if not count:
        raise UsageError(f"{name} must hold at least one batch of images and labels, got none", hint="check the loader")
    return Part(
        pairs=[pair for pair in pairs if len(pair[0])], images=torch.cat(images).float(), labels=torch.cat(kept),
        every_label=torch.cat(every), sizes=tuple(sizes), whole=whole,
    )  # fmt: skip


def as_pair(batch: Any, name: str, device: torch.device) -> Pair:
    """Images and labels of a batch in one of the usual forms; raises UsageError for others."""
    if isinstance(batch, Mapping):
        images = next((batch[k] for k in ("images", "image", "pixel_values", "inputs", "x") if k in batch), None)
        labels = next((batch[k] for k in ("labels", "label", "targets", "target", "y") if k in batch), None)
    elif hasattr(batch, "images") and hasattr(batch, "labels"):
        soft = getattr(batch, "soft_labels", None)
        images, labels = batch.images, batch.labels if soft is None else soft
    elif isinstance(batch, (tuple, list)) and len(batch) >= 2:
        images, labels = batch[0], batch[1]
    else:
        images = labels = None
    if not isinstance(images, torch.Tensor) or not isinstance(labels, torch.Tensor):
        raise UsageError(
            f"{name} must give pairs of tensors, images and labels; got {type(batch).__name__}",
            hint="for images, labels in loader: … is how they are read",
        )
    if images.ndim < 2 or len(images) != len(labels):
        raise UsageError(
            f"{name} must give as many labels as images; got images {tuple(images.shape)}, labels "
            f"{tuple(labels.shape)}",
            hint="the first dimension of both is the batch",
        )
    return images.to(device), labels.to(device)


def logits_of(output: Any) -> torch.Tensor | None:
    """The tensor of answers in what a net returns; None where there is none."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, Mapping):
        output = [output[key] for key in ("logits", "out", "output") if key in output] or list(output.values())
    elif hasattr(output, "logits"):
        output = [output.logits]
    if isinstance(output, (tuple, list)):
        return next((part for part in output if isinstance(part, torch.Tensor)), None)
    return None


def plain_loss(output: torch.Tensor, labels: torch.Tensor, kind: str) -> torch.Tensor:
    """The reference: cross-entropy of logits, log-likelihood of (log-)probabilities, or squared error."""
    if kind == "numbers":
        return F.mse_loss(output.float().reshape(len(output), -1), labels.float().reshape(len(labels), -1))
    classes = class_numbers(labels)
    assert classes is not None
    if kind == "probabilities":
        return F.nll_loss(torch.log(output.float().clamp_min(1e-12)), classes)
    return F.cross_entropy(output.float(), classes)


def weights_of(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Matrices and kernels by name."""
    return ((name, p) for name, p in model.named_parameters() if p.ndim >= 2)
