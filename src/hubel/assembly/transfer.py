"""Transfer: a trained net as the start of another training. Where it comes from, what is taken over, what it sees.

The net and its preprocessing come from the source; the head is new. `hubel.training.transfer` says how much of the net
learns again, `hubel.training.features` and `hubel.training.heads` fit a head to a net that is only run once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from hubel import runtime
from hubel.assembly.prepare import Prepared
from hubel.checkpoint import ModelSpec
from hubel.checkpoint import load as load_checkpoint
from hubel.checkpoint.foreign import read_foreign
from hubel.checkpoint.published import fetch
from hubel.data.batches import batches
from hubel.data.preprocessing import Preprocessing
from hubel.data.splits import limited
from hubel.errors import ArtefactError, UsageError, near
from hubel.models import CARDS
from hubel.models.fitting import Fit, fit_weights
from hubel.models.heads import MLPHead, trunk
from hubel.models.pretrained import WEIGHTS, published
from hubel.recipes.schema import Recipe
from hubel.records.ledger import find
from hubel.training.events import EpochDone, Event
from hubel.training.features import (
    BATCH,
    Features,
    Request,
    collect,
    head_scale,
    stage_features,
    views_of,
    weights_digest,
)
from hubel.training.heads import fit_head, penalties
from hubel.training.loop import Training, fit, forward_precision
from hubel.training.optimisers import depths
from hubel.training.transfer import STUDIED, Plan, Probe, choose, choose_head, counts, freeze, probe, thawed
from hubel.watching import Watcher

HIDDEN_UNITS = 256
"""Of a head with a hidden layer, where `model_options` say nothing."""
PROBED = 6
"""Stages that are probed at most, evenly spread over the depth, the last one among them."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trained net to start from."""

    name: str
    """As it was asked for."""
    spec: ModelSpec
    preprocessing: Preprocessing | None
    tensors: Mapping[str, torch.Tensor]
    sha256: str
    """Of the weights file."""
    class_names: tuple[str, ...] = ()


def find_source(name: str) -> Source:
    """A run, its weights, or an architecture with published weights.

    Raises ArtefactError, with near names, for what is none of these, is damaged, or must be imported first.
    """
    try:
        place = find(name)
    except ArtefactError as error:
        if any(entry.model == name for entry in WEIGHTS):
            return published_source(name)
        if name in CARDS:
            raise ArtefactError(
                f"no weights were published for {name}, and no run is called so",
                hint=f"train one first, and start --from its run; published: {', '.join(_published()[:6])}, …",
            ) from None
        close = near(name, _published())
        more = f"; of the published nets: {' or '.join(repr(word) for word in close)}" if close else ""
        raise ArtefactError(f"there is no run and no published net {name!r}", hint=error.hint + more) from None
    if place.is_file() and place.suffix not in (".safetensors", ".json"):
        raise ArtefactError(
            f"{name} is no run of hubel's", hint=f"import it first: hubel import-weights {name} --as ARCHITECTURE"
        )
    if place.suffix == ".safetensors" and not place.with_suffix(".json").exists():
        raise ArtefactError(
            f"{name} stands alone: nothing says which net it belongs to",
            hint=f"import it first: hubel import-weights {name} --as ARCHITECTURE",
        )
    classifier = load_checkpoint(place)
    return Source(
        name=name,
        spec=classifier.spec,
        preprocessing=classifier.preprocessing,
        tensors=classifier.model.state_dict(),
        sha256=classifier.provenance.sha256,
        class_names=classifier.class_names,
    )


def _published() -> list[str]:
    return list(dict.fromkeys(entry.model for entry in WEIGHTS))


