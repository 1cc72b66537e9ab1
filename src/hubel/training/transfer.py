"""How much of a transferred net learns again: chosen from the data's size and likeness, and carried out epoch by epoch.

The recipes of the textbooks (Yosinski et al., arXiv:1411.1792; Kornblith et al., arXiv:1805.08974), with what they
leave to the reader's judgement, "small" and "similar", as numbers:

                     similar                              different
    few samples      new head on the last stage           new head on an earlier stage, or on all
    some             last stage too                       later half too
    many             all, low rate                        all, the same rate everywhere

How alike the old and the new pictures are is measured, not guessed: a linear probe is fitted on every stage of the
frozen net, and if an earlier stage serves the new classes better than the last one, what was learnt after it was made
for something else. If a head that sees all stages at once serves them better than any, the head is one like that
(Evci et al., arXiv:2201.03529). Letters: N training samples, S stages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from hubel.nn.optimisers import depths
from hubel.words import plural

FEW, SOME = 1_000, 10_000
"""Training samples below which only the head learns, and below which the early stages stay as they are."""
NORMS = nn.modules.batchnorm._BatchNorm
STUDIED = 1_000
"""Training samples that the probes are fitted and measured on at most."""
FOLDS = 4
"""Parts of the training samples, each of which is measured by a probe that was fitted to the others."""
PROBED_AT = (0.3, 0.1, 0.03)
"""Penalties of the probes."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How well a linear classifier does on one stage of the frozen net."""

    stage: str
    accuracy: float
    """On samples it was not fitted to."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What learns, on which stage the head stands, at which rates, and why."""

    unfreeze: str | int
    cut: str | None
    """The stage after which the head follows; None for all of the net."""
    head: str
    """linear, or stages: which of the two heads."""
    layer_decay: float
    """Factor of the rate for each stage further from the head."""
    reason: str
    similar: bool


def choose(samples: int, probes: Sequence[Probe], measured_on: int, together: float | None = None) -> Plan:
    """The plan for so many training samples, given the probes of the stages in order of depth, and of all `together`.

    An earlier stage must be better than the last by more than the noise of `measured_on` samples: one standard error.

    >>> early, late = Probe(stage="layer3", accuracy=0.9), Probe(stage="layer4", accuracy=0.7)
    >>> choose(300, [early, late], 200)  # doctest: +NORMALIZE_WHITESPACE
    Plan(unfreeze='head', cut='layer3', head='linear', layer_decay=1.0,
         reason='few samples (300, below 1,000), and layer3 tells the classes apart better (90.0%) than layer4 (70.0%):
                 a head on that stage', similar=False)
    >>> choose(300, [early, late], 200, together=0.95).head
    'stages'
    >>> choose(300, [late, early], 200).unfreeze, choose(5_000, [late, early], 200).unfreeze
    ('head', 'last')
    >>> choose(50_000, [early, late], 200).unfreeze
    'all'
    """
    if not probes:
        plan = choose(samples, [Probe(stage="the last stage", accuracy=1.0)], measured_on)
        return replace(plan, reason=plan.reason.partition(",")[0] + "; how alike the data are could not be measured")
    best, last = max(probes, key=lambda probe: probe.accuracy), probes[-1]
    similar = best.accuracy - last.accuracy <= noise(best.accuracy, measured_on)
    if similar:
        alike = f"{last.stage} tells the classes apart as well as any stage ({last.accuracy:.1%})"
    else:
        alike = (
            f"{best.stage} tells the classes apart better ({best.accuracy:.1%}) than {last.stage} ({last.accuracy:.1%})"
        )
    if samples < FEW:
        size = f"few samples ({samples:,}, below {FEW:,})"
        head, why = choose_head(probes, together)
        if head == "stages":
            cut, reason = None, f"{size}, and {why}: a new head on all of them"
        elif similar:
            cut, reason = None, f"{size}, and {alike}: a new head"
        else:
            cut, reason = best.stage, f"{size}, and {alike}: a head on that stage"
        return Plan(unfreeze="head", cut=cut, head=head, layer_decay=1.0, reason=reason, similar=similar)
    if samples < SOME:
        size, what = plural(samples, "sample"), "the last stage" if similar else "the later half"
        unfreeze, decay = "last" if similar else "half", 0.5
        reason = f"{size}, and {alike}: {what} learns too, at a low rate"
    else:
        how = "lower rates further from the head" if similar else "one rate for all stages"
        unfreeze, decay = "all", 0.5 if similar else 1.0
        reason = f"many samples ({samples:,}), and {alike}: everything learns, {how}"
    return Plan(unfreeze=unfreeze, cut=None, head="linear", layer_decay=decay, reason=reason, similar=similar)


