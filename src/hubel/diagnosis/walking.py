"""Steps on a copy, by the user's own `step` where one was given, and what is seen on the way."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.diagnosis.patient import Patient, weights_of
from hubel.diagnosis.starting import start
from hubel.diagnosis.untouched import reseeded

STEPS = 60

TRIES = 4
"""Lower rates that are tried where one is too high."""

EVERY = 5
"""Steps between two looks at the weights."""


@dataclass(eq=False)
class Walk:
    """Steps on a copy, and what was seen on the way."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    before: dict[str, torch.Tensor]
    rate: float
    """The learning rate before the first step."""
    losses: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    """Median over layers of |change| / |weight|, of steps that were looked at."""
    calls: list[list[str]] = field(default_factory=list)
    """What each of the first steps did: "backward", "step"."""
    stale: int = 0
    """Steps that began with gradients of the step before."""
    empty: int = 0
    """Updates for which no gradient was there, though one had been computed."""
    gradients: dict[str, torch.Tensor | None] = field(default_factory=dict)
    """At the last update."""
    decayed: float = 1.0
    """Norm of the weights at the end, of that at the start."""
    failure: Exception | None = None
    modes: set[bool] = field(default_factory=set)
    """Training flags of the net during its steps."""
    elsewhere: bool = False
    """Did the user's step move another net than the one it was given?"""

    @property
    def made(self) -> int:
        """Steps that were made."""
        return len(self.losses)

    def early(self) -> float:
        """Mean of the first three losses."""
        return float(np.mean(self.losses[:3]))

    def late(self) -> float:
        """Median of the last ten."""
        return float(np.median(self.losses[-10:]))

    def runs_away(self) -> bool:
        """Does the loss run away, or do the weights jump without it falling?"""
        first, late, positive = max(self.losses[0], 1e-12), self.late(), self.early() > 0
        typical = float(np.median(self.updates)) if self.updates else 0.0
        wild = max(self.losses[1:], default=self.early()) > 10 * first and positive
        restless = typical > 0.1 and late > 0.9 * self.losses[0] and late > 0
        return wild or restless or (late > 2 * first and positive)


@dataclass(eq=False)
class Plainly:
    """Forward, backward, update: the loop that everybody writes, or the user's own step."""

    patient: Patient
    model: nn.Module
    optimiser: torch.optim.Optimizer
    loss: Any

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        """One update; the loss before it."""
        if self.patient.step is not None:
            with torch.no_grad(), reseeded(11):
                own = copy.deepcopy(self.model.state_dict())
                value = float(self.loss(self.model(images), labels))
                self.model.load_state_dict(own)
            self.patient.step(self.model, images, labels, self.optimiser)
            return value
        self.model.train()
        self.optimiser.zero_grad(set_to_none=True)
        value_ = self.loss(self.model(images), labels)
        value_.backward()
        self.optimiser.step()
        return float(value_.detach())


def calm_rate(patient: Patient, rate: float) -> float:
    """A tenth of a rate that is too high, or a tenth of that, and so on: the first with which as many steps run calmly.

    Tried on copies, at most TRIES times and while there is time; a rate that could not be tried is a guess.
    """
    share = 1.0
    for _ in range(TRIES):
        share /= 10
        if patient.left < 0.3 * patient.seconds:
            break
        it = _walked(patient, share)
        if it is None or it.failure is not None:
            break
        if all(map(math.isfinite, it.losses)) and not it.runs_away():
            break
    return rate * share


def walk(patient: Patient) -> Walk | None:
    """The steps, made once; None where there is nothing that learns, or nothing that could be run."""
    known: dict[str, Any] = patient.__dict__.setdefault("_walk", {})
    if "it" not in known:
        known["it"] = _walked(patient)
    it: Walk | None = known["it"]
    return it


