"""Checks of a step of the user's own: the order of its calls, by hooks on a copy."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel.diagnosis.checks import error, examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient
from hubel.diagnosis.untouched import reseeded
from hubel.diagnosis.walking import walk


@examines(
    "steps",
    error("step-fails", "steps", "the step raises an error"),
    error("step-on-other-net", "steps", "the step moves another net than the one it is given"),
    error("never-updates", "steps", "a step without optimizer.step(), or without backward()"),
    error("step-before-backward", "steps", "optimizer.step() is called before backward()"),
    error("gradients-erased", "steps", "zero_grad() between backward() and optimizer.step()"),
    error("zero-grad-forgotten", "steps", "gradients of one step are added to those of the next"),
    error("accumulation-not-divided", "steps", "the loss of each part of a batch counts whole"),
    warning("trains-in-eval-mode", "steps", "train() is forgotten: steps are made in evaluation mode"),
)
def watch_a_step(patient: Patient) -> Iterator[Finding]:
    """The order of calls within a step of the user's own, by hooks on a copy: exact."""
    if patient.step is None:
        return
    it = walk(patient)
    if it is None:
        return
    calls = it.calls[0] if it.calls else []
    if it.failure is not None and not it.made:
        first = (str(it.failure).strip() or type(it.failure).__name__).splitlines()[0][:160]
        yield found(
            "step-fails", f"the step raises {type(it.failure).__name__}: {first}", calls=" ".join(calls) or "none",
            mend="mend that line of the step", shown="step(model, images, labels, optimizer)",
        )  # fmt: skip
        return
    if it.elsewhere:
        yield found(
            "step-on-other-net", "the step moves a net of its own, not the one it is given", steps=it.made,
            mend="use the arguments of step(model, images, labels, optimizer), no variables from outside",
            shown="step(copy.deepcopy(model), images, labels, optimizer)",
        )  # fmt: skip
        return
    if "step" not in calls or not any("backward" in each for each in it.calls):
        missing = "optimizer.step()" if "step" not in calls else "backward()"
        if "step" not in calls and any("step" in each for each in it.calls):
            return  # every so many calls: accumulation
        yield found(
            "never-updates", f"the step never calls {missing} on what it is given",
            calls=" ".join(calls) or "none", steps=it.made,
            mend="optimizer.zero_grad(); loss.backward(); optimizer.step()",
            shown="step(model, images, labels, optimizer); [p.grad for p in model.parameters()]",
        )  # fmt: skip
        return
    if calls and calls[0] == "step" and "backward" in calls:
        yield found(
            "step-before-backward", "optimizer.step() comes before backward(): each update uses the batch before",
            calls=" ".join(calls), mend="loss.backward(); then optimizer.step()",
            shown="step(model, images, labels, optimizer)",
        )  # fmt: skip
        return
    if it.empty > it.made / 2:
        yield found(
            "gradients-erased", "zero_grad() comes between backward() and optimizer.step(): nothing is learnt",
            updates_without_gradient=it.empty, steps=it.made,
            mend="optimizer.zero_grad() before backward(), not after it",
            shown="step(model, images, labels, optimizer)",
        )  # fmt: skip
        return
    if it.stale > it.made / 2 and patient.accumulate == 1:
        yield found(
            "zero-grad-forgotten", "each step adds its gradient to those before: zero_grad() is missing",
            steps_with_old_gradients=it.stale, steps=it.made, mend="optimizer.zero_grad() before loss.backward()",
            shown="step(…); g = p.grad.clone(); step(…); p.grad / g  # about 2",
        )  # fmt: skip
    yield from _divided(patient)
    if it.modes == {False} and _has_modes(it.model):
        yield found(
            "trains-in-eval-mode", "steps are made in evaluation mode: drop-out is off and batch norm learns no "
            "statistics",
            steps=it.made, mend="model.train() at the beginning of every epoch, after each validation",
            shown="model.training  # False in step", severity="error",
        )  # fmt: skip


def _has_modes(model: nn.Module) -> bool:
    kinds = (_BatchNorm, nn.modules.dropout._DropoutNd)
    return any(isinstance(module, kinds) for module in model.modules())


def _divided(patient: Patient) -> Iterator[Finding]:
    """A step that cuts its batch into parts must have the gradient of the whole: compare with one plain backward."""
    assert patient.step is not None
    images, labels = patient.train.first
    model, _, loss = patient.copied()
    for module in model.modules():
        if isinstance(module, (nn.modules.dropout._DropoutNd, _BatchNorm)):
            return  # parts of a batch have other statistics, and other units are dropped
    sgd = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    twin, _, _ = patient.copied()
    rounds: list[int] = []
    hook = next(p for p in model.parameters() if p.requires_grad).register_hook(lambda g: rounds.append(1))
    began = [p.detach().clone() for p in model.parameters()]
    try:
        with reseeded(13):
            patient.step(model, images, labels, sgd)
            own = sum(
                float((p.detach() - old).square().sum()) for p, old in zip(model.parameters(), began, strict=True)
            )
            for p in twin.parameters():
                p.grad = None
            loss(twin(images), labels).backward()
    except Exception:  # a step may insist on its own optimiser
        return
    finally:
        hook.remove()
    whole = sum(float(p.grad.square().sum()) for p in twin.parameters() if p.grad is not None) ** 0.5
    ratio = own**0.5 / 1e-3 / whole if whole else 1.0
    if len(rounds) > 1 and abs(ratio / len(rounds) - 1) < 0.3 and len(rounds) > 1 and ratio > 1.5:
        yield found(
            "accumulation-not-divided", f"{len(rounds)} parts of a batch are added without being divided: the step is "
            f"{ratio:.2g} times as long", parts=len(rounds), times_the_gradient=ratio,
            mend=f"(loss / {len(rounds)}).backward() for each part",
            shown="|gradient of the parts| / |gradient of the batch|",
        )  # fmt: skip
