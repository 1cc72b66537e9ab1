"""How much of a transferred net learns again, as the recipe says or as a look at its stages advises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn

from hubel.assembly.build import build
from hubel.assembly.prepare import Prepared
from hubel.assembly.transfer.fitted import varied
from hubel.assembly.transfer.head import only_head
from hubel.assembly.transfer.source import HEADS, Source, keeps_head, told, transplant
from hubel.assembly.transfer.study import Study, arithmetic_of, stages_of, study
from hubel.checkpoint import ModelSpec
from hubel.errors import UsageError
from hubel.models.heads import MLPHead
from hubel.nn.layout import arrange
from hubel.nn.optimisers import depths
from hubel.recipes.schema import Recipe
from hubel.training.features import Arithmetic, Seen
from hubel.training.heads import penalties
from hubel.training.loop import Training
from hubel.training.transfer import Plan, choose, choose_head, choose_unfitted, counts, freeze, thawed
from hubel.watching import Watcher
from hubel.words import duration

PATIENCE = 600.0
"""Seconds that a training takes at most which nobody has asked to be so thorough."""
COST = {"last": 1.2, "half": 1.8, "all": 3.0, "gradual": 3.0}
"""Times as long as looking that a pass takes in which this much of a net learns."""


def planned(
    prepared: Prepared, source: Source, watch: Watcher, *, by_default: bool = False
) -> tuple[nn.Module, ModelSpec, Prepared, dict[str, Any], Seen | None]:
    """The net with the source's weights, how much of it learns (chosen here where the recipe leaves it open), and why.

    Where the user has not even asked for it (`by_default`), no more learns than `PATIENCE` allows. Returns the net, its
    description, the data with the recipe completed, the facts for transfer.json, and what the net has seen of all
    training samples, if it has looked at them already.
    """
    model, spec = build(prepared)
    recipe = prepared.recipe
    facts = told(transplant(model, source, spec), source)
    part, options = recipe.transfer, recipe.model.model_options
    count = len(stages_of(model))
    if isinstance(part.unfreeze, int) and part.unfreeze > count + 1:  # one more: what lies before the first stage
        raise UsageError(
            f"unfreeze must be at most {count}, so many stages has {spec.architecture}, got {part.unfreeze}",
            hint=f"--unfreeze all, or fewer: hubel summary {source.name} lists them",
        )
    task = prepared.task
    if task.wraps and part.unfreeze in ("head", 0, "gradual"):
        raise UsageError(
            f"the task {task.name} learns no head, and unfreeze {part.unfreeze} would let nothing learn: the numbers "
            "that a picture becomes belong to the last stage",
            hint="--unfreeze last, or half or all",
        )
    head = part.head or said_by(options)
    flat = torch.contiguous_format
    layout = torch.channels_last if recipe.train.channels_last and prepared.preprocessing else flat
    model = arrange(model, layout)  # as it is trained: what is seen now is what would be seen then, to the bit
    looked, how = Study(), arithmetic_of(prepared, model) if task.fits_head else Arithmetic()
    if task.fits_head and (part.unfreeze is None or (part.unfreeze in ("head", 0) and head is None)):
        looked = study(prepared, model, watch, how)
        facts |= {"probes": [asdict(probe) for probe in looked.probes], "probed_on": looked.samples}
        facts["together"], facts["seconds_a_sample"] = looked.together, looked.seconds
    if task.fits_head:
        plan = _plan(recipe, len(prepared.ids("train")), looked, head)
    else:
        plan = choose_unfitted(part.unfreeze)
    if by_default and recipe.train.time is None and not varied(recipe):
        plan = within(PATIENCE, plan, looked, passes=(recipe.train.epochs or 1) * len(prepared.ids("train")))
    settings: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if not task.fits_head:
        model, spec, found = with_head(prepared, source, model, spec, open_=head is None)
        settings |= found
        whole = keeps_head(prepared.with_recipe(recipe.change(**found)), source)
        facts |= told(transplant(model, source, spec, whole=whole), source, whole=whole)
        if head is None and found:
            alone = "what the last stage sees is asked at each place"
            staged = "early stages know where something is, late ones what"
            kept = "the one that the net it starts from has"
            reasons["head"] = kept if whole else staged if found["head"] == "stages" else alone
    elif part.head is None:
        settings["head"], reasons["head"] = plan.head, plan.reason if head is None else "as the options of the net say"
    if part.unfreeze is None:
        settings["unfreeze"] = plan.unfreeze
        reasons["unfreeze"] = facts["reason"] = plan.reason
    other = {"cut": plan.cut} if plan.cut else {"all_stages": True} if plan.head == "stages" and head is None else {}
    if other:
        try:
            model, spec = build(prepared.with_recipe(recipe.change(model_options=options | other)))
            facts |= told(transplant(model, source, spec), source)
            settings["model_options"], reasons["model_options"] = options | other, plan.reason
        except UsageError as error:
            if plan.cut is None:
                raise
            settings["unfreeze"] = "half"
            reasons["unfreeze"] = f"{plan.reason}; {error.what}, so the later half learns instead"
    if part.unfreeze is None:
        watch.remark(f"{settings['unfreeze']} learns: {reasons['unfreeze']}")
    elif other:
        watch.remark(f"the head sees all stages: {plan.reason}")
    if recipe.optimizer.layer_decay is None:
        slower = "lower rates further from the head, whose features are more general"
        settings["layer_decay"] = plan.layer_decay
        reasons["layer_decay"] = slower if plan.layer_decay < 1 else "one rate for all"
    prepared = replace(prepared, chosen=prepared.chosen.change(reasons, **settings))
    if how.precision != torch.float32 and how.reason:
        watch.remark(f"training pictures pass through the frozen net in {how.name}: {how.reason}")
    if how.reason:
        facts["frozen"] = {"precision": how.name, "reason": how.reason}
    if only_head(prepared, model):
        if how.reason:
            prepared = replace(prepared, chosen=prepared.chosen.take(how.reason, precision=how.name))
        walk = penalties(recipe.transfer.penalty, held_out=len(prepared.splits.val) > 0, hidden=is_hidden(model))
        why = "one for each penalty of the head, from strong to weak, until it gets worse"
        prepared = replace(prepared, chosen=prepared.chosen.take(why, epochs=len(walk)).change(ema=0.0))
    learning = in_the_end(prepared.recipe, model)
    learns, stays = counts(model, learning)
    facts |= {
        "unfreeze": prepared.recipe.transfer.unfreeze,
        "head": prepared.recipe.transfer.head,
        "learns": learns,
        "stays": stays,
        "stages": stage_rows(model, prepared.recipe),
    }
    return model, spec, prepared, facts, None if plan.cut else looked.seen  # a cut net sees otherwise


def with_head(
    prepared: Prepared, source: Source, model: nn.Module, spec: ModelSpec, *, open_: bool
) -> tuple[nn.Module, ModelSpec, dict[str, Any]]:
    """The net with the head that suits a task in which none is fitted beforehand, and the settings that say so.

    Where it is `open_`: the source's, if that was trained for the same task, else one over all stages, where the net
    can have it.
    """
    task, recipe = prepared.task, prepared.recipe
    if task.wraps:
        return model, spec, {}
    options = recipe.model.model_options
    if open_:
        own = {name: source.spec.options[name] for name in HEADS if name in source.spec.options}
        wanted = options | (own if source.task == task.name else {"all_stages": True})
        with suppress(UsageError):  # its head may be no dense layer
            model, spec = build(prepared.with_recipe(recipe.change(model_options=wanted)))
            options = wanted
    return model, spec, {"head": said_by(options) or "linear", "model_options": options}


def in_the_end(recipe: Recipe, model: nn.Module) -> int:
    """How many stages learn in the last epoch: where a stage more does in each, few epochs may not reach them all."""
    return thawed(recipe.transfer.unfreeze or 0, (recipe.train.epochs or 1) - 1, len(stages_of(model)))


def said_by(options: Mapping[str, Any]) -> str | None:
    """The head that the options of a net ask for; None where they leave it open.

    >>> said_by({"cut": "layer2"}), said_by({"head_hidden": 64}), said_by({})
    ('linear', 'mlp', None)
    """
    if "head_hidden" in options:
        return "mlp"
    return "stages" if options.get("all_stages") else "linear" if options.get("cut") else None


def within(seconds: float, plan: Plan, looked: Study, *, passes: int) -> Plan:
    """The plan, or only a new head where so many passes of pictures through a net that learns would take longer.

    >>> thorough = Plan(unfreeze="last", cut=None, head="linear", layer_decay=0.5, reason="2,000 samples", similar=True)
    >>> within(600, thorough, Study(samples=1_000, seconds=0.01), passes=20_000).unfreeze
    'last'
    >>> within(600, thorough, Study(samples=1_000, seconds=0.1), passes=15_000).reason
    '2,000 samples; that would take about 30 min 0 s here, so a new head alone learns (else: --unfreeze last)'
    """
    needed = passes * looked.seconds * COST.get(str(plan.unfreeze), 0.0)
    if needed <= seconds:
        return plan
    head, _ = choose_head(looked.probes, looked.together)
    why = (
        f"that would take about {duration(needed)} here, so a new head alone learns (else: --unfreeze {plan.unfreeze})"
    )
    return replace(plan, unfreeze="head", head=head, layer_decay=1.0, reason=f"{plan.reason}; {why}")


def _plan(recipe: Recipe, samples: int, looked: Study, head: str | None) -> Plan:
    """What the recipe says (`head`: of the head), and for the rest what the look at the stages advises."""
    unfreeze, together = recipe.transfer.unfreeze, looked.together if head is None else None
    if unfreeze is None:
        plan = choose(samples, looked.probes, looked.samples, together)
        if (said := varied(recipe)) and plan.unfreeze == "head":
            why = f"{plan.reason}; {said[0]} varies pictures, so more than a head learns"
            plan = replace(plan, unfreeze="last", cut=None, layer_decay=0.5, reason=why)
    else:
        chosen, why = choose_head(looked.probes, together)
        plan = Plan(unfreeze=unfreeze, cut=None, head=chosen, layer_decay=0.5, reason=why, similar=True)
    return plan if head is None else replace(plan, head=head, cut=None if head == "stages" else plan.cut)


def is_hidden(model: nn.Module) -> bool:
    """Has the head a hidden layer?"""
    return isinstance(model.get_submodule(str(model.head)), MLPHead)


def stage_rows(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """A row for the stem, each stage and the head: its parameters, from which epoch it learns, at which rate."""
    names, unfreeze = stages_of(model), recipe.transfer.unfreeze or 0
    far = depths(model)
    sizes: dict[int, int] = {}
    for name, parameter in model.named_parameters():
        sizes[far[name]] = sizes.get(far[name], 0) + parameter.numel()
    decay = recipe.optimizer.layer_decay or 1.0
    inside = "body." if recipe.model.model_options.get("all_stages") else ""  # the head beside the net it looks into
    titles = {0: str(model.head), len(names) + 1: "before the first stage"}
    rows = []
    for depth in range(len(names) + 1, -1, -1):
        if depth not in sizes:
            continue
        if unfreeze == "gradual":
            since: int | None = depth + 1 if depth < (recipe.train.epochs or 1) else None
        else:
            since = 1 if depth <= thawed(unfreeze, 0, len(names)) else None
        title = titles.get(depth) or names[len(names) - depth].removeprefix(inside)
        rows.append({"name": title, "parameters": sizes[depth], "since": since, "rate": decay**depth})
    return rows


def freezing(recipe: Recipe) -> Callable[[nn.Module, int], None] | None:
    """What puts to sleep the part of a transferred net that does not learn in an epoch; None for other runs."""
    unfreeze = recipe.transfer.unfreeze
    if recipe.transfer.from_ is None or unfreeze is None:
        return None

    def sleep(model: nn.Module, epoch: int) -> None:
        freeze(model, thawed(unfreeze, epoch, len(stages_of(model))))

    return sleep


def learnt(training: Training) -> dict[str, int]:
    """How many parameters learn, for the summary of a run from a trained net; {} for other runs."""
    unfreeze = training.recipe.transfer.unfreeze
    if training.freeze is None or unfreeze is None:
        return {}
    return {"learning_parameters": counts(training.model, in_the_end(training.recipe, training.model))[0]}


def in_words(training: Training) -> str:
    """What is transferred and what learns, in a line; "" for other runs."""
    found = learnt(training)
    if not found:
        return ""
    part, total = training.recipe.transfer, sum(p.numel() for p in training.model.parameters())
    learns = found["learning_parameters"]
    what = {
        "head": "the head alone", "last": "the last stage and the head", "half": "the later half and the head",
        "all": "everything", "gradual": "a stage more each epoch",
    }.get(str(part.unfreeze), f"{part.unfreeze} stages and the head")  # fmt: skip
    return f"{part.from_}; learning: {what} ({learns:,} parameters, {total - learns:,} stay)"
