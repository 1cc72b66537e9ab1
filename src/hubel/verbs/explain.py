"""Explain: a classifier and a picture in; maps of what the decision hangs on out, as arrays, a drawing or a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier
from hubel.errors import UsageError
from hubel.explainers.attribution import Attribution
from hubel.explainers.methods import EXPLAINERS, attribute
from hubel.explainers.trust import Chance, Trust, by_chance, trust
from hubel.figures.overlay import overlay
from hubel.figures.theme import Figure
from hubel.nn.scores import logits_of
from hubel.records.subjects import look
from hubel.report.explanation import Explanation
from hubel.watching import SILENT, Watcher

DEFAULT = ("grad-cam", "hires-cam", "occlusion-fast", "integrated-gradients", "smoothgrad")
"""Shown where no method is named: the usual map, the one faithful to any head, and three ways to the pixels."""
ON_TOKENS = ("attention-rollout", "occlusion-fast", "integrated-gradients", "smoothgrad", "layer-cam")
"""The same for nets with attention."""


def listing() -> dict[str, str]:
    """Method -> the question that it answers, or why the method of an installed package cannot be used."""
    return {name: explainer.question for name, explainer in EXPLAINERS.items()} | EXPLAINERS.faults()


@dataclass(frozen=True, kw_only=True)
class Explained(Attribution):
    """An attribution that knows its picture, so that it can be drawn."""

    pixels: np.ndarray
    """C H W uint8, as the net got it."""
    target: str
    """The class that is explained."""

    def plot(self) -> Figure:
        """The map over the picture, with a legend."""
        title = f"{self.method}: {self.target} {self.probabilities[0]:.0%}"
        return overlay(self.pixels, self.map, signed=self.signed, title=title, caption=self.note)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.plot()._repr_mimebundle_()


def explain(
    run: str | Path | Classifier,
    picture: Any,
    *,
    method: str = "grad-cam",
    target: str | int | None = None,
    device: str = "auto",
    **settings: Any,
) -> Explained:
    """Why does the net say what it says about this picture? One map, by one method (`hubel.explainers.EXPLAINERS`).

    `target` is a class by name or number, else the predicted class; `settings` are the method's own (`layer=`,
    `patch=`, `steps=`). Raises DataError for the picture, UsageError and UnknownName for what cannot be.
    """
    seen = look(run, picture, device=device)
    found = attribute(seen.model, seen.image, method=method, target=seen.index(target), **settings)
    values = {field.name: getattr(found, field.name) for field in fields(Attribution)}
    return Explained(**values, pixels=seen.pixels, target=seen.class_names[found.targets[0]])


def explain_page(
    run: str | Path | Classifier,
    picture: Any,
    *,
    methods: Sequence[str] = (),
    target: str | int | None = None,
    trusted: bool = True,
    layer: str | None = None,
    device: str = "auto",
    watch: Watcher = SILENT,
) -> Explanation:
    """Several methods on one picture, side by side, with their trust measures; what `report.explanation` draws.

    Methods that cannot be applied to the net are named with the reason; when none can, UsageError says so.
    """
    seen = look(run, picture, device=device)
    picked = seen.index(target)
    logits = logits_of(seen.model, seen.image[None])
    shares = logits.double().softmax(dim=1)[0].cpu().numpy()
    picked = int(shares.argmax()) if picked is None else picked
    wanted = list(methods) or list(ON_TOKENS if getattr(seen.model, "attention", None) else DEFAULT)
    for method in wanted:
        EXPLAINERS.get(method)
    maps: list[Attribution] = []
    trusts: list[Trust | None] = []
    refusals: list[tuple[str, str]] = []
    chance: Chance | None = None
    for method in wanted:
        watch.stage(f"{method} on {seen.name}")
        settings: dict[str, Any] = {"layer": layer} if layer and EXPLAINERS.get(method).layer else {}
        try:
            heard = {"progress": watch.progress} if method.startswith("occlusion") else {}
            found = attribute(seen.model, seen.image, method=method, target=picked, **settings, **heard)
        except UsageError as refusal:
            if methods and len(wanted) == 1:
                raise
            refusals.append((method, f"{refusal.what}; {refusal.hint}" if refusal.hint else refusal.what))
            continue
        maps.append(found)
        if trusted:
            if chance is None:
                watch.stage(f"random maps on {seen.name}, to compare with")
                chance = by_chance(seen.model, seen.image, target=picked)
            watch.stage(f"how far to trust {method}")
            checked = trust(seen.model, seen.image, found.map, method=method, target=picked, chance=chance, **settings)
            trusts.append(checked)
    if not maps:
        raise UsageError(f"no method can be used on this net: {'; '.join(f'{m}: {why}' for m, why in refusals)}")
    return Explanation(
        title=seen.name,
        model=seen.run,
        pixels=seen.pixels,
        ranking=seen.ranking(shares),
        target=seen.class_names[picked],
        maps=maps,
        trusts=trusts,
        refusals=refusals,
    )
