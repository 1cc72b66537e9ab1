"""Checks before the first step: does it run, and do head and loss fit together?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from hubel.data.masks import IGNORED
from hubel.diagnosis.checks import error, examines, found, note, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient
from hubel.diagnosis.starting import Start, start
from hubel.words import percent


@examines(
    "start",
    error("labels-out-of-range", "start", "labels below 0, or not below the number of outputs"),
    error("does-not-run", "start", "net or loss raise an error on the first batch"),
    error("wrong-shape", "start", "answers and labels have shapes that do not belong together"),
    warning("unused-outputs", "start", "the head has many more outputs than there are classes", needs="logits"),
    warning(
        "classes-as-numbers", "start", "the numbers of classes are learnt as if they were amounts", needs="reference"
    ),
)
def run_once(patient: Patient) -> Iterator[Finding]:
    """The first forward and backward pass."""
    it = start(patient)
    classes, logits = patient.train.every_class, None
    try:
        logits = it.logits
    except Exception as failure:  # as above
        it.failure = it.failure or failure
    outputs = logits.shape[1] if logits is not None and logits.ndim == 2 else 0
    if patient.aim == "other":
        yield from _pixels(it, logits)
    if (
        patient.aim == "classes"
        and classes is not None
        and outputs > 1
        and not patient.train.labels.is_floating_point()
    ):
        low, high = int(classes.min()), int(classes.max())
        if high >= outputs or low < 0:
            one_based = low == 1 and high == outputs
            yield found(
                "labels-out-of-range",
                f"labels go from {low} to {high}, and the net has {outputs} outputs: 0 to {outputs - 1} are possible",
                lowest=low, highest=high, outputs=outputs,
                mend="labels = labels - 1" if one_based else f"nn.Linear(…, {high + 1}): an output for each class",
                shown="labels.min(), labels.max(), model(images).shape[1]",
            )  # fmt: skip
            return
        if high + 1 < outputs and outputs >= 2 * (high + 1) and len(classes) >= 64:
            yield found(
                "unused-outputs", f"the net has {outputs} outputs, and labels use {high + 1}", outputs=outputs,
                classes=high + 1, mend=f"nn.Linear(…, {high + 1}): an output for each class",
                shown="model(images).shape[1], labels.max() + 1",
            )  # fmt: skip
    if it.failure is not None:
        first = (str(it.failure).strip() or type(it.failure).__name__).splitlines()[0][:160]
        yield found(
            "does-not-run", f"the first batch raises {type(it.failure).__name__}: {first}",
            images="x".join(map(str, it.pair[0].shape)), labels="x".join(map(str, it.pair[1].shape)),
            dtype_of_labels=str(it.pair[1].dtype).removeprefix("torch."), outputs=outputs,
            mend=_way_out(first, outputs), shown="loss(model(images), labels)",
        )  # fmt: skip
        return
    yield from _shapes(patient, it)


def _pixels(it: Start, logits: torch.Tensor | None) -> Iterator[Finding]:
    """Masks (B H W) against logits (B K H W)."""
    masks = it.pair[1]
    if logits is None or masks.is_floating_point() or masks.ndim != 3 or logits.ndim != 4 or not masks.numel():
        return
    known = masks[(masks != IGNORED) & (masks >= 0)]
    outputs, high = logits.shape[1], int(known.max()) if known.numel() else 0
    if high >= outputs > 1:
        yield found(
            "labels-out-of-range",
            f"masks go up to class {high}, and the net has {outputs} outputs: 0 to {outputs - 1} are possible",
            highest=high, outputs=outputs, mend=f"nn.Conv2d(…, {high + 1}, 1): an output for each class",
            shown="masks.max(), model(images).shape[1]",
        )  # fmt: skip


def _way_out(message: str, outputs: int) -> str:
    if "dtype" in message or "Long" in message or "Double" in message:
        return "labels = labels.long() for classes, images = images.float()"
    if "shape" in message or "size" in message:
        return "print(images.shape, model(images).shape, labels.shape): the first layer or the head does not fit"
    return "mend that line: nothing can be learnt before it runs"


def _shapes(patient: Patient, it: Start) -> Iterator[Finding]:
    logits, labels = it.logits, it.pair[1]
    if logits is None or it.value is None:
        return
    if it.value.ndim != 0:
        yield found(
            "wrong-shape", f"the loss gives {tuple(it.value.shape)}, and one number is needed",
            mend="loss.mean(), or reduction='mean'", shown="loss(model(images), labels).shape",
        )  # fmt: skip
        return
    broadcast = labels.is_floating_point() and logits.numel() == labels.numel() and logits.shape != labels.shape
    if broadcast and any("broadcast" in text or "target size" in text for text in it.said):
        yield found(
            "wrong-shape",
            f"answers {tuple(logits.shape)} and labels {tuple(labels.shape)} are spread over each other: every answer "
            "is compared with every label",
            answers=str(tuple(logits.shape)), labels=str(tuple(labels.shape)),
            mend="loss(model(images).squeeze(1), labels)", shown="model(images).shape, labels.shape",
        )  # fmt: skip
    whole = not labels.is_floating_point() or bool((labels == labels.round()).all())
    if whole and logits.ndim == 2 and logits.shape[1] == 1 and not labels.is_floating_point():
        kinds = len(labels.unique())
        if kinds > 2:
            yield found(
                "classes-as-numbers", f"one output is to learn {kinds} classes as amounts", classes=kinds, outputs=1,
                mend=f"nn.Linear(…, {int(labels.max()) + 1}) and nn.CrossEntropyLoss()",
                shown="model(images).shape, labels.unique()",
            )  # fmt: skip
    elif whole and logits.ndim == 2 and logits.shape[1] == 1 and 2 < len(labels.unique()) <= 20 and len(labels) >= 32:
        yield found(
            "classes-as-numbers", f"one output is to learn {len(labels.unique())} whole numbers as amounts",
            values=len(labels.unique()), outputs=1,
            mend=f"if they are classes: nn.Linear(…, {int(labels.max()) + 1}) and nn.CrossEntropyLoss()",
            shown="model(images).shape, labels.unique()",
        )  # fmt: skip


@examines(
    "start",
    error("softmax-twice", "start", "the net gives probabilities, and the loss takes a softmax again", needs="logits"),
    error("bounded-logits", "start", "a sigmoid or tanh after the last layer keeps logits small", needs="logits"),
    error("relu-at-the-end", "start", "a ReLU after the last layer cuts logits at 0", needs="logits"),
    error(
        "wrong-loss",
        "start",
        "the loss takes log-probabilities or probabilities, and the net gives something else",
        needs="logits",
    ),
    note(
        "log-softmax-twice",
        "start",
        "the net gives log-probabilities, and the loss takes a softmax again: harmless",
        needs="logits",
    ),
)
def match_head_and_loss(patient: Patient) -> Iterator[Finding]:
    """What the head gives against what the loss takes."""
    it = start(patient)
    logits = it.logits if it.failure is None else None
    if logits is None or patient.train.classes is None or logits.ndim != 2 or logits.shape[1] < 2:
        return
    outputs, floor = logits.shape[1], math.log(1 + (logits.shape[1] - 1) / math.e)
    both = logits if it.wild is None else torch.cat([logits, it.wild[torch.isfinite(it.wild).all(1)]])
    if it.takes == "logits":
        if it.kind == "probabilities":
            yield found(
                "softmax-twice", "the net gives probabilities, and the loss takes a softmax of them",
                row_sum=float(logits.sum(1).mean()), lowest_possible_loss=floor,
                mend="leave the softmax at the end of the net out: nn.CrossEntropyLoss takes logits",
                shown="model(images).sum(1)  # 1 in every row",
            )  # fmt: skip
        elif it.kind == "log-probabilities":
            yield found(
                "log-softmax-twice", "the net gives log-probabilities, and the loss takes a softmax of them again",
                mend="nn.NLLLoss(), or leave log_softmax out: both give the same", shown="model(images).exp().sum(1)",
            )  # fmt: skip
        else:
            yield from _bounded(both, outputs)
    elif it.takes == "log-probabilities" and it.kind != "log-probabilities":
        yield found(
            "wrong-loss", f"the loss takes log-probabilities, and the net gives {it.kind}: there is no lowest value",
            row_sum_of_exponentials=float(logits.double().logsumexp(1).exp().mean()), should_be=1,
            mend="nn.CrossEntropyLoss(), which takes logits"
            if it.kind == "logits" else "leave the softmax out, and take nn.CrossEntropyLoss()",
            shown="model(images).exp().sum(1)  # 1 in every row, for NLLLoss",
        )  # fmt: skip


def _bounded(outputs: torch.Tensor, count: int) -> Iterator[Finding]:
    low, high = float(outputs.min()), float(outputs.max())
    zeros = float((outputs == 0).float().mean())
    if low >= 0 and zeros > 0.05 and high > 0:
        yield found(
            "relu-at-the-end",
            f"no logit is below 0, and {percent(zeros, 0)} are exactly 0: a ReLU follows the last layer",
            lowest=low, exactly_zero=zeros, mend="leave the ReLU after the last layer out",
            shown="model(images).min(), (model(images) == 0).float().mean()",
        )  # fmt: skip
        return
    ends = float(((outputs - 1).abs() < 0.02).float().mean()) + float(
        (torch.minimum(outputs.abs(), (outputs + 1).abs()) < 0.02).float().mean()
    )
    if low >= -1 - 1e-6 and high <= 1 + 1e-6 and high > 0.9 and ends > 0.3 and high - low > 0.5:
        word, best = ("sigmoid", 1.0) if low >= 0 else ("tanh", 2.0)
        yield found(
            "bounded-logits", f"logits stay within {low:.2g} and {high:.2g} whatever is shown: a {word} follows the "
            f"last "
            "layer", lowest=low, highest=high, lowest_possible_loss=math.log(1 + (count - 1) * math.exp(-best)),
            mend=f"leave the {word} after the last layer out", shown="model(100 * torch.randn_like(images)).aminmax()",
        )  # fmt: skip