def choose_unfitted(unfreeze: str | int | None) -> Plan:
    """The plan where no head is fitted to what the frozen net sees: everything learns, unless `unfreeze` says less.

    >>> choose_unfitted(None).unfreeze, choose_unfitted("last").unfreeze
    ('all', 'last')
    """
    why = "an answer is more than a word on what the last stage sees, so that every stage may have to change"
    return Plan(
        unfreeze="all" if unfreeze is None else unfreeze, cut=None, head="linear", layer_decay=0.5, reason=why,
        similar=True,
    )  # fmt: skip


def noise(accuracy: float, samples: int) -> float:
    """One standard error of an accuracy measured on so many samples.

    >>> round(noise(0.9, 100), 3), round(noise(1.0, 4), 3)
    (0.03, 0.05)
    """
    return math.sqrt(max(accuracy * (1 - accuracy), 0.01) / max(1, samples))


def choose_head(probes: Sequence[Probe], together: float | None) -> tuple[str, str]:
    """(linear or stages, why) for a net that stays frozen: stages if they are better together than any of them alone.

    By however little: the best of several probes is lucky already, and over sixteen folders of 150 pictures each, a
    head on all stages was better by 3 points in the mean, and better than choosing among single ones.

    >>> choose_head([Probe(stage="layer3", accuracy=0.9), Probe(stage="layer4", accuracy=0.8)], 0.95)
    ('stages', 'all stages together tell the classes apart better (95.0%) than any alone (layer3, 90.0%)')
    >>> choose_head([], None)
    ('linear', 'fitted to its optimum in seconds')
    """
    if not probes or together is None:
        return "linear", "fitted to its optimum in seconds"
    best = max(probes, key=lambda probe: probe.accuracy)
    alone = f"({best.stage}, {best.accuracy:.1%})"
    if together > best.accuracy:
        return "stages", f"all stages together tell the classes apart better ({together:.1%}) than any alone {alone}"
    return "linear", f"all stages together tell the classes apart no better ({together:.1%}) than one alone {alone}"


