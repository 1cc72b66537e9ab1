"""Numerics: nothing that is not finite reaches the weights, and whoever was to blame is named.

`first_fault` is the cheap look before every update: one number comes from the device. `diagnose` is the post-mortem,
run only after a fault: it replays the batch with a look at every module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from hubel.nn.taps import watch
from hubel.types import Batch


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Why a step was refused."""

    what: str
    """"input", "label", "weight", "buffer", "learning rate", "activation", "loss" or "gradient"."""
    where: str
    """The name of the parameter, buffer or module where it shows first; "" where that has no meaning."""
    ids: tuple[int, ...]
    """The samples concerned, as far as they can be told apart; else the whole batch."""
    spike: tuple[float, float] | None = None
    """A loss that is finite, but so many times that of the first step that it would spoil the weights: both."""

    def __str__(self) -> str:
        place = f" of {self.where!r}" if self.where else ""
        listed = ", ".join(map(str, self.ids[:8])) + (", …" if len(self.ids) > 8 else "")
        if self.spike is not None:
            high, start = self.spike
            return f"the {self.what} is a spike, {high:.3g} after a start at {start:.3g} (samples {listed})"
        return f"the {self.what}{place} is not finite (samples {listed})"


def first_fault(
    parameters: Sequence[nn.Parameter],
    buffers: Sequence[torch.Tensor],
    optimiser: torch.optim.Optimizer,
    loss: torch.Tensor,
    *,
    gradients: bool = True,
    weights: bool = True,
) -> str:
    """What is not finite among learning rate, loss, gradients, weights and buffers; "" if the update may be made.

    Without `gradients` those are not looked at: fp16's scaler does, and leaves out the update itself. Without `weights`
    they are looked at only where something else is not finite.

    The model comes as lists, which a loop makes once: to walk through a model takes longer than to look at a small one.

    >>> net = nn.Linear(2, 1)
    >>> sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> loss = net(torch.tensor([[1.0, math.inf]])).sum()
    >>> loss.backward()
    >>> first_fault(list(net.parameters()), list(net.buffers()), sgd, loss.detach())
    'loss'
    """
    if not all(math.isfinite(float(group["lr"])) for group in optimiser.param_groups):
        return "learning rate"
    slopes = [p.grad for p in parameters if p.grad is not None] if gradients else []
    others = [loss, *(b for b in buffers if b.is_floating_point())]
    with torch.no_grad():
        if _all_finite([*slopes, *(parameters if weights else ())], others):
            return ""
    parts = {"loss": others[:1], "gradient": slopes, "weight": parameters, "buffer": others[1:]}
    # A sum may overflow although every part is finite, so only now each element is looked at.
    return next((name for name, tensors in parts.items() if not all(_finite(tensor) for tensor in tensors)), "")


def _all_finite(learnt: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    """False if any element of any tensor is not finite, and perhaps if the sum of squares of finite ones is not.

    On a CPU, norms walk from tensor to tensor by several calls each; what is `learnt` is looked at there by the kernel
    of torch's scaler for fp16, whose scale is 1, so that it writes back what it reads. A GPU takes all norms at once.
    `others` may be what nobody may write.
    """
    if others[0].device.type != "cpu" or not all(map(torch.is_floating_point, learnt)):
        return math.isfinite(float(torch.stack(torch._foreach_norm([*learnt, *others], 2)).sum()))
    found = torch.zeros(())
    torch._amp_foreach_non_finite_check_and_unscale_(learnt, found, torch.ones(()))
    return float(found) == 0 and math.isfinite(float(torch._C._nn.flatten_dense_tensors(others).norm()))


def _finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())


def diagnose(
    fault: str,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    loss: Callable[..., torch.Tensor],
) -> Diagnosis:
    """Name what is behind a `fault` of `first_fault`: the earliest cause in the order data, weights, activations, loss,
    gradients. Call it while the gradients are still there. Buffers are left as they are.

    Weights as they stand are looked at too, for an infinite weight can hide behind a ReLU and show only in a gradient.
    """
    ids = tuple(int(i) for i in batch.ids.tolist())
    if fault == "learning rate":
        return Diagnosis(what=fault, where="", ids=ids)
    rows = ~torch.isfinite(batch.images).flatten(1).all(1)
    if bool(rows.any()):
        return Diagnosis(what="input", where="", ids=_picked(ids, rows))
    targets = batch.labels if batch.soft_labels is None else batch.soft_labels
    if targets.is_floating_point() and not _finite(targets):
        return Diagnosis(
            what="label", where="", ids=_picked(ids, ~torch.isfinite(targets.reshape(len(ids), -1)).all(1))
        )
    for what, tensors in (("weight", model.named_parameters()), ("buffer", model.named_buffers())):
        for name, tensor in tensors:
            if tensor.is_floating_point() and not _finite(tensor.detach()):
                return Diagnosis(what=what, where=name, ids=ids)
    order, bad, logits = _replay(model, batch.images)
    if bad is not None:
        rows = ~torch.isfinite(logits).flatten(1).all(1)
        return Diagnosis(what="activation", where=bad, ids=_picked(ids, rows) if bool(rows.any()) else ids)
    if fault == "loss":
        given = (logits, targets) if batch.answers is None else (logits, targets, batch.answers)
        each = torch.stack([loss(*(part[i : i + 1] for part in given)) for i in range(len(ids))])
        rows = ~torch.isfinite(each)
        return Diagnosis(what="loss", where="", ids=_picked(ids, rows) if bool(rows.any()) else ids)
    # Gradients flow from the end to the beginning: the last module with a bad one is where it began.
    for name in reversed(order):
        for parameter, value in model.get_submodule(name).named_parameters(recurse=False):
            if value.grad is not None and not _finite(value.grad):
                return Diagnosis(what="gradient", where=f"{name}.{parameter}".lstrip("."), ids=ids)
    return Diagnosis(what=fault, where="", ids=ids)


def _replay(model: nn.Module, images: torch.Tensor) -> tuple[list[str], str | None, torch.Tensor]:
    """Names of the modules in the order they finished, the first with an output that is not finite, and the logits."""
    order: list[str] = []
    bad: list[str] = []

    def check(name: str, module: nn.Module, inputs: object, output: object) -> None:
        order.append(name)
        if not bad and isinstance(output, torch.Tensor) and output.is_floating_point() and not _finite(output):
            bad.append(name)

    before = [buffer.clone() for buffer in model.buffers()]
    try:
        with watch(dict(model.named_modules()), check), torch.no_grad():
            logits = model(images).float()
    finally:
        for buffer, old in zip(model.buffers(), before, strict=True):
            buffer.copy_(old)
    return order, bad[0] if bad else None, logits


def _picked(ids: tuple[int, ...], rows: torch.Tensor) -> tuple[int, ...]:
    return tuple(i for i, row in zip(ids, rows.tolist(), strict=True) if row)
