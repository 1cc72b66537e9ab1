"""A check whether eight samples can be learnt by heart."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from hubel.diagnosis.checks import examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient, logits_of
from hubel.diagnosis.starting import start
from hubel.diagnosis.untouched import reseeded


@examines(
    "overfit",
    warning("cannot-overfit", "overfit", "eight samples cannot be learnt by heart", symptom=True, needs="reference"),
)
def learn_by_heart(patient: Patient) -> Iterator[Finding]:
    """Eight different samples, 200 steps of Adam at two rates (A. Karpathy, A Recipe for Training Neural Nets)."""
    begun = start(patient)
    classes = patient.train.classes
    if begun.failure is not None or begun.value is None or begun.value.ndim or not begun.value.requires_grad:
        return
    if patient.left < 1 or patient.train.images[0].numel() < 8 or begun.logits is None:
        return
    images, labels = patient.train.images, patient.train.labels
    rows = _eight(images, classes)
    if len(rows) < 8:
        return
    chosen, told = images[rows].to(patient.device), labels[rows].to(patient.device)
    best, steps = math.inf, 0
    for rate in (1e-3, 1e-2):
        model, _, loss = patient.copied()
        for p in model.parameters():
            p.grad = None
        learners = [p for p in model.parameters() if p.requires_grad]
        adam = torch.optim.Adam(learners, lr=rate)
        model.train()
        with reseeded(19):
            for step in range(200):
                adam.zero_grad(set_to_none=True)
                output = model(chosen)
                value = loss(output, told)
                value.backward()
                adam.step()
                steps += 1
                if step % 10 == 9:
                    logits = logits_of(output)
                    best = min(best, _missed(logits, told, classes is not None))
                    if best == 0 or patient.left < 0.5:
                        break
        if best == 0 or patient.left < 0.5:
            break
    frozen = any(not p.requires_grad for p in patient.model.parameters())
    if best > 0 and steps >= 300 and not frozen:
        yield found(
            "cannot-overfit", "eight samples are not learnt by heart in 200 steps", still_wrong=best, steps=steps,
            mend="look at what the net and the loss are given: print(images, labels, model(images)) for these eight",
            shown="200 steps of Adam on batch[:8]",
        )  # fmt: skip


def _eight(images: torch.Tensor, classes: torch.Tensor | None) -> list[int]:
    """Eight different samples, of as many classes as there are."""
    order = range(len(images))
    if classes is not None:
        seen: dict[int, int] = {}
        rank = []
        for row, label in enumerate(classes.tolist()):
            seen[label] = seen.get(label, 0) + 1
            rank.append((seen[label], row))
        order = [row for _, row in sorted(rank)]  # type: ignore[assignment]
    chosen: list[int] = []
    for row in order:
        if all(not torch.equal(images[row], images[other]) for other in chosen):
            chosen.append(row)
        if len(chosen) == 8:
            break
    return chosen


def _missed(logits: torch.Tensor | None, labels: torch.Tensor, classes: bool) -> float:
    if logits is None:
        return 0.0
    if not classes:
        answers, wanted = logits.detach().float().flatten(), labels.float().flatten()
        if len(answers) != len(wanted):
            return 0.0
        left = float((answers - wanted).square().mean() / wanted.var().clamp_min(1e-12))
        return 0.0 if left < 0.05 else left
    wanted = labels.argmax(1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.flatten()
    if logits.ndim != 2 or logits.shape[1] < 2:
        return 0.0
    return float((logits.argmax(1) != wanted).sum())