def thawed(unfreeze: str | int, epoch: int, stages: int) -> int:
    """How many stages learn in an epoch (from 0): 0 the head alone, S all stages, S + 1 the stem before them too.

    >>> [thawed("gradual", epoch, 4) for epoch in range(7)]
    [0, 1, 2, 3, 4, 5, 5]
    >>> thawed("head", 9, 4), thawed("last", 0, 4), thawed("half", 0, 5), thawed("all", 0, 4), thawed(2, 0, 4)
    (0, 1, 3, 5, 2)
    """
    if unfreeze == "gradual":
        return min(epoch, stages + 1)
    if isinstance(unfreeze, int):
        return min(unfreeze, stages + 1)
    return {"head": 0, "last": 1, "half": stages - stages // 2, "all": stages + 1}[unfreeze]


def freeze(model: nn.Module, learning: int) -> None:
    """Let the head and the last `learning` stages learn, and put the rest to sleep.

    What sleeps has no gradient and is in evaluation mode: its drop-out is off. Batch norms keep the statistics they
    came with, also where their scale and shift learn: the head was fitted to what they let through, and few pictures
    give poor statistics. Call it after `model.train()`.

    >>> from hubel.models import create_model
    >>> net = create_model("resnet18", num_classes=2).train()
    >>> freeze(net, 1)
    >>> net.fc.weight.requires_grad, net.layer4[0].conv1.weight.requires_grad, net.layer3[0].conv1.weight.requires_grad
    (True, True, False)
    >>> net.layer4.training, net.layer3.training, net.layer4[0].bn1.training
    (True, False, False)
    """
    far = depths(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(far[name] <= learning)
    names = [name for name, _ in model.named_modules() if name]
    far = depths(model, names)
    for name, module in model.named_modules():
        if name and (far[name] > learning or isinstance(module, NORMS)):
            module.training = False


def counts(model: nn.Module, learning: int) -> tuple[int, int]:
    """(numbers that learn, numbers that stay) among the parameters, when so many stages learn."""
    far = depths(model)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    learns = sum(size for name, size in sizes.items() if far[name] <= learning)
    return learns, sum(sizes.values()) - learns


def probe(train: torch.Tensor, train_labels: torch.Tensor, val: torch.Tensor, val_labels: torch.Tensor) -> float:
    """Validation accuracy of a linear classifier on features N F: seconds for all stages.

    The best of a few penalties, from strong to weak: features of one stage and of all together need different ones.

    >>> x = torch.tensor([[0.0, 1], [1, 0], [0, 2], [2, 0]])
    >>> probe(x, torch.tensor([0, 1, 0, 1]), x, torch.tensor([0, 1, 0, 1]))
    1.0
    """
    mean, std = train.mean(0), train.std(0)
    factor = torch.where(std > 1e-6, 1 / std, 1.0)
    inputs, others = turned((train - mean) * factor, (val - mean) * factor)
    classes = int(max(train_labels.max(), val_labels.max())) + 1
    weight = torch.zeros(classes, inputs.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    found = []
    for penalty in PROBED_AT:
        solver = torch.optim.LBFGS([weight, bias], max_iter=40, line_search_fn="strong_wolfe")

        def closure(solver: torch.optim.LBFGS = solver, penalty: float = penalty) -> torch.Tensor:
            solver.zero_grad()
            loss = F.cross_entropy(F.linear(inputs, weight, bias), train_labels) + penalty / 2 * weight.square().sum()
            loss.backward()
            return loss

        solver.step(closure)
        with torch.no_grad():
            answers = F.linear(others, weight, bias).argmax(1)
        found.append(float((answers == val_labels).double().mean()))
    return max(found)


def turned(inputs: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Features N F and M F in other axes, N of them where they are fewer than F.

    Weights under a quadratic penalty lie in the span of the samples, so that a classifier that is fitted to N samples
    loses nothing with the axes outside of it, and each of its steps takes less.

    >>> here, there = torch.rand(3, 7), torch.rand(2, 7)
    >>> few, others = turned(here, there)
    >>> few.shape, bool(torch.allclose(others @ few.T, there @ here.T, atol=1e-5))
    (torch.Size([3, 3]), True)
    """
    if len(inputs) >= inputs.shape[1]:
        return inputs, others
    axes, coordinates = torch.linalg.qr(inputs.T)
    return coordinates.T.contiguous(), others @ axes


def cross_validated(features: torch.Tensor, labels: torch.Tensor, folds: int = FOLDS) -> float:
    """Accuracy of a linear classifier on features N F, each sample judged by one that was fitted to other folds.

    Every class is dealt out evenly over the folds, so that the validation part stays untouched by the choice.

    >>> x = torch.tensor([[0.0, 1], [1, 0]]).repeat(8, 1)
    >>> cross_validated(x, torch.tensor([0, 1]).repeat(8))
    1.0
    """
    fold = torch.zeros(len(labels), dtype=torch.long)
    for label in labels.unique():
        mine = (labels == label).nonzero()[:, 0]
        fold[mine] = torch.arange(len(mine)) % folds
    hits = 0.0
    for number in range(folds):
        here, there = fold == number, fold != number
        if here.any() and there.any():
            hits += probe(features[there], labels[there], features[here], labels[here]) * int(here.sum())
    return hits / len(labels)
