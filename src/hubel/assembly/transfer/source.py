"""Where a trained net comes from, and what is taken over from it: weights, geometry, statistics."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import torch
from torch import nn

from hubel.assembly.asking import asked
from hubel.assembly.prepare import Prepared
from hubel.checkpoint import ModelSpec
from hubel.checkpoint import load as load_checkpoint
from hubel.checkpoint.published import at_hand, published_folder
from hubel.checkpoint.saving import FORMS
from hubel.checkpoint.sizing import sized
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, UsageError, near
from hubel.models import CARDS, card
from hubel.models.ensemble import NAME as ENSEMBLE
from hubel.models.fitting import Fit, fit_weights
from hubel.models.heads import trunk
from hubel.models.pretrained import DEFAULT, WEIGHTS, is_published, published
from hubel.recipes.chosen import Chosen
from hubel.recipes.schema import Recipe
from hubel.records.ledger import RunRecord, find_folder
from hubel.tasks import CLASSIFY, TASKS
from hubel.words import plural

HEADS = ("head_hidden", "all_stages", "cut", "scale")
"""Options by which a net has another head."""
HIDDEN_UNITS = 256
"""Of a head with a hidden layer, where `model_options` say nothing."""


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
    task: str = CLASSIFY.name
    """What it was trained for, by name."""

    @property
    def names_classes(self) -> bool:
        """Does it answer with one of its classes?"""
        return bool(self.class_names) and TASKS.get(self.task).labels


def find_source(name: str) -> Source:
    """A run, its weights, or an architecture with published weights.

    Raises ArtefactError, with near names, for what is none of these, is damaged, or must be imported first.
    """
    place = find_folder(name)
    if place is None:
        if is_published(name):
            return published_source(name)
        raise _nowhere(name)
    if place.is_file() and place.suffix not in (*FORMS, ".json"):
        raise ArtefactError(
            f"{name} is no run of hubel's", hint=f"import it first: hubel import-weights {name} --as ARCHITECTURE"
        )
    classifier = load_checkpoint(place)
    known = TASKS.get(classifier.task)
    if classifier.spec.architecture == ENSEMBLE:
        members = RunRecord(place).members if place.is_dir() else ()
        raise ArtefactError(
            f"{name} is several nets that answer together, and no start for another training",
            hint=f"start from one of them: --from {place.parent / members[0] if members else 'RUN'}",
        )
    if known.unstarted:
        raise ArtefactError(
            f"{name} was trained for the task {known.name}, {known.unstarted}: it is no start for another training",
            hint="--from a run with labels, masks or embeddings, or leave --from out; its own training goes on with "
            "hubel train --resume",
        )
    return Source(
        name=name,
        spec=classifier.spec,
        preprocessing=classifier.preprocessing,
        tensors=classifier.model.state_dict(),
        sha256=classifier.provenance.sha256,
        class_names=classifier.class_names,
        task=known.name,
    )


def _nowhere(name: str) -> ArtefactError:
    """The error for a name that is neither a run nor a net with published weights."""
    if name in CARDS:
        here = [entry.model for entry in WEIGHTS if at_hand(entry)]
        return ArtefactError(
            f"no weights were published for {name}, and no run is called so",
            hint=f"start from {here[0] if here else DEFAULT}, or train one first and start --from its run; "
            "published weights: hubel models --pretrained",
        )
    close = near(name, dict.fromkeys(entry.model for entry in WEIGHTS))
    more = f"did you mean {' or '.join(repr(word) for word in close)}? " if close else ""
    hint = f"{more}list them: hubel runs; published weights: hubel models --pretrained"
    return ArtefactError(f"there is no run and no published net {name!r}", hint=hint)


def published_source(name: str) -> Source:
    """The published ImageNet weights of an architecture: of its package, or downloaded if they are not in the cache.

    Raises ArtefactError where its package is not installed or the download fails, which says what would do instead.
    """
    classifier = load_checkpoint(published_folder(published(name)))
    return Source(
        name=name,
        spec=classifier.spec,
        preprocessing=classifier.preprocessing,
        tensors=classifier.model.state_dict(),
        sha256=str(classifier.provenance.recipe.get("sha256", "")),
        class_names=classifier.class_names,
    )


def adopt(recipe: Recipe, source: Source) -> Chosen:
    """The recipe with the source's net and preprocessing in it, and the reasons. What the user said is kept.

    Raises UsageError where the recipe names another net, ArtefactError where it was made for other weights.
    """
    part, seen = recipe.data, source.preprocessing
    name = source.spec.architecture
    wrap = wrapped_in(recipe, source)
    if recipe.model.model not in (None, name, wrap or name):
        raise UsageError(
            f"from brings the net {name}, and the recipe asks for {recipe.model.model}", hint="leave --model out"
        )
    wanted = recipe.transfer.from_sha256
    if wanted is not None and wanted != source.sha256:
        raise ArtefactError(
            f"the weights of {source.name} are not those this recipe was made with: "
            f"sha-256 {source.sha256[:12]}…, not {wanted[:12]}…",
            hint="give the old weights with --from, or leave from_sha256 out",
        )
    own = ("head_hidden", "all_stages", "scale")
    options = {key: value for key, value in source.spec.options.items() if key not in own}
    options |= same_stem(source.spec, part.img_size)
    if wrap:
        inner = recipe.model.model_options.get("backbone", name)
        if inner != name:
            raise UsageError(
                f"from brings the net {name}, and the recipe asks for the backbone {inner}",
                hint="leave --model-option backbone out",
            )
        options = {"backbone": name} | ({"backbone_options": options} if options else {})
    options |= recipe.model.model_options
    if recipe.transfer.head == "mlp":
        options.setdefault("head_hidden", HIDDEN_UNITS)
    if recipe.transfer.head == "stages":
        options["all_stages"] = True
    took = f"as the net of {source.name} was trained"
    settings: dict[str, Any] = {
        "model": wrap or name, "model_options": options, "from_sha256": source.sha256,
    }  # fmt: skip
    reasons = {"model": f"{wrap} around the net of {source.name}" if wrap else f"the net of {source.name}"}
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
    return Chosen(recipe=recipe).change(reasons, **settings)


def wrapped_in(recipe: Recipe, source: Source) -> str:
    """The net that the recipe's task puts around the source's; "" where it takes the source's own.

    >>> lite = Source(
    ...     name="efficientnet_lite0", preprocessing=None, tensors={}, sha256="",
    ...     spec=ModelSpec(architecture="efficientnet_lite0", num_classes=2, in_chans=3, img_size=(224, 224)),
    ... )
    >>> wrapped_in(Recipe().change(task="embed"), lite), wrapped_in(Recipe().change(task="segment"), lite)
    ('siamese', '')
    """
    task = asked(Chosen(recipe=recipe)).recipe.train.task
    wraps = TASKS.get(task).wraps if task is not None else ""
    return "" if wraps == source.spec.architecture else wraps


def same_stem(spec: ModelSpec, size: int | tuple[int, int] | None) -> dict[str, Any]:
    """The options by which a net at another `size` has the stem that was trained, or its backbone has; {} where none
    is needed.

    >>> net = ModelSpec(
    ...     architecture="siamese", num_classes=2, in_chans=3, img_size=(64, 64), options={"backbone": "resnet18"}
    ... )
    >>> same_stem(net, 96), same_stem(net, 64)
    ({'backbone_options': {'stem': 'small'}}, {})
    """
    builder = card(spec.architecture).builder if spec.architecture in CARDS else None
    if "backbone" not in spec.options or builder is None or "backbone_options" not in signature(builder).parameters:
        stem = stem_of(spec, size)
        return {"stem": stem} if stem else {}
    own = dict(spec.options.get("backbone_options") or {})
    stem = stem_of(replace(spec, architecture=str(spec.options["backbone"]), options=own), size)
    return {"backbone_options": own | {"stem": stem}} if stem else {}


def stem_of(spec: ModelSpec, size: int | tuple[int, int] | None) -> str:
    """The stem that a net must be told to have, so that at another `size` it stays the one that was trained.

    Many families have one stem for small pictures and one for larger ones, and choose by the size (`is_small`). ""
    where the size is the same, the recipe of the source says its stem, or the net has but one.

    >>> lite = ModelSpec(architecture="efficientnet_lite0", num_classes=2, in_chans=3, img_size=(224, 224), options={})
    >>> stem_of(lite, 64), stem_of(lite, (224, 224)), stem_of(replace(lite, architecture="mlp"), 64)
    ('full', '', '')
    """
    sides = (size, size) if isinstance(size, int) else size
    builder = card(spec.architecture).builder if spec.architecture in CARDS else None
    if sides in (None, spec.img_size) or "stem" in spec.options or builder is None:
        return ""
    if "stem" not in signature(builder).parameters:
        return ""
    own = repr(sized(spec)[0])  # strides are part of it
    for word in ("full", "small"):
        with suppress(UsageError):  # pictures may be too small for the full one
            if repr(sized(replace(spec, options={**spec.options, "stem": word}))[0]) == own:
                return word
    return ""


def _for_channels(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Statistics of C channels for another number of them: the mean of all.

    >>> _for_channels((0.5, 0.25, 0.75), 1), _for_channels((0.5,), 3)
    ((0.5,), (0.5, 0.5, 0.5))
    """
    return values if len(values) == channels else (sum(values) / len(values),) * channels


