"""Checks before the first step: where the gradient comes from, what it depends on, and where it leads."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import torch
from torch import nn

from hubel.diagnosis.checks import error, examines, found
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient, class_numbers, logits_of, plain_loss, weights_of
from hubel.diagnosis.starting import Start, start


@examines(
    "start",
    error("no-gradient", "start", "the loss is cut off from the net: detach(), .data, .item() or no_grad"),
    error("ignores-labels", "start", "the loss is the same whatever the labels are"),
    error(
        "wrong-direction",
        "start",
        "a small step along the loss's gradient makes answers worse",
        yields_to=("random-at-evaluation", "not-finite-inputs"),
        needs="reference",
    ),
    error("part-cut-off", "start", "a weight that is used or meant to learn gets no gradient"),
    error("twin-units", "start", "all units of a layer are equal, and stay so: constant initial weights"),
)
def follow_gradient(patient: Patient) -> Iterator[Finding]:
    """Where the gradient comes from, what it depends on, and where it leads."""
    it = start(patient)
    if it.failure is not None or it.value is None or it.value.ndim:
        return
    learns = any(p.requires_grad for p in it.model.parameters())
    if not it.value.requires_grad:
        if learns:
            yield found(
                "no-gradient", "the loss does not depend on the net: its graph is cut off", loss=float(it.value),
                mend="no .detach(), .data, .item(), .numpy() or torch.no_grad() between net and loss",
                shown="loss(model(images), labels).requires_grad  # False",
            )  # fmt: skip
        return
    gradients = {name: g for name, g in it.gradients.items() if g is not None}
    awake = [name for name, p in it.model.named_parameters() if p.requires_grad]
    idle = f"{patient.spare}." if patient.spare else None
    none = [name for name in awake if it.gradients[name] is None and not (idle and name.startswith(idle))]
    norms = {name: float(g.norm()) for name, g in gradients.items()}
    if not any(norms.values()) or len(none) == len(awake):
        equal = all(float((p - p.flatten()[0]).abs().max()) == 0 for _, p in weights_of(it.model))
        if equal and any(True for _ in weights_of(it.model)):
            yield _twins(it.model, [name for name, _ in weights_of(it.model)])
            return
        yield found(
            "no-gradient", "no weight of the net gets a gradient", weights=len(awake),
            mend="no .detach(), .data or torch.no_grad() in forward", shown="[p.grad for p in model.parameters()]",
        )  # fmt: skip
        return
    if none:
        size = sum(it.model.get_parameter(name).numel() for name in none)
        share = size / sum(p.numel() for p in it.model.parameters())
        used = _used(it, none)
        yield found(
            "part-cut-off",
            f"{', '.join(map(repr, none[:3]))}{f' and {len(none) - 3} more' if len(none) > 3 else ''} get no gradient",
            tensors=len(none), parameters=size, share=share,
            mend="no .detach() or no_grad in forward behind that layer; or leave the layer out"
            if used else "forward does not use it: call it there, or leave it out",
            shown="[name for name, p in model.named_parameters() if p.grad is None]",
            severity=None if used or share > 0.3 else "warning",
        )  # fmt: skip
    hidden = [name for name, p in weights_of(it.model) if _equal_rows(p) and _stay(p, gradients.get(name))]
    if hidden and _more_follows(it.model, hidden):
        yield _twins(it.model, hidden)
    yield from _labels_matter(it)
    yield from _direction(patient, it)


def _used(it: Start, names: list[str]) -> bool:
    """Do the answers change with one of these weights?"""
    logits = it.logits
    if logits is None:
        return False
    touched = [it.model.get_parameter(name) for name in names]
    before = [p.detach().clone() for p in touched]
    with torch.no_grad():
        for p in touched:
            p.mul_(0.5).add_(0.01)
        after = logits_of(it.model(it.pair[0]))
        for p, old in zip(touched, before, strict=True):
            p.copy_(old)
    return after is not None and not torch.equal(after, logits)


def _twins(model: nn.Module, names: list[str]) -> Finding:
    weight = model.get_parameter(names[0])
    return found(
        "twin-units", f"all {len(weight)} units of {names[0]!r} have the same weights and will keep them",
        units=len(weight), layers=len(names), value=float(weight.flatten()[0].detach()),
        mend="nn.init.kaiming_normal_(layer.weight); in hubel: --initialise he-normal",
        settings={"initialise": "he-normal"}, shown=f"model.get_parameter({names[0]!r}).flatten(1).std(0)  # 0",
    )  # fmt: skip


def _stay(weight: torch.Tensor, gradient: torch.Tensor | None) -> bool:
    """Will equal rows stay equal? Those of zeros do not where the gradient draws them apart."""
    return bool(weight.detach().any()) or gradient is None or _equal_rows(gradient)


def _equal_rows(tensor: torch.Tensor) -> bool:
    rows = tensor.detach().flatten(1) if tensor.ndim >= 2 else tensor.detach()
    if len(rows) < 2:
        return False
    scale = float(rows.abs().max())
    return float((rows - rows[:1]).abs().max()) <= 1e-6 * scale


def _more_follows(model: nn.Module, names: list[str]) -> bool:
    """Is one of these not the last layer? Equal rows of a head are drawn apart by the labels."""
    weights = [name for name, _ in weights_of(model)]
    return any(name != weights[-1] for name in names)


def _labels_matter(it: Start) -> Iterator[Finding]:
    labels = it.pair[1]
    if len(labels.unique(dim=0)) < 2:
        return
    assert it.value is not None
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            noise = torch.randn_like(logits_of(it.output).float(), generator=None)  # type: ignore[union-attr]
            given = noise if isinstance(it.output, torch.Tensor) else it.output
            values = [float(it.loss(given, labels.roll(k, 0))) for k in range(min(4, len(labels)))]
    except Exception:  # a loss of the user's own may refuse these numbers in any way
        return
    if max(values) == min(values):
        yield found(
            "ignores-labels", "the loss is the same whatever the labels are", loss=values[0], tried=len(values),
            mend="loss(model(images), labels): the second argument must be this batch's labels",
            shown="loss(outputs, labels), loss(outputs, labels.roll(1, 0))",
        )  # fmt: skip


def _direction(patient: Patient, it: Start) -> Iterator[Finding]:
    """One tiny step along the gradient on three batches must not make the plain loss of the same batch larger."""
    worse, rises = 0, []
    tried = 0
    for images, labels in patient.train.pairs[:3]:
        model, _, loss = patient.copied()
        model.train()
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.eval()
        for p in model.parameters():
            p.grad = None
        try:
            output = model(images)
            value = loss(output, labels)
            logits = logits_of(output)
            if logits is None or not value.requires_grad or not math.isfinite(float(value)):
                return
            before = _reference(it, logits, labels)
            value.backward()
            with torch.no_grad():
                square = sum(float(p.grad.square().sum()) for p in model.parameters() if p.grad is not None)
                if before is None or square == 0 or not math.isfinite(square):
                    return
                size = 1e-3 * max(abs(float(value)), 1e-3) / square
                for p in model.parameters():
                    if p.grad is not None:
                        p.sub_(p.grad, alpha=size)
                after = _reference(it, logits_of(model(images)), labels)  # type: ignore[arg-type]
        except Exception:  # whatever the user's code raises has been told by run_once
            return
        if after is None:
            return
        tried += 1
        rises.append(after - before)
        worse += after > before + 1e-7 * (1 + abs(before))
    if tried and worse > tried / 2:
        yield found(
            "wrong-direction", "a small step along the gradient of the loss makes the answers worse",
            batches=tried, worse_on=worse, plain_loss_rises_by=max(rises), loss=float(it.value or 0.0),
            mend="look at the sign of the loss (minus log-likelihood is minimised), and that it gets this batch's "
            "labels",
            shown="one step of size 1e-3 * loss / |g|², then F.cross_entropy(model(images), labels)",
        )  # fmt: skip


def _reference(it: Start, logits: torch.Tensor, labels: torch.Tensor) -> float | None:
    kind = it.kind
    if kind == "other":
        return None
    classes = class_numbers(labels)
    if kind != "numbers" and (
        classes is None or logits.ndim != 2 or logits.shape[1] < 2 or int(classes.max()) >= logits.shape[1]
    ):
        return None
    if kind == "numbers" and logits.numel() != labels.numel():
        return None
    return float(plain_loss(logits.detach().double(), labels, kind))
