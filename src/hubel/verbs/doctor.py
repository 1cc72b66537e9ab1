"""Doctor: what is wrong with a training: before it, while it runs, and afterwards; nothing that is looked at changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from hubel.diagnosis.examining import examine
from hubel.diagnosis.finding import CheckUp, Finding
from hubel.diagnosis.patient import Patient
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.watching import SILENT, Watcher

__all__ = ["CheckUp", "Finding", "doctor"]


@shows_progress
def doctor(
    what: Any,
    loss: Callable[..., torch.Tensor] | None = None,
    batches: Iterable[Any] | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    val: Iterable[Any] | None = None,
    step: Callable[..., Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
    predict: Callable[..., Any] | None = None,
    scheduler: Any = None,
    scheduler_steps: int | None = None,
    classes: Sequence[str] = (),
    frozen: Sequence[str] | None = None,
    augment: Callable[[torch.Tensor], torch.Tensor] | None = None,
    seconds: float = 20.0,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> CheckUp:
    """Check a net, a loss and batches of the user's own before they are trained; what is given more is checked, too.

    `batches` and `val` give pairs of tensors, images (B C H W, or B F) and labels (B), and can be gone through more
    than once. `step(model, images, labels, optimizer)` is one update as the user's loop makes it,
    `predict(model, images)` gives logits B K as the user's program answers, `evaluate(model, batches)` an accuracy.
    `scheduler` belongs to the optimizer and is stepped `scheduler_steps` times in the whole run. `frozen` are names of
    layers that are meant not to learn, `augment` is what training does to images before the net sees them.

    All of it works on copies: model, optimizer and random numbers come out as they went in, to the bit.
    Raises UsageError.
    """
    if not isinstance(what, nn.Module):
        raise UsageError(
            f"hubel.doctor takes a torch module, got {type(what).__name__}", hint="hubel.doctor(model, loss, batches)"
        )
    if loss is None or batches is None:
        raise UsageError("a net is checked with its loss and batches", hint="hubel.doctor(model, loss, batches)")
    for name, source in (("batches", batches), ("val", val)):
        if source is not None and (not isinstance(source, Iterable) or isinstance(source, Iterator)):
            raise UsageError(
                f"{name} must be something that can be gone through twice, got {type(source).__name__}",
                hint="a DataLoader, or a list of pairs (images, labels)",
            )
    if scheduler is not None and (scheduler_steps is None or scheduler_steps < 1):
        raise UsageError(
            "scheduler_steps must say how often the scheduler is stepped in the whole run",
            hint="scheduler_steps=epochs * len(loader), or =epochs where it is stepped once an epoch",
        )
    patient = Patient(
        name=type(what).__name__, model=what, loss=loss, batches=batches, optimiser=optimizer, val=val, step=step,
        evaluate=evaluate, predict=predict, schedule=scheduler, ticks=scheduler_steps, classes=tuple(classes),
        frozen=None if frozen is None else tuple(frozen), augment=augment, seconds=seconds,
    )  # fmt: skip
    found = examine(patient, watch=watch)
    watch.done()
    return found
