"""Checks by what sixty steps on a copy have done: losses, moves, units, batch norm."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from hubel.diagnosis.activity import listen
from hubel.diagnosis.checks import error, examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.norms import losses_by_statistics, running
from hubel.diagnosis.of_signals import judge_gradients, judge_layers
from hubel.diagnosis.patient import Pair, Patient
from hubel.diagnosis.starting import FEWEST, start
from hubel.diagnosis.walking import Walk, calm_rate, plural_steps, walk
from hubel.words import percent

HARDLY = 1e-4
"""Change of the weights in a step, of their size, below which next to nothing is learnt."""


@examines(
    "steps",
    error("not-finite", "steps", "the loss or a weight becomes NaN or infinite", symptom=True),
    warning("diverges", "steps", "the loss runs away: the learning rate is too high", symptom=True),
    warning("learns-hardly", "steps", "weights hardly move: the learning rate is too low", symptom=True),
    error("does-not-move", "steps", "a weight that has a gradient stays where it is"),
    error("moves-though-frozen", "steps", "a weight or statistic that is meant to stay changes"),
    warning("decay-outweighs", "steps", "the weights shrink instead of learning", symptom=True),
)
def judge_steps(patient: Patient) -> Iterator[Finding]:
    """Losses, moves and norms over the steps."""
    it = walk(patient)
    if it is None or it.made < 3:
        return
    rate = it.rate
    early, losses = it.early(), it.losses
    known = [value for value in losses if math.isfinite(value)]
    yield from _frozen_moves(patient, it)
    if len(known) < len(losses) or not all(bool(torch.isfinite(p).all()) for p in it.model.parameters()):
        yield found(
            "not-finite", f"the loss is not finite after {plural_steps(len(known))}", steps=len(known), lr=rate,
            first_loss=losses[0], mend=f"--lr {(lower := calm_rate(patient, rate)):.2g}, or --clip-grad 1",
            settings={"lr": lower},
            shown=f"{len(known) + 1} steps on a copy",
        )  # fmt: skip
        return
    base = abs(early) + 1e-12
    peak, late = max(losses[1:], default=early), it.late()
    typical = float(np.median(it.updates)) if it.updates else 0.0
    weight_decay = max(float(g.get("weight_decay", 0.0)) for g in it.optimiser.param_groups)
    shrunk = it.decayed < 0.5 and weight_decay > 0
    if shrunk and late > 0.5 * early:
        yield found(
            "decay-outweighs",
            f"after {plural_steps(it.made)} the weights have {percent(it.decayed, 0)} of their size, and "
            f"the "
            "loss has not fallen", weight_decay=weight_decay, lr=rate, size_left=it.decayed, loss_before=early,
            loss_after=late, mend="--weight-decay 5e-4; in torch: weight_decay=5e-4", settings={"weight_decay": 5e-4},
            shown=f"{it.made} steps on a copy, and the norm of the weights",
        )  # fmt: skip
    elif it.runs_away():
        yield found(
            "diverges", "the loss runs away: the learning rate is too high", lr=rate, first_loss=losses[0],
            highest=peak, last=late, change_a_step=typical,
            mend=f"--lr {(lower := calm_rate(patient, rate)):.2g}; hubel probe DATA finds one", settings={"lr": lower},
            shown=f"{it.made} steps on a copy",
        )  # fmt: skip
    elif patient.optimiser is not None and typical < HARDLY and late > 0.9 * early and it.made >= 20:
        yield found(
            "learns-hardly", f"a step changes weights by {typical:.1g} of their size, and the loss stays",
            lr=rate, change_a_step=typical, loss_before=early, loss_after=late, relative=late / base,
            mend=f"--lr {rate * 100:.2g}; hubel probe DATA finds one", settings={"lr": rate * 100},
            shown=f"{it.made} steps on a copy",
        )  # fmt: skip
    if patient.optimiser is not None:
        held = {id(p) for g in it.optimiser.param_groups for p in g["params"]}
        with_gradient = [
            name for name, p in it.model.named_parameters()
            if p.requires_grad and id(p) in held and it.gradients.get(name) is not None
            and float(it.gradients[name].norm()) > 1e-6  # type: ignore[union-attr]
        ]  # fmt: skip
        still = [name for name in with_gradient if torch.equal(it.model.get_parameter(name), it.before[name])]
        if still and rate > 0 and it.made >= 5 and typical >= 0 and len(still) < len(with_gradient):
            yield found(
                "does-not-move", f"{still[0]!r} has a gradient and does not move", tensors=len(still), steps=it.made,
                mend="give the group that holds it a learning rate above 0",
                shown="[g['lr'] for g in optimizer.param_groups]",
            )  # fmt: skip


def _frozen_moves(patient: Patient, it: Walk) -> Iterator[Finding]:
    if not patient.frozen:
        return
    moved = [
        name for name, p in it.model.named_parameters()
        if patient.intends(name) and not torch.equal(p, it.before[name]) and not p.requires_grad
    ]  # fmt: skip
    statistics = {
        f"{name}.running_mean" for name, m in it.model.named_modules()
        if isinstance(m, _BatchNorm) and m.running_mean is not None and patient.intends(f"{name}.weight")
    }  # fmt: skip
    buffers = dict(patient.model.named_buffers())
    changed = [name for name, b in it.model.named_buffers() if name in statistics and not torch.equal(b, buffers[name])]
    if moved or changed:
        first = (moved or changed)[0]
        yield found(
            "moves-though-frozen", f"{first!r} is meant to be frozen, and changes in training", tensors=len(moved),
            statistics=len(changed), steps=it.made,
            mend="layer.eval() after model.train(), for the batch norm of frozen layers" if changed
            else "leave it out of the optimiser",
            shown="the same tensor before and after a few steps", severity="error" if moved else "warning",
        )  # fmt: skip


@examines(
    "steps",
    warning("units-die", "steps", "units that no sample activates any more after some steps", symptom=True),
    warning("gradients-vanish", "steps", "after some steps the first layers get hardly any gradient", symptom=True),
    warning(
        "batch-norm-lags",
        "steps",
        "batch norm's running statistics are far from those of the batches",
        yields_to=("diverges", "not-finite", "units-die"),
    ),
)
def look_again(patient: Patient) -> Iterator[Finding]:
    """Units, gradients and batch norm after the steps."""
    it = walk(patient)
    if it is None or it.made < 20 or not all(bool(torch.isfinite(p).all()) for p in it.model.parameters()):
        return
    rate = it.rate
    pairs = patient.train.pairs
    images = torch.cat([pair[0] for pair in pairs[:64]])[:256]
    it.model.train()
    state = copy.deepcopy(it.model.state_dict())
    layers = listen(it.model, images) if len(images) >= FEWEST else []
    it.model.load_state_dict(state)
    before = {one.where: one.idle for one in start(patient).layers if one.kind == "relu"}
    for one in judge_layers(layers, f"after {plural_steps(it.made)}"):
        if one.id == "dead-units" and max(before.values(), default=0.0) <= 0.5:
            evidence = {key.replace(" ", "_"): value for key, value in one.evidence.items()}
            yield found(
                "units-die", one.title, also=evidence, lr=rate, mend=f"--lr {rate / 10:.2g}, or nn.LeakyReLU",
                settings={"lr": rate / 10}, shown=one.reproduction,
            )  # fmt: skip
    for one in judge_gradients(it.model, it.gradients):
        if one.id == "vanishing-gradients" and not any(
            two.id == one.id for two in judge_gradients(it.model, start(patient).gradients)
        ):
            evidence = {key.replace(" ", "_"): value for key, value in one.evidence.items()}
            yield found(
                "gradients-vanish",
                one.title,
                also=evidence,
                mend=one.mend,
                shown=one.reproduction,
                settings=one.settings,
            )
    yield from _batch_norm(patient, it, pairs[: min(len(pairs), 8)])


def _batch_norm(patient: Patient, it: Walk, pairs: list[Pair]) -> Iterator[Finding]:
    norms = running(it.model)
    if not norms or it.modes == {False}:
        return
    own, calm = losses_by_statistics(it.model, patient.copied()[2], pairs)
    lazy = [n for n, m in norms.items() if m.momentum is not None and m.momentum < 0.02]
    if own > (1.3 * calm + 0.05 if lazy else 3 * calm + 1):
        name, module = next(iter(norms.items()))
        yield found(
            "batch-norm-lags", "in evaluation mode the loss is far worse than with fresh statistics of batch norm",
            loss_as_it_is=own, with_fresh_statistics=calm, momentum=float(module.momentum or 0.0),
            mend="nn.BatchNorm2d(…, momentum=0.1): what is new counts a tenth (Keras counts the other way round)",
            shown=f"model.eval(); loss(…), against a copy with {name}.reset_running_stats() and momentum=None",
        )  # fmt: skip