def _walked(patient: Patient, share: float = 1.0) -> Walk | None:
    """Steps on a fresh copy, at a share of the learning rate."""
    begun = start(patient)
    if begun.failure is not None or begun.value is None or begun.value.ndim:
        return None
    if patient.stepper is not None:
        stepping = patient.stepper()
    else:
        model, optimiser, loss = patient.copied()
        if optimiser is None:
            asleep = [p for p in model.parameters() if p.requires_grad]
            if not asleep:
                return None
            optimiser = torch.optim.Adam(asleep, lr=1e-3)
        stepping = Plainly(patient, model, optimiser, loss)
    model, optimiser = stepping.model, stepping.optimiser
    model.train()
    for group in optimiser.param_groups:
        for name in {"lr", "base_lr"} & set(group):
            group[name] = group[name] * share
    rate = float(optimiser.param_groups[0]["lr"]) if patient.rate is None else patient.rate
    it = Walk(model, optimiser, {name: p.detach().clone() for name, p in model.named_parameters()}, rate)
    for p in model.parameters():
        p.grad = None
    handles = _overhear(it)
    others = [(p, p.detach().clone()) for p in patient.model.parameters()]
    pairs = patient.train.pairs
    with reseeded(5):
        try:
            for number in range(STEPS):
                looked = number % EVERY == 0
                old = {name: p.detach().clone() for name, p in weights_of(model)} if looked else {}
                it.calls.append([])
                value = stepping.step(*pairs[number % len(pairs)])
                it.losses.append(value)
                if looked:
                    it.updates.append(_moved(old, model))
                if not math.isfinite(value) or (patient.left < 0.3 * patient.seconds and number >= 20):
                    break
        except Exception as failure:  # whatever the user's step raises is the finding
            it.failure = failure
        finally:
            for handle in handles:
                handle.remove()
    it.elsewhere = any(not torch.equal(p, old) for p, old in others)
    norm = sum(float(p.detach().square().sum()) for _, p in weights_of(model)) ** 0.5
    began = sum(float(it.before[name].square().sum()) for name, _ in weights_of(model)) ** 0.5
    it.decayed = norm / began if began else 1.0
    return it


def _overhear(it: Walk) -> list[Any]:
    """Note each gradient as it comes and each update, on the copy only."""
    fresh: set[int] = set()
    first: list[nn.Parameter] = [p for p in it.model.parameters() if p.requires_grad]

    def arrived(gradient: torch.Tensor, parameter: nn.Parameter) -> None:
        calls = it.calls[-1]
        if not calls or calls[-1] != "backward":
            calls.append("backward")
        old = parameter.grad if "updated" in known and id(parameter) not in fresh else None
        if old is not None and bool(old.count_nonzero()):
            known["stale"] = True
        fresh.add(id(parameter))

    known: dict[str, bool] = {}

    def update(optimiser: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        it.calls[-1].append("step")
        it.modes.add(it.model.training)
        held = [p for group in optimiser.param_groups for p in group["params"]]
        if "backward" in it.calls[-1] and all(p.grad is None or not bool(p.grad.count_nonzero()) for p in held):
            it.empty += 1
        it.gradients = {n: None if p.grad is None else p.grad.detach().clone() for n, p in it.model.named_parameters()}
        it.stale += known.pop("stale", False)
        known["updated"] = True
        fresh.clear()

    def hook(parameter: nn.Parameter) -> Any:
        return parameter.register_hook(lambda gradient: arrived(gradient, parameter))

    return [*(hook(p) for p in first), it.optimiser.register_step_pre_hook(update)]


def _moved(old: dict[str, torch.Tensor], model: nn.Module) -> float:
    shares = [
        float((p.detach() - old[name]).norm() / old[name].norm().clamp_min(1e-12))
        for name, p in weights_of(model) if p.requires_grad and name in old
    ]  # fmt: skip
    return float(np.median(shares)) if shares else 0.0


def plural_steps(count: int) -> str:
    """A number of steps in words."""
    return f"{count} step" + ("" if count == 1 else "s")