def published_source(name: str) -> Source:
    """The published ImageNet weights of an architecture, downloaded if they are not in the cache."""
    entry = published(name)
    foreign = read_foreign(fetch(entry), legacy=True)
    sides = (entry.size, entry.size)
    return Source(
        name=name,
        spec=ModelSpec(architecture=name, num_classes=entry.num_classes, in_chans=3, img_size=sides, options={}),
        preprocessing=Preprocessing(
            height=entry.size, width=entry.size, channels=3, fit="crop", mean=entry.mean, std=entry.std,
            interpolation=entry.interpolation,
        ),
        tensors=foreign.tensors,
        sha256=foreign.sha256,
    )  # fmt: skip


def adopt(recipe: Recipe, source: Source) -> tuple[Recipe, dict[str, str]]:
    """The recipe with the source's net and preprocessing in it, and the reasons. What the user said is kept.

    Raises UsageError where the recipe names another net, ArtefactError where it was made for other weights.
    """
    part, seen = recipe.data, source.preprocessing
    if recipe.model.model not in (None, source.spec.architecture):
        raise UsageError(
            f"from brings the net {source.spec.architecture}, and the recipe asks for {recipe.model.model}",
            hint="leave --model out",
        )
    wanted = recipe.transfer.from_sha256
    if wanted is not None and wanted != source.sha256:
        raise ArtefactError(
            f"the weights of {source.name} are not those this recipe was made with: "
            f"sha-256 {source.sha256[:12]}…, not {wanted[:12]}…",
            hint="give the old weights with --from, or leave from_sha256 out",
        )
    options = {key: value for key, value in source.spec.options.items() if key not in ("head_hidden", "all_stages")}
    options |= recipe.model.model_options
    if recipe.transfer.head == "mlp":
        options.setdefault("head_hidden", HIDDEN_UNITS)
    if recipe.transfer.head == "stages":
        options["all_stages"] = True
    took = f"as the net of {source.name} was trained"
    settings: dict[str, Any] = {
        "model": source.spec.architecture, "model_options": options, "from_sha256": source.sha256,
    }  # fmt: skip
    reasons = {"model": f"the net of {source.name}"}
    if seen is not None:
        channels = part.in_chans or seen.channels
        for name, value in (
            ("img_size", (seen.height, seen.width)),
            ("in_chans", channels),
            ("fit", seen.fit),
            ("interpolation", seen.interpolation),
            ("mean", _for_channels(seen.mean or (0.0,) * seen.channels, channels)),
            ("std", _for_channels(seen.std or (1.0,) * seen.channels, channels)),
        ):
            if getattr(part, name) is None:
                settings[name], reasons[name] = value, took
    return recipe.change(**settings), reasons


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Statistics of C channels for another number of them: the mean of all.

    >>> _for_channels((0.5, 0.25, 0.75), 1), _for_channels((0.5,), 3)
    ((0.5,), (0.5, 0.5, 0.5))
    """
    return values if len(values) == channels else (sum(values) / len(values),) * channels


def transplant(model: nn.Module, source: Source) -> Fit:
    """The source's weights put into `model`, but for its head, which stays fresh; the stem adapted to its channels.

    Auxiliary heads, which have a row for each class, stay fresh too. Raises UsageError where the body does not fit.
    """
    if not getattr(model, "stages", ()) or not getattr(model, "head", ""):
        raise UsageError(
            f"the net of {source.name} does not say what its stages and its head are, so it cannot be transferred",
            hint="a net needs the attributes `stages` and `head`; hubel models lists nets that have them",
        )
    model = trunk(model)
    tensors = source.tensors
    if source.spec.options.get("all_stages"):
        tensors = {name.removeprefix("body."): value for name, value in tensors.items() if name.startswith("body.")}
    head = f"{model.head}."
    body = {name: value for name, value in tensors.items() if not name.startswith(head)}
    sides = source.spec.img_size
    size = "" if sides is None else f"--img-size {sides[0] if sides[0] == sides[1] else f'{sides[0]}x{sides[1]}'}, "
    hint = f"build it as it was: {size}no other --model-option"
    try:
        fit = fit_weights(model, body)
    except ArtefactError as error:
        raise UsageError(f"nothing of {source.name} fits this net: {error.what}", hint=hint) from None
    old = source.spec.num_classes
    other_heads = {name for name, shape, came in fit.mismatched if came[:1] == (old,) and came[1:] == shape[1:]}
    strange = [
        name
        for name in (*fit.missing, *(row[0] for row in fit.mismatched))
        if not name.startswith(head) and name not in other_heads
    ]
    if strange:
        raise UsageError(
            f"the weights of {source.name} do not fit this net at {len(strange)} places, the first {strange[0]!r}",
            hint=hint,
        )
    return fit


@dataclass(frozen=True, kw_only=True)
class Study:
    """How well linear classifiers do on what a frozen net sees of the new data."""

    probes: tuple[Probe, ...] = ()
    """Of single stages, from the first."""
    together: float | None = None
    """Accuracy on all stages at once; None for a net whose head cannot see them."""
    samples: int = 0
    """Validation samples these were measured on."""


def study(prepared: Prepared, model: nn.Module, watch: Watcher) -> Study:
    """Look at the new data with a frozen net; empty in regression, or where nothing is held out."""
    manifest = prepared.manifest
    val = prepared.splits.val
    if manifest.regression or len(val) < 2:
        return Study()
    rows = {
        "train": limited(prepared.ids("train"), manifest.labels[prepared.ids("train")], STUDIED),
        "val": limited(val, manifest.labels[val], STUDIED),
    }
    watch.stage("looking how alike the new pictures are")
    names = stages_of(model)
    count = min(PROBED, len(names))
    chosen = [names[len(names) - 1 - round(i * (len(names) - 1) / max(1, count - 1))] for i in range(count)][::-1]
    device = next(model.parameters()).device
    found = {}
    for split, ids in rows.items():
        reading = batches(prepared.decoded, ids, preprocessing=prepared.preprocessing, batch_size=BATCH, device=device)
        found[split] = stage_features(model, (batch.images for batch in reading), names)
    labels = {split: torch.from_numpy(manifest.labels[ids]) for split, ids in rows.items()}

    def accuracy(*stages: str) -> float:
        inputs = {split: torch.cat([features[stage] for stage in stages], dim=1) for split, features in found.items()}
        return probe(inputs["train"], labels["train"], inputs["val"], labels["val"])

    seen = [stage for stage in names if stage in found["train"]]
    dense = isinstance(model.get_submodule(str(model.head)), nn.Linear)
    return Study(
        probes=tuple(Probe(stage=stage, accuracy=accuracy(stage)) for stage in chosen if stage in seen),
        together=accuracy(*seen) if dense and len(seen) > 1 else None,
        samples=len(rows["val"]),
    )


def scale_of(prepared: Prepared, model: nn.Module) -> float | None:
    """The a of logits = a · head(features), by a look at a few pictures; None for heads that need the whole net."""
    rows = prepared.ids("train")[:4]
    device = next(model.parameters()).device
    batch = next(
        batches(prepared.decoded, rows, preprocessing=prepared.preprocessing, batch_size=len(rows), device=device)
    )
    return head_scale(model, batch.images)


def look(prepared: Prepared, model: nn.Module, watch: Watcher) -> Features:
    """What enters the head of `model` for the training and validation pictures: from the cache, else computed once."""
    recipe = prepared.recipe
    device = runtime.pick_device(recipe.train.device)
    precision = forward_precision(recipe.train.precision, device)
    train, val = prepared.ids("train"), prepared.splits.val
    preprocessing = prepared.preprocessing
    rows = hashlib.sha256(train.astype("<i8").tobytes() + b"|" + val.astype("<i8").tobytes())
    request = Request(
        weights=weights_digest(model, without=str(model.head)),
        architecture=json.dumps([recipe.model.model, recipe.model.model_options], sort_keys=True, default=str),
        data=prepared.decoded.digest,
        rows=rows.hexdigest(),
        preprocessing="" if preprocessing is None else json.dumps(preprocessing.to_dict(), sort_keys=True),
        precision=str(precision),
        views=views_of(recipe.transfer.feature_views or 1, recipe.augment.augment or ()),
        seed=recipe.train.seed,
        device=device.type,
    )
    watch.stage("running the frozen net once")
    return collect(
        model, prepared.decoded, train, val,
        request=request, preprocessing=preprocessing, device=device, precision=precision,
        channels_last=recipe.train.channels_last and preprocessing is not None, progress=watch.progress,
    )  # fmt: skip


def check_kind(prepared: Prepared, source: Source) -> None:
    """Raise UsageError where a net over points meets pictures, or the other way round."""
    if (source.preprocessing is None) != (prepared.preprocessing is None):
        kinds = ("points", "pictures") if source.preprocessing is None else ("pictures", "points")
        raise UsageError(
            f"the net of {source.name} takes {kinds[0]}, and {prepared.manifest.source} holds {kinds[1]}",
            hint="start from a net of the same kind",
        )


def told(fit: Fit, source: Source) -> dict[str, Any]:
    """What was taken over, as plain data."""
    return {
        "from": source.name,
        "sha256": source.sha256,
        "architecture": source.spec.architecture,
        "old_classes": list(source.class_names[:1000]),
        "old_class_count": source.spec.num_classes,
        "tensors_taken": len(fit.loaded) + len(fit.adapted),
        "stem_adapted": bool(fit.adapted),
    }


Build = Callable[[Prepared], tuple[nn.Module, ModelSpec]]


def planned(
    prepared: Prepared, source: Source, build: Build, watch: Watcher
) -> tuple[nn.Module, ModelSpec, Prepared, dict[str, Any]]:
    """The net with the source's weights, how much of it learns (chosen here where the recipe leaves it open), and why.

    Returns the net, its description, the data with the recipe completed, and the facts for transfer.json.
    """
    model, spec = build(prepared)
    recipe = prepared.recipe
    facts = told(transplant(model, source), source)
    part, options = recipe.transfer, recipe.model.model_options
    head = part.head or ("mlp" if "head_hidden" in options else "stages" if options.get("all_stages") else None)
    looked = Study()
    if part.unfreeze is None or (part.unfreeze in ("head", 0) and head is None):
        looked = study(prepared, model, watch)
        facts |= {"probes": [asdict(probe) for probe in looked.probes], "probed_on": looked.samples}
        facts["together"] = looked.together
    plan = _plan(recipe, len(prepared.ids("train")), looked, head)
    settings: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if part.head is None:
        settings["head"], reasons["head"] = plan.head, plan.reason if head is None else "as the options of the net say"
    if part.unfreeze is None:
        settings["unfreeze"] = plan.unfreeze
        reasons["unfreeze"] = facts["reason"] = plan.reason
    other = {"cut": plan.cut} if plan.cut else {"all_stages": True} if plan.head == "stages" and head is None else {}
    if other:
        try:
            model, spec = build(replace(prepared, recipe=recipe.change(model_options=options | other)))
            facts |= told(transplant(model, source), source)
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
    prepared = replace(prepared, recipe=recipe.change(**settings), reasons=prepared.reasons | reasons)
    if only_head(prepared, model):
        walk = penalties(recipe.transfer.penalty, held_out=len(prepared.splits.val) > 0, hidden=is_hidden(model))
        if "epochs" not in prepared.reasons:
            watch.remark("the head of a frozen net is fitted to its optimum: epochs are not counted")
        prepared = replace(prepared, recipe=prepared.recipe.change(epochs=len(walk), ema=0.0))
        prepared.reasons["epochs"] = "one for each penalty of the head, from strong to weak, until it gets worse"
    learning = thawed(prepared.recipe.transfer.unfreeze or 0, 1 << 30, len(stages_of(model)))
    learns, stays = counts(model, learning)
    facts |= {
        "unfreeze": prepared.recipe.transfer.unfreeze,
        "head": prepared.recipe.transfer.head,
        "learns": learns,
        "stays": stays,
        "stages": stage_rows(model, prepared.recipe),
    }
    return model, spec, prepared, facts


def _plan(recipe: Recipe, samples: int, looked: Study, head: str | None) -> Plan:
    """What the recipe says (`head`: of the head), and for the rest what the look at the stages advises."""
    unfreeze, together = recipe.transfer.unfreeze, looked.together if head is None else None
    if unfreeze is None:
        plan = choose(samples, looked.probes, looked.samples, together)
    else:
        chosen, why = choose_head(looked.probes, together)
        plan = Plan(unfreeze=unfreeze, cut=None, head=chosen, layer_decay=0.5, reason=why, similar=True)
    return plan if head is None else replace(plan, head=head, cut=None if head == "stages" else plan.cut)


def stages_of(model: nn.Module) -> list[str]:
    """Names of the stages, from the first."""
    return [str(name) for name in model.stages]  # type: ignore[union-attr]


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
    titles = {0: str(model.head), len(names) + 1: "before the first stage"}
    rows = []
    for depth in range(len(names) + 1, -1, -1):
        if depth not in sizes:
            continue
        if unfreeze == "gradual":
            since: int | None = depth + 1 if depth < (recipe.train.epochs or 1) else None
        else:
            since = 1 if depth <= thawed(unfreeze, 0, len(names)) else None
        title = titles.get(depth) or names[len(names) - depth]
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


def only_head(prepared: Prepared, model: nn.Module) -> bool:
    """Does the head alone learn, and is it one that can be fitted to cached features?"""
    part = prepared.recipe.transfer
    return part.from_ is not None and part.unfreeze in ("head", 0) and scale_of(prepared, model) is not None


def events(training: Training, prepared: Prepared, watch: Watcher) -> Iterator[Event]:
    """The events of a run: of the loop, or of fitting a head where nothing else learns."""
    part = training.recipe.transfer
    scale = scale_of(prepared, training.model) if part.from_ is not None and part.unfreeze in ("head", 0) else None
    if scale is None:
        return fit(training)
    features = look(replace(prepared, recipe=training.recipe), training.model, watch)
    return fit_head(training, features, scale, penalty=part.penalty)


def warm(training: Training, prepared: Prepared, facts: dict[str, Any], watch: Watcher) -> float:
    """Fit the head before anything else learns, so that a random one does not spoil what was learnt; seconds it took.

    Kumar et al., Fine-Tuning can Distort Pretrained Features, arXiv:2202.10054. Heads that cannot be fitted to features
    stay as they are.
    """
    started = time.perf_counter()
    scale = scale_of(prepared, training.model)
    if scale is None:
        watch.remark("the head of this net needs the whole net: it learns in the loop from the start")
        return 0.0
    features = look(prepared, training.model, watch)
    best: dict[str, torch.Tensor] = {}
    head = training.model.get_submodule(str(training.model.head))
    rows = []
    for event in fit_head(training, features, scale, penalty=prepared.recipe.transfer.penalty):
        if isinstance(event, EpochDone):
            rows.append({key: event.row[key] for key in ("penalty", "val_loss", "val_accuracy") if key in event.row})
            if event.best:
                best = {name: value.detach().clone() for name, value in head.state_dict().items()}
    head.load_state_dict(best)
    facts["head_before"] = rows
    return time.perf_counter() - started


def learnt(training: Training) -> dict[str, int]:
    """How many parameters learn, for the summary of a run from a trained net; {} for other runs."""
    unfreeze = training.recipe.transfer.unfreeze
    if training.freeze is None or unfreeze is None:
        return {}
    return {"learning_parameters": counts(training.model, thawed(unfreeze, 1 << 30, len(stages_of(training.model))))[0]}


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
