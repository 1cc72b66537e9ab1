"""Explain: a classifier and a picture in; maps of what the decision hangs on out, as arrays, a drawing or a page."""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier
from hubel.errors import UsageError
from hubel.explainers.attribution import Attribution
from hubel.explainers.methods import EXPLAINERS, attribute
from hubel.explainers.trust import Trust, by_chance, passes, trust
from hubel.faces.progress import shows_progress
from hubel.figures.overlay import overlay
from hubel.figures.theme import Figure
from hubel.inference import VIEWS
from hubel.nn.scores import logits_of
from hubel.records.subjects import Look, look
from hubel.report.explanation import Explanation
from hubel.views import in_short
from hubel.watching import SILENT, Watcher
from hubel.words import duration

WORTH_SAYING = 20
"""Seconds from which on it is said beforehand how long an explanation will take."""

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
    probability: float
    """Of that class, as `hubel predict` says: over the views that the run averages, of which the map explains one."""

    def facts(self) -> dict[str, str]:
        """Class, method, and what needs saying."""
        found = {
            "class": f"{self.target} {self.probability:.1%}",
            "method": self.method + (f" at {self.layer}" if self.layer else ""),
            "map": f"{in_short(self.map)}, {'for and against' if self.signed else 'importance'}",
            "took": f"{self.seconds:.2f} s",
        }
        return found | ({"note": self.note} if self.note else {})

    def plot(self) -> Figure:
        """The map over the picture, with a legend."""
        title = f"{self.method}: {self.target} {self.probability:.0%}"
        return overlay(self.pixels, self.map, signed=self.signed, title=title, caption=self.note)

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        return self.plot()._repr_mimebundle_()


@shows_progress
def explain(
    run: str | PathLike[str] | Classifier,
    picture: Any,
    *,
    method: str = "grad-cam",
    target: str | int | None = None,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Explained:
    """Why does the net say what it says about this picture? One map, by one method (`hubel.explainers.EXPLAINERS`).

    `target` is a class by name or number, else the predicted class; `settings` are the method's own (`layer=`,
    `patch=`, `steps=`); `verbose` shows progress, None does so where somebody looks.

    Raises DataError for the picture, UsageError and UnknownName for what cannot be.
    """
    seen = look(run, picture, device=device)
    watch.stage(f"{method} on {seen.name}")
    shares = seen.probabilities()
    picked = seen.index(target)
    picked = int(shares.argmax()) if picked is None else picked
    settings = _heard(method, watch) | settings
    found = attribute(seen.model, seen.image, method=method, target=picked, **settings)
    values = {field.name: getattr(found, field.name) for field in fields(Attribution)}
    name = seen.class_names[picked]
    return Explained(**values, pixels=seen.pixels, target=name, probability=float(shares[picked]))


def _heard(method: str, watch: Watcher) -> dict[str, Any]:
    """Methods that take long tell how far they are."""
    tells = "progress" in inspect.signature(EXPLAINERS.get(method).run).parameters
    return {"progress": watch.progress} if tells else {}


def explain_page(
    run: str | PathLike[str] | Classifier,
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

    Quick methods come first, and what all of it will take is said before. Methods that cannot be applied to the net are
    named with the reason; when none can, UsageError says so. The probabilities are those of `hubel predict`.
    """
    seen = look(run, picture, device=device)
    picked = seen.index(target)
    shares = seen.probabilities()
    picked = int(shares.argmax()) if picked is None else picked
    wanted = list(methods) or list(ON_TOKENS if getattr(seen.model, "attention", None) else DEFAULT)
    wanted.sort(key=lambda method: EXPLAINERS.get(method).passes)
    _foretell(seen, wanted, trusted, watch)
    maps: list[Attribution] = []
    trusts: list[Trust | None] = []
    refusals: list[tuple[str, str]] = []
    settings = {m: {"layer": layer} if layer and EXPLAINERS.get(m).layer else {} for m in wanted}
    for method in wanted:
        watch.stage(f"{method} on {seen.name}")
        try:
            heard = _heard(method, watch)
            found = attribute(seen.model, seen.image, method=method, target=picked, **settings[method], **heard)
        except UsageError as refusal:
            if methods and len(wanted) == 1:
                raise
            refusals.append((method, f"{refusal.what}; {refusal.hint}" if refusal.hint else refusal.what))
            continue
        maps.append(found)
    if not maps:
        raise UsageError(f"no method can be used on this net: {'; '.join(f'{m}: {why}' for m, why in refusals)}")
    if trusted:
        watch.stage(f"random maps on {seen.name}, to compare with")
        chance = by_chance(seen.model, seen.image, target=picked)
        for found in maps:
            watch.stage(f"how far to trust {found.method}")
            same: dict[str, Any] = dict(method=found.method, target=picked, chance=chance, **settings[found.method])
            trusts.append(trust(seen.model, seen.image, found.map, **same))
    return Explanation(
        title=seen.name,
        model=seen.run,
        pixels=seen.pixels,
        ranking=seen.ranking(shares),
        target=seen.class_names[picked],
        maps=maps,
        trusts=trusts,
        refusals=refusals,
        looks=_looks(seen, maps[0]),
    )


def _foretell(seen: Look, methods: Sequence[str], trusted: bool, watch: Watcher) -> None:
    """Say what all of it will take, from the time of one pass, where that is long enough to be wondered about."""
    started = time.perf_counter()
    logits_of(seen.model, seen.image[None])
    one = time.perf_counter() - started
    costs = [EXPLAINERS.get(method).passes for method in methods]
    checks = [passes(cost) for cost in costs] if trusted else []
    seconds = one * (sum(costs) + sum(each for _, each in checks) + (checks[0][0] if checks else 0))
    if seconds >= WORTH_SAYING:
        shorter = f"; without how far to trust each, --no-trust, about {duration(one * sum(costs))}" if trusted else ""
        watch.remark(f"this will take about {duration(seconds)}{shorter}")


def _looks(seen: Look, found: Attribution) -> str:
    """Why the probability of the maps' one look differs from the prediction's; "" where there is only one look."""
    count = VIEWS[seen.views]
    if count == 1:
        return ""
    target, share = seen.class_names[found.targets[0]], found.probabilities[0]
    return (
        f"This is the mean of {count} views, as predict takes it; the one the maps explain says {target} {share:.0%}."
    )
