"""A copy of the net before its first step: its answers, its loss, its gradients, computed once for all checks.

Letters: B batch, K outputs.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn

from hubel.diagnosis.activity import Layer, listen
from hubel.diagnosis.patient import Pair, Patient, logits_of
from hubel.diagnosis.untouched import reseeded

FEWEST = 32
"""Samples of which units can be said to be dead."""
SAMPLES = 256
"""Samples that are looked at in one forward pass."""


@dataclass(eq=False)
class Start:
    """What a copy of the net does with the first samples."""

    patient: Patient
    model: nn.Module
    loss: Any
    failure: Exception | None = None
    gradients: dict[str, torch.Tensor | None] = field(default_factory=dict)
    output: Any = None
    value: torch.Tensor | None = None
    said: list[str] = field(default_factory=list)

    @cached_property
    def pair(self) -> Pair:
        """At most SAMPLES of the first samples."""
        images, labels = self.patient.train.first
        return images[:SAMPLES], labels[:SAMPLES]

    @cached_property
    def logits(self) -> torch.Tensor | None:
        """What the net answers in evaluation mode, without gradient: B K."""
        self.model.eval()
        with torch.no_grad():
            return logits_of(self.model(self.pair[0]))

    @cached_property
    def wild(self) -> torch.Tensor | None:
        """Its answers to noise a thousand times as large as usual inputs."""
        self.model.eval()
        with torch.no_grad(), reseeded(7):
            images = self.pair[0].float()
            return logits_of(self.model(torch.randn_like(images) * 1000 * images.std().clamp_min(1e-3)))

    @cached_property
    def layers(self) -> list[Layer]:
        """What its non-linear parts do with samples of all kept batches, in training mode."""
        images = torch.cat([pair[0] for pair in self.patient.train.pairs[:64]])[:SAMPLES]
        self.model.train()
        return listen(self.model, images) if len(images) >= FEWEST else []

    @cached_property
    def kind(self) -> str:
        """What the head gives: "logits", "probabilities", "log-probabilities", "numbers", or "other"."""
        if self.patient.aim != "classes":
            return self.patient.aim
        logits = self.logits
        if logits is None or logits.ndim != 2 or logits.shape[1] < 2:
            return "logits"
        both = logits if self.wild is None else torch.cat([logits, self.wild])
        both = both[torch.isfinite(both).all(1)].double()
        if len(both) and bool((both >= 0).all()) and float((both.sum(1) - 1).abs().max()) < 1e-4:
            return "probabilities"
        if len(both) and bool((both <= 1e-6).all()) and float(both.logsumexp(1).abs().max()) < 1e-4:
            return "log-probabilities"
        return "logits"

    @cached_property
    def takes(self) -> str:
        """What the loss takes, by how it moves when all outputs are raised by 3: "logits" (not at all, since it
        normalises them), "log-probabilities" (by -3), else "other".
        """
        logits = self.logits
        if self.patient.aim == "other" or logits is None or self.value is None:
            return "other"
        if not isinstance(self.output, torch.Tensor):
            return "other"
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                noise = torch.linspace(-1, 1, logits.numel(), device=logits.device).reshape(logits.shape)
                one = float(self.loss(noise, self.pair[1]))
                other = float(self.loss(noise + 3, self.pair[1]))
        except Exception:  # a loss of the user's own may refuse these numbers in any way
            return "other"
        moved = other - one
        if abs(moved) < 1e-3 * (1 + abs(one)):
            return "logits"
        return "log-probabilities" if abs(moved + 3) < 1e-2 or abs(moved + 3 * len(logits)) < 1e-1 else "other"


def start(patient: Patient) -> Start:
    """The copy, its loss and its gradients, computed once."""
    known: dict[str, Any] = patient.__dict__.setdefault("_start", {})
    if "it" not in known:
        model, _, loss = patient.copied()
        it = Start(patient, model, loss)
        known["it"] = it
        model.train()
        for p in model.parameters():
            p.grad = None
        try:
            with reseeded(1), warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                it.output = model(it.pair[0])
                it.value = loss(it.output, it.pair[1])
                it.said = [str(each.message) for each in told]
                if it.value.requires_grad and it.value.ndim == 0:
                    it.value.backward()
        except Exception as failure:  # whatever the user's net and loss raise is the finding
            it.failure = failure
        it.gradients = {name: p.grad for name, p in model.named_parameters()}
    found_: Start = known["it"]
    return found_
