"""Checks before anything is computed: net, optimiser, schedule and batch sizes as they are; one picture passes."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubel.diagnosis.checks import error, examines, found, note, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient
from hubel.nn.fading import find_fading
from hubel.words import percent

IDLE_SHARE = 0.2
"""Share of a run in which a rate of nothing is no cooling down any more."""
NOTHING = 1e-4
"""Of its peak, below which a rate teaches nothing."""
SIMULATED = 20_000
"""Steps of a schedule that are gone through."""
DECAYED = 0.3
"""Of the weights, which decay alone takes away in a hundred steps: more is no regularisation."""


@examines(
    "static",
    error("optimizer-of-other-tensors", "static", "the optimiser holds tensors that are none of the net's"),
    error("not-in-optimizer", "static", "a weight that learns is not in the optimiser"),
    warning("frozen", "static", "weights that do not learn, and nobody said that they are meant not to"),
    error("frozen-but-learning", "static", "weights that are meant not to learn, and do"),
    note("decay-on-norms", "static", "weight decay on batch norm and biases"),
)
def compare_optimiser(patient: Patient) -> Iterator[Finding]:
    """What learns against what is meant to, and against what the optimiser holds."""
    named = dict(patient.model.named_parameters())
    if not named:
        return
    asleep = {name: p for name, p in named.items() if not p.requires_grad}
    unmeant = [name for name in asleep if not patient.intends(name)]
    total = sum(p.numel() for p in named.values())
    if unmeant:
        size = sum(named[name].numel() for name in unmeant)
        yield found(
            "frozen", f"{_listed(unmeant)} do not learn (requires_grad is False)",
            tensors=len(unmeant), parameters=size, share=size / total,
            mend=f"model.get_parameter({unmeant[0]!r}).requires_grad_(True); or say that it is meant: "
            f"frozen=({unmeant[0].rpartition('.')[0] or unmeant[0]!r},)",
            shown="[name for name, p in model.named_parameters() if not p.requires_grad]",
            severity="error" if len(unmeant) == len(named) else None,
        )  # fmt: skip
    awake = [name for name, p in named.items() if p.requires_grad and patient.intends(name)]
    if awake:
        yield found(
            "frozen-but-learning", f"{_listed(awake)} learn, and are said to be frozen", tensors=len(awake),
            mend=f"model.get_parameter({awake[0]!r}).requires_grad_(False)",
            shown="[name for name, p in model.named_parameters() if p.requires_grad]",
        )  # fmt: skip
    if patient.optimiser is None:
        return
    held = {id(p) for group in patient.optimiser.param_groups for p in group["params"]}
    count = sum(len(group["params"]) for group in patient.optimiser.param_groups)
    own = {id(p) for p in named.values()} | _loss_parameters(patient)
    foreign, missing = len(held - own), [n for n, p in named.items() if p.requires_grad and id(p) not in held]
    kind = type(patient.optimiser).__name__
    if foreign and foreign == count:
        yield found(
            "optimizer-of-other-tensors", f"none of the {count} tensors of the optimiser belongs to the net",
            tensors=count, of_the_net=len(named),
            mend=f"optimizer = torch.optim.{kind}(model.parameters(), …), made after the net is final",
            shown="{id(p) for g in optimizer.param_groups for p in g['params']} & {id(p) for p in model.parameters()}",
        )  # fmt: skip
    elif missing:
        yield found(
            "not-in-optimizer", f"{_listed(missing)} learn, but the optimiser does not hold them",
            tensors=len(missing), parameters=sum(named[name].numel() for name in missing), foreign=foreign,
            mend=f"optimizer = torch.optim.{kind}(model.parameters(), …), made after the last layer was put in",
            shown="set(model.parameters()) - {p for g in optimizer.param_groups for p in g['params']}",
        )  # fmt: skip
    yield from _decay_on_norms(patient)


def _loss_parameters(patient: Patient) -> set[int]:
    return {id(p) for p in patient.loss.parameters()} if isinstance(patient.loss, nn.Module) else set()


def _decay_on_norms(patient: Patient) -> Iterator[Finding]:
    assert patient.optimiser is not None
    norms = {
        id(p) for m in patient.model.modules() if isinstance(m, (_BatchNorm, nn.LayerNorm)) for p in m.parameters()
    }
    decayed = [
        p
        for g in patient.optimiser.param_groups
        if g.get("weight_decay", 0.0) > 0
        for p in g["params"]
        if id(p) in norms
    ]
    if decayed:
        yield found(
            "decay-on-norms", "weight decay also shrinks the scales and shifts of normalisation", tensors=len(decayed),
            mend="two groups of parameters: those with p.ndim < 2 get weight_decay=0",
            shown="[g['weight_decay'] for g in optimizer.param_groups]",
        )  # fmt: skip


@examines("static", warning("decay-kills", "static", "weight decay that outweighs what is learnt"))
def weigh_decay(patient: Patient) -> Iterator[Finding]:
    """How much of the weights decay takes away in a hundred steps, where it works on them directly."""
    if patient.optimiser is None:
        return
    lost = 0.0
    own = type(patient.optimiser)
    usual = {torch.optim.SGD: 0.02, torch.optim.AdamW: 0.5}.get(own)
    if usual is None:  # elsewhere decay joins the gradient, or the rate means something else: the steps will tell
        return
    for group in patient.optimiser.param_groups:
        decay = float(group.get("weight_decay", 0.0))
        if decay > usual:
            lost = max(lost, 1 - max(0.0, 1 - decay * float(group["lr"])) ** 100)
    if lost > DECAYED:
        group = max(patient.optimiser.param_groups, key=lambda g: g.get("weight_decay", 0.0) * g["lr"])
        yield found(
            "decay-kills", f"weight decay takes away {percent(lost, 0)} of the weights in a hundred steps",
            weight_decay=float(group["weight_decay"]), lr=float(group["lr"]), lost_in_100_steps=lost,
            mend="--weight-decay 5e-4; in torch: weight_decay=5e-4", settings={"weight_decay": 5e-4},
            shown="(1 - lr * weight_decay) ** 100",
        )  # fmt: skip


@examines(
    "static",
    error("batch-of-one", "static", "batch norm is to learn from a batch of one sample"),
)
def find_single_samples(patient: Patient) -> Iterator[Finding]:
    """Batches of one sample before batch norm over vectors or in training: there is no variance of one value."""
    norms = [name for name, m in patient.model.named_modules() if isinstance(m, _BatchNorm)]
    if not norms or not patient.train.sizes:
        return
    if any(p.requires_grad for p in patient.model.parameters()) and 1 in patient.train.sizes:
        ones = patient.train.sizes.count(1)
        last = ones == 1 and patient.train.sizes[-1] == 1 and len(patient.train.sizes) > 1
        where = "the last batch of an epoch" if last else f"{ones} of {len(patient.train.sizes)} batches"
        yield found(
            "batch-of-one", f"{where} has one sample, and {norms[0]!r} normalises by the batch",
            batch_norms=len(norms), batches_of_one=ones, batches=len(patient.train.sizes),
            mend="DataLoader(…, drop_last=True)" if last else "--batch-size 32; in torch: batch_size=32",
            shown="min(len(images) for images, labels in loader)", settings={} if last else {"batch_size": 32},
        )  # fmt: skip


@examines(
    "static",
    warning("schedule-ends-early", "static", "the rate is nothing for more than a fifth of the run"),
    warning("schedule-by-wrong-unit", "static", "the schedule is stepped by the batch and counted in epochs, or not"),
)
def simulate_schedule(patient: Patient) -> Iterator[Finding]:
    """Go through the whole schedule on a copy, and look where the rate is at which part of the run."""
    if patient.rates:
        yield from judge_rates(patient.rates, len(patient.rates))
    if patient.schedule is None or not patient.ticks:
        return
    scheduler = copy.deepcopy(patient.schedule)
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        return
    rates = []
    ticks = min(patient.ticks, SIMULATED)
    try:
        for _ in range(ticks):
            rates.append(float(scheduler.optimizer.param_groups[0]["lr"]))
            scheduler.optimizer._opt_called = True
            scheduler.step()
    except ValueError as refusal:
        yield found(
            "schedule-by-wrong-unit", f"the schedule ends after {len(rates)} of {patient.ticks} steps: {refusal}"[:160],
            length=len(rates), steps_of_the_run=patient.ticks,
            mend=f"total_steps={patient.ticks}, or scheduler.step() once an epoch",
            shown=f"for _ in range({patient.ticks}): scheduler.step()", severity="error",
        )  # fmt: skip
        return
    yield from judge_rates(rates, patient.ticks)


def judge_rates(rates: list[float], ticks: int) -> Iterator[Finding]:
    """What is wrong with the rates of a whole run, one for each step of its schedule."""
    peak = max(rates)
    if len(rates) < 5 or peak <= 0:
        return
    low = [rate < NOTHING * peak for rate in rates]
    at = {f"at_{share}_%": rates[min(len(rates) - 1, len(rates) * share // 100)] for share in (0, 10, 50, 90)}
    returns = sum(1 for one, two in itertools.pairwise(low) if one and not two)
    turns = _turns(rates)
    if turns >= 8 and turns > len(rates) / 200:
        yield found(
            "schedule-by-wrong-unit", f"the rate goes up and down {turns // 2} times in the run",
            turns=turns, also=at, mend=f"T_max={ticks} (the steps of the run), or scheduler.step() once an epoch",
            shown=f"for _ in range({ticks}): scheduler.step()",
        )  # fmt: skip
    elif sum(low) > IDLE_SHARE * len(rates) and (low[-1] or returns == 0):
        first = low.index(True)
        yield found(
            "schedule-ends-early",
            f"the rate is nothing from {percent(first / len(rates), 0)} of the run on",
            idle_share=sum(low) / len(rates),
            also=at,
            mend=f"make the schedule {ticks} steps long, or call scheduler.step() once an epoch",
            shown=f"for _ in range({ticks}): scheduler.step()",
        )  # fmt: skip
    elif rates[0] < 0.1 * peak and rates.index(peak) == len(rates) - 1:
        yield found(
            "schedule-by-wrong-unit", "the rate is still warming up when the run ends", also=at,
            mend="scheduler.step() after every batch, not once an epoch; or fewer steps of warm-up",
            shown=f"for _ in range({ticks}): scheduler.step()",
        )  # fmt: skip
    elif _should_fall(rates) and min(rates) > 0.9 * peak:
        yield found(
            "schedule-by-wrong-unit", "the rate hardly changes in the run, though its schedule lets it fall", also=at,
            mend="scheduler.step() after every batch, or count the schedule in epochs",
            shown=f"for _ in range({ticks}): scheduler.step()",
        )  # fmt: skip


def _should_fall(rates: list[float]) -> bool:
    return rates[-1] < rates[0] * (1 - 1e-9) and all(b <= a for a, b in itertools.pairwise(rates))


def _turns(rates: list[float]) -> int:
    signs = [b > a for a, b in itertools.pairwise(rates) if a != b]
    return sum(one != two for one, two in itertools.pairwise(signs))


def _listed(names: list[str], most: int = 3) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + rest


@examines(
    "static", warning("maps-fade", "static", "maps so small that kernels lie on padding, and no norm behind them")
)
def look_at_maps(patient: Patient) -> Iterator[Finding]:
    """How much of a picture is left at the end of the net, by the share of its kernels that meets the maps."""
    if patient.train.pictures:
        yield from judge_maps(patient.copied()[0], patient.train.first[0][:1])


def judge_maps(model: nn.Module, image: torch.Tensor) -> Iterator[Finding]:
    """The finding for one picture (1 C H W), as the net gets it."""
    fading = find_fading(model, image)
    if fading is not None:
        side = min(image.shape[2:])
        yield found(
            "maps-fade", fading.told, left=fading.left, on_one_pixel=fading.on_a_pixel, side=side,
            mend=f"--img-size {max(32, 2 * side)}, or a net with batch norm, or one of fewer pools: hubel models",
            settings={"img_size": max(32, 2 * side)}, shown="[y.std() for each layer's output y]",
        )  # fmt: skip
