"""Checks of the user's own measuring and answering: modes, averages, and whether an answer is the net's own."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from hubel.diagnosis.checks import error, examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient, class_numbers, logits_of
from hubel.diagnosis.starting import start
from hubel.diagnosis.untouched import reseeded
from hubel.diagnosis.walking import walk
from hubel.nn.taps import watch


@examines(
    "start",
    error("eval-forgotten", "start", "answers or measurements are made in training mode"),
    error("left-in-eval", "start", "after the measurement the net stays in evaluation mode"),
    error("answers-differ", "start", "the program answers otherwise than the net in evaluation mode"),
    warning("metric-averaged-by-batch", "start", "an accuracy averaged over batches of different sizes"),
    warning("metric-differs", "start", "a measured accuracy that is not that of the answers"),
)
def ask_the_program(patient: Patient) -> Iterator[Finding]:
    """`predict` and `evaluate` as they were given, on a copy that has made some steps, with an eye on the modes."""
    if (patient.predict is None and patient.evaluate is None) or start(patient).failure is not None:
        return
    walked = walk(patient)
    model = copy.deepcopy(patient.model if walked is None or walked.failure is not None else walked.model)
    if patient.predict is not None:
        yield from _answers(patient, model)
    if patient.evaluate is not None:
        yield from _measures(patient, model)


def _listened(model: nn.Module, call: Any) -> tuple[Any, set[str]]:
    """What `call` gives, and modules that ran in training mode though that makes a difference to them."""
    wrong: set[str] = set()

    def heard(name: str, module: nn.Module, inputs: object, output: object) -> None:
        kinds = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
        if module.training and isinstance(module, kinds):
            wrong.add(name)

    with watch(dict(model.named_modules()), heard), reseeded(23), torch.no_grad():
        return call(), wrong


def _forgotten(what: str, wrong: set[str], **numbers: float) -> Finding:
    return found(
        "eval-forgotten", f"{what} runs {min(wrong)!r} in training mode", modules=len(wrong), also=numbers,
        mend="model.eval() before, and torch.inference_mode() around it", shown="model.training  # True",
    )  # fmt: skip


def _answers(patient: Patient, model: nn.Module) -> Iterator[Finding]:
    assert patient.predict is not None
    images = patient.train.first[0][:8]
    model.train()
    try:
        said, wrong = _listened(model, lambda: patient.predict(model, images))
        _ = _listened(model, lambda: patient.predict(model, images))
    except Exception as failure:  # the user's program may fail in any way
        yield found(
            "answers-differ", f"predict raises {type(failure).__name__}: {str(failure)[:120]}", samples=len(images),
            mend="predict(model, images) must give an answer for each image", shown="predict(model, images)",
        )  # fmt: skip
        return
    if wrong:
        yield _forgotten("predict", wrong)
        return
    answer = logits_of(said)
    model.eval()
    with torch.no_grad():
        own = logits_of(model(images))
    if answer is None or own is None or answer.shape != own.shape:
        return
    gap, order = float((answer - own).abs().max()), (answer.argmax(-1) != own.argmax(-1)).float().mean()
    probabilities = own.softmax(-1)
    if gap > 1e-3 * (1 + float(own.abs().max())) and float((answer - probabilities).abs().max()) > 1e-3:
        yield found(
            "answers-differ", "predict answers otherwise than the net in evaluation mode", largest_difference=gap,
            other_classes=float(order), mend="the same preprocessing as in training, once",
            shown="predict(model, images) - model(images)",
        )  # fmt: skip


def _measures(patient: Patient, model: nn.Module) -> Iterator[Finding]:
    evaluate = patient.evaluate
    assert evaluate is not None
    batches = patient.val if patient.val is not None else patient.batches
    part = patient.held or patient.train
    model.train()
    try:
        value, wrong = _listened(model, lambda: evaluate(model, batches))
    except Exception:  # the user's program may fail in any way, and is not what is examined then
        return
    if wrong:
        yield _forgotten("evaluate", wrong)
        return
    has_modes = any(
        isinstance(m, (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)) for m in model.modules()
    )
    # A step that calls train() itself wakes the net again.
    sleeps = walk(patient)
    wakes = patient.step is not None and sleeps is not None and sleeps.modes == {True} and _wakes(patient, model)
    if not model.training and has_modes and patient.step is not None and not wakes:
        yield found(
            "left-in-eval", "after evaluate the net stays in evaluation mode, and the step does not call train()",
            training_flag=0, mend="model.train() at the beginning of every epoch", shown="evaluate(…); model.training",
        )  # fmt: skip
    if not isinstance(value, (int, float)) and not (isinstance(value, torch.Tensor) and value.numel() == 1):
        return
    # The net as it was given makes faults that a trained one may not make.
    fresh = copy.deepcopy(patient.model)
    value, _ = _listened(fresh, lambda: evaluate(fresh, batches))
    yield from _accuracy(float(value), fresh, part.pairs, part.whole and len(part.pairs) == len(part.sizes))


def _wakes(patient: Patient, model: nn.Module) -> bool:
    step = patient.step
    assert step is not None
    twin = copy.deepcopy(model).eval()
    sgd = torch.optim.SGD([p for p in twin.parameters() if p.requires_grad], lr=0.0)
    try:
        with reseeded(29):
            step(twin, *patient.train.first, sgd)
    except Exception:  # a step may insist on its own optimiser
        return True
    return twin.training


def _accuracy(value: float, model: nn.Module, pairs: list[Any], whole: bool) -> Iterator[Finding]:
    if not whole or not 0 <= value <= 100:
        return
    model.eval()
    right, sizes = [], []
    with torch.no_grad():
        for images, labels in pairs:
            logits, classes = logits_of(model(images)), class_numbers(labels)
            if logits is None or classes is None or logits.ndim != 2 or logits.shape[1] < 2:
                return
            right.append(float((logits.argmax(1) == classes).float().mean()))
            sizes.append(len(images))
    exact = sum(r * n for r, n in zip(right, sizes, strict=True)) / sum(sizes)
    by_batch = sum(right) / len(right)
    share = value / 100 if value > 1.0 else value
    if abs(share - exact) < 1e-4:
        return
    if abs(share - by_batch) < 1e-4:
        yield found(
            "metric-averaged-by-batch", "the accuracy is a mean of batches: the last, smaller one counts too much",
            measured=share, exact=exact, last_batch=sizes[-1], batches=len(sizes),
            mend="count hits and samples over all batches, and divide once", shown="evaluate(model, val_loader)",
        )  # fmt: skip
    elif abs(share - exact) > 0.005:
        yield found(
            "metric-differs", "evaluate gives another accuracy than the answers have", measured=share, exact=exact,
            samples=sum(sizes), mend="(logits.argmax(1) == labels).sum() over all batches, divided by their number",
            shown="evaluate(model, val_loader)",
        )  # fmt: skip
