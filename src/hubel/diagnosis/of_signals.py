"""Checks before the first step: answers in evaluation mode, units, sizes of gradients, the first loss."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import torch
from torch import nn

from hubel.diagnosis.activity import Layer
from hubel.diagnosis.checks import error, examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient, class_numbers, logits_of, plain_loss, weights_of
from hubel.diagnosis.starting import Start, start
from hubel.diagnosis.untouched import reseeded
from hubel.words import percent


@examines(
    "start",
    error("samples-mix", "start", "in evaluation mode an answer depends on what else is in the batch"),
    error("random-at-evaluation", "start", "in evaluation mode the same batch gets another answer the second time"),
    error(
        "input-ignored",
        "start",
        "the answer is the same whatever is shown",
        yields_to=("twin-units", "dead-units", "saturated", "vanishing-gradients"),
    ),
)
def ask_alone(patient: Patient) -> Iterator[Finding]:
    """The same sample alone, in two batches, and twice (prediction invariance: Breck et al., ML Test Score, 2017)."""
    it = start(patient)
    if it.failure is not None or it.logits is None or it.logits.ndim < 1 or not it.logits.is_floating_point():
        return
    images = it.pair[0][:16]
    if len(images) < 2:
        return
    it.model.eval()
    with torch.no_grad(), reseeded(3):
        whole, again = logits_of(it.model(images)), logits_of(it.model(images))
        try:
            alone = logits_of(it.model(images[:1]))
            half = logits_of(it.model(torch.cat([images[:1], images[len(images) // 2 :]])))
        except Exception:  # a batch of one may be refused; mixing is then what needs the batch
            alone = half = None
    if whole is None or again is None:
        return
    apart = float((whole - again).abs().max())
    largest = 1 + float(whole.abs().max())
    if apart > 1e-3 * largest:
        yield found(
            "random-at-evaluation", "after model.eval() the same batch gets another answer the second time",
            largest_difference=apart, largest_logit=largest - 1,
            mend="F.dropout(x, p, training=self.training); nn.Dropout as a module does so by itself",
            shown="model.eval(); model(images) - model(images)",
        )  # fmt: skip
        return
    if alone is not None and half is not None and alone.shape[1:] == whole.shape[1:]:
        gap = max(float((alone[0] - whole[0]).abs().max()), float((half[0] - whole[0]).abs().max()))
        if gap > 1e-3 * largest:
            yield found(
                "samples-mix", "after model.eval() an answer depends on what else is in the batch",
                largest_difference=gap, largest_logit=largest - 1,
                mend="batch norm with track_running_stats=True, and nothing in forward that takes means over the batch",
                shown="model.eval(); model(images)[0] - model(images[:1])[0]",
            )  # fmt: skip
            return
    spread = float(it.logits.float().std(0).max()) if len(it.logits) > 1 else 1.0
    rows = it.pair[0].flatten(1)
    if spread < 1e-6 * largest and len(it.logits) >= 8 and float(rows.float().std(0).max()) > 1e-3:
        yield found(
            "input-ignored", "the answer is the same whatever is shown", deviation_of_outputs=spread,
            samples=len(it.logits),
            mend="print(y.std(0)) after each layer in forward: the first that is 0 loses the picture",
            shown="model(images).std(0)",
        )  # fmt: skip


@examines(
    "start",
    warning(
        "initial-loss",
        "start",
        "the first loss is far above that of guessing: a head of too large weights",
        needs="logits",
    ),
    warning("dead-units", "start", "units that no sample activates", symptom=True),
    warning("saturated", "start", "units at the ends of their range", symptom=True),
    warning("vanishing-gradients", "start", "the first layers get hardly any gradient", symptom=True),
    warning("exploding-gradients", "start", "the gradient is far larger than the weights", symptom=True),
    warning("summed-loss", "start", "the loss grows with the batch: a sum instead of a mean"),
)
def look_at_signals(patient: Patient) -> Iterator[Finding]:
    """What flows forward and backward before the first step."""
    it = start(patient)
    if it.failure is not None or it.value is None or it.value.ndim:
        return
    yield from judge_layers(it.layers, "before the first step")
    yield from judge_gradients(it.model, it.gradients)
    yield from _first_loss(it)
    yield from _summed(it)


def judge_layers(layers: list[Layer], when: str) -> Iterator[Finding]:
    """Dead and saturated layers, the worst of each."""
    dead = [one for one in layers if one.kind == "relu" and one.idle > 0.5 and one.units >= 4]
    if dead:
        worst = max(dead, key=lambda one: one.idle)
        yield found(
            "dead-units", f"{percent(worst.idle, 0)} of the units in {worst.where!r} are active for no sample, {when}",
            share=worst.idle, units=worst.units, layers=len(dead),
            mend="a tenth of the learning rate, and nn.LeakyReLU or he-normal weights: --initialise he-normal",
            settings={"initialise": "he-normal"}, shown="(relu_output > 0).any(0).float().mean()",
        )  # fmt: skip
    full = [one for one in layers if one.kind in ("tanh", "sigmoid") and one.idle > 0.5]
    if full:
        worst = max(full, key=lambda one: one.idle)
        yield found(
            "saturated",
            f"{percent(worst.idle, 0)} of the outputs of the {worst.kind} in {worst.where!r} are at the ends of "
            f"its "
            f"range, {when}", share=worst.idle, units=worst.units, layers=len(full),
            mend="normalise the inputs, and smaller initial weights: --initialise xavier-normal",
            settings={"initialise": "xavier-normal"}, shown="(tanh_output.abs() > 0.99).float().mean()",
        )  # fmt: skip


def judge_gradients(model: nn.Module, gradients: dict[str, torch.Tensor | None]) -> Iterator[Finding]:
    """Norms of gradients relative to the weights, first layer against last."""
    ratios = {}
    for name, p in weights_of(model):
        g = gradients.get(name)
        if p.requires_grad and g is not None and float(p.detach().norm()) > 0:
            ratios[name] = float(g.norm()) / float(p.detach().norm())
    if len(ratios) < 3:
        return
    (first, low), (last, high) = next(iter(ratios.items())), list(ratios.items())[-1]
    total = sum(float(g.square().sum()) for g in gradients.values() if g is not None) ** 0.5
    weights = sum(float(p.detach().square().sum()) for p in model.parameters()) ** 0.5
    if low < 1e-4 * high:
        yield found(
            "vanishing-gradients", f"{first!r} gets {low / high if high else 0:.2g} of the gradient of {last!r}",
            first=low, last=high, ratio=low / high if high else 0.0,
            mend="ReLU instead of sigmoid, batch norm between layers, or --initialise he-normal",
            settings={"initialise": "he-normal"}, shown="hubel gradient-flow RUN; p.grad.norm() / p.norm() by layer",
        )  # fmt: skip
    elif total > 1e3 * max(1.0, weights) or low > 1e4 * high > 0:
        yield found(
            "exploding-gradients", f"the gradient is {total / max(1e-12, weights):.2g} times as large as the weights",
            gradient=total, weights=weights, first=low, last=high,
            mend="--clip-grad 1, and smaller initial weights: --initialise he-normal",
            settings={"clip_grad": 1.0, "initialise": "he-normal"}, shown="p.grad.norm() / p.norm() by layer",
        )  # fmt: skip


def _first_loss(it: Start) -> Iterator[Finding]:
    logits = it.logits
    if it.takes != "logits" or it.kind != "logits" or logits is None or logits.ndim != 2:
        return
    assert it.value is not None
    usual, value = math.log(logits.shape[1]), float(it.value)
    labels = class_numbers(it.pair[1])
    if labels is None:
        return
    plain = float(plain_loss(logits, it.pair[1], "logits"))
    if min(plain, value) > 3 * usual and plain > usual + 1:
        yield found(
            "initial-loss", f"the first loss is {plain:.3g}, and guessing has {usual:.3g}", loss=plain, guessing=usual,
            largest_logit=float(logits.abs().max()),
            mend="smaller weights in the last layer: nn.init.normal_(head.weight, std=0.01)",
            shown="loss(model(images), labels), math.log(classes)",
        )  # fmt: skip


def _summed(it: Start) -> Iterator[Finding]:
    if not isinstance(it.output, torch.Tensor):
        return
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            once = float(it.loss(it.output, it.pair[1]))
            twice = float(it.loss(torch.cat([it.output] * 2), torch.cat([it.pair[1]] * 2)))
    except Exception:  # a loss of the user's own may refuse this in any way
        return
    if abs(once) > 1e-6 and abs(twice / once - 2) < 0.01:
        yield found(
            "summed-loss", "the loss of a batch shown twice is twice as large: it is a sum, and the rate depends on "
            "the "
            "batch size", once=once, twice=twice, mend="reduction='mean'",
            shown="loss(torch.cat([outputs] * 2), torch.cat([labels] * 2)) / loss(outputs, labels)",
        )  # fmt: skip
