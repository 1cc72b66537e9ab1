"""Several methods on one picture, quick ones first, with how far each of their maps can be trusted.

Letters: C H W of the image.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hubel.errors import UsageError
from hubel.explainers.attribution import Attribution
from hubel.explainers.methods import EXPLAINERS, attribute
from hubel.explainers.trust import THOROUGH, Pains, Trust, by_chance, pains_for, passes, trust
from hubel.nn.scores import logits_of
from hubel.watching import SILENT, Watcher
from hubel.words import duration

WORTH_SAYING = 20
"""Seconds from which on it is said beforehand how long an explanation will take."""

NONE: Mapping[str, str] = {}
DEFAULT = ("grad-cam", "hires-cam", "occlusion-fast", "integrated-gradients", "smoothgrad")
"""Shown where no method is named: the usual map, the one faithful to any head, and three ways to the pixels."""
ON_TOKENS = ("attention-rollout", "occlusion-fast", "integrated-gradients", "smoothgrad", "layer-cam")
"""The same for nets with attention."""


@dataclass(frozen=True, kw_only=True)
class Together:
    """What several methods say about one picture."""

    maps: tuple[Attribution, ...]
    trusts: tuple[Trust, ...]
    """One for each map, or none at all."""
    refusals: tuple[tuple[str, str], ...]
    """(method, why it cannot be used on this net)."""
    spared: str = ""
    """What the checks of a large net leave out, in words; "" where they are thorough or not made."""


def explain_together(
    model: nn.Module,
    image: torch.Tensor,
    *,
    target: int,
    methods: Sequence[str] = (),
    layer: str | None = None,
    trusted: bool = True,
    thorough: bool = False,
    several: bool = False,
    refused: Mapping[str, str] = NONE,
    times: int = 1,
    name: str = "the picture",
    watch: Watcher = SILENT,
) -> Together:
    """Explain the class `target` of one image C H W, called `name`, by `methods` (the usual ones unless given).

    `thorough` checks maps of a large net as those of a small one. `several`: each label is a question of its own. What
    all of it will take is said before, of so many `times`, which are still to come; 0 says nothing. `refused`: of a
    method why its maps would not be right here. Methods that cannot be applied to the net are named with the reason;
    when none can, or the only one named, UsageError says so.
    """
    if thorough and not trusted:
        raise UsageError(
            "--thorough is how maps are checked, and --no-trust leaves that out", hint="leave one of the two out"
        )
    wanted = sorted(methods or usual_methods(model), key=lambda method: EXPLAINERS.get(method).passes)
    pains, spared = pains_for(model, image) if trusted and not thorough else (THOROUGH, "")
    if times:
        _foretell(model, image, wanted, pains if trusted else None, times, watch)
    if spared and times:
        watch.remark(spared)
    maps: list[Attribution] = []
    trusts: list[Trust] = []
    refusals: list[tuple[str, str]] = []
    settings = {m: {"layer": layer} if layer and EXPLAINERS.get(m).layer else {} for m in wanted}
    for method in wanted:
        watch.stage(f"{method} on {name}")
        try:
            refuse(method, refused)
            heard = heard_by(watch, method)
            maps.append(
                attribute(model, image, method=method, target=target, several=several, **settings[method], **heard)
            )
        except UsageError as refusal:
            if methods and len(wanted) == 1:
                raise
            refusals.append((method, f"{refusal.what}; {refusal.hint}" if refusal.hint else refusal.what))
    if not maps:
        raise UsageError(
            f"no method can be used on this net: {'; '.join(f'{m}: {why}' for m, why in refusals)}",
            hint="methods for any net: saliency, integrated-gradients, occlusion, rise",
        )
    if trusted:
        watch.stage(f"random maps on {name}, to compare with")
        chance = by_chance(model, image, target=target, steps=pains.steps, several=several)
        for found in maps:
            watch.stage(f"how far to trust {found.method}")
            same: dict[str, Any] = dict(method=found.method, target=target, chance=chance, **settings[found.method])
            same |= {"steps": pains.steps, "copies": pains.copies, "several": several}
            trusts.append(trust(model, image, found.map, **same))
    return Together(maps=tuple(maps), trusts=tuple(trusts), refusals=tuple(refusals), spared=spared)


def refuse(method: str, refused: Mapping[str, str]) -> None:
    """Raise UsageError for a method whose maps would not be right."""
    if method in refused:
        raise UsageError(
            f"{method} cannot be used here: {refused[method]}",
            hint="methods for any net: saliency, integrated-gradients, occlusion, rise",
        )


def usual_methods(model: nn.Module) -> tuple[str, ...]:
    """Those that are shown where no method is named."""
    return ON_TOKENS if getattr(model, "attention", None) else DEFAULT


def heard_by(watch: Watcher, method: str) -> dict[str, Any]:
    """The argument by which a method that takes long tells how far it is; {} for others."""
    tells = "progress" in inspect.signature(EXPLAINERS.get(method).run).parameters
    return {"progress": watch.progress} if tells else {}


def _foretell(
    model: nn.Module, image: torch.Tensor, methods: Sequence[str], pains: Pains | None, times: int, watch: Watcher
) -> None:
    """Say what all of it will take, from the time of one pass, where that is long enough to be wondered about."""
    one = times * min(_timed(model, image) for _ in range(2))  # the first pass of a process is no measure
    costs = [EXPLAINERS.get(method).passes for method in methods]
    checks = [passes(cost, pains) for cost in costs] if pains else []
    seconds = one * (sum(costs) + sum(each for _, each in checks) + (checks[0][0] if checks else 0))
    if seconds >= WORTH_SAYING:
        shorter = f"; without how far to trust each, --no-trust, about {duration(one * sum(costs))}" if pains else ""
        watch.remark(f"this will take about {duration(seconds)}{shorter}")


def _timed(model: nn.Module, image: torch.Tensor) -> float:
    started = time.perf_counter()
    logits_of(model, image[None])
    return time.perf_counter() - started