def keeps_head(prepared: Prepared, source: Source) -> bool:
    """Does the source's head go on learning, since it says of the same classes what is to be said here?

    Where a head is fitted to what a frozen net sees, it is always a new one; where answers know no classes, never.
    """
    task = prepared.task
    alike = bool(task.wraps) or source.class_names == prepared.class_names
    before, now = source.spec.options, prepared.recipe.model.model_options
    return (
        not task.fits_head
        and source.task == task.name
        and alike
        and all(before.get(option) == now.get(option) for option in HEADS)
    )


def transplant(model: nn.Module, source: Source, spec: ModelSpec, *, whole: bool = False) -> Fit:
    """The source's weights put into `model`, which `spec` describes; the stem adapted to its channels.

    Its head stays fresh, unless the `whole` net is taken over. Where the task puts a net around the source's, this goes
    into its backbone. Auxiliary heads, which have a row for each class, stay fresh too. Raises UsageError where the
    body does not fit.
    """
    if not getattr(model, "stages", ()) or not getattr(model, "head", ""):
        raise UsageError(
            f"the net of {source.name} does not say what its stages and its head are, so it cannot be transferred",
            hint="a net needs the attributes `stages` and `head`; hubel models lists nets that have them",
        )
    model = model if whole else trunk(model)
    if spec.architecture != source.spec.architecture:
        model = model.get_submodule("backbone")
    tensors = source.tensors
    if source.spec.options.get("all_stages") and not whole:
        tensors = {name.removeprefix("body."): value for name, value in tensors.items() if name.startswith("body.")}
    head = f"{model.head}."
    body = {name: value for name, value in tensors.items() if whole or not name.startswith(head)}
    if not body:
        raise UsageError(
            f"the net of {source.name} is a head alone: it has learnt nothing below its classes to start from",
            hint="--from a net with layers below its head, or leave --from out",
        )
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
            f"the weights of {source.name} do not fit this net at {plural(len(strange), 'place')}, "
            f"the first {strange[0]!r}",
            hint=hint,
        )
    return fit


def check_kind(prepared: Prepared, source: Source) -> None:
    """Raise UsageError where a net over points meets pictures, or the other way round."""
    if (source.preprocessing is None) != (prepared.preprocessing is None):
        kinds = ("points", "pictures") if source.preprocessing is None else ("pictures", "points")
        raise UsageError(
            f"the net of {source.name} takes {kinds[0]}, and {prepared.manifest.source} holds {kinds[1]}",
            hint="start from a net of the same kind",
        )


def told(fit: Fit, source: Source, *, whole: bool = False) -> dict[str, Any]:
    """What was taken over, as plain data."""
    return {
        "old_task": source.task,
        "head_kept": whole,
        "from": source.name,
        "sha256": source.sha256,
        "architecture": source.spec.architecture,
        "old_classes": list(source.class_names[:1000]),
        "old_class_count": source.spec.num_classes,
        "tensors_taken": len(fit.loaded) + len(fit.adapted),
        "stem_adapted": bool(fit.adapted),
    }
