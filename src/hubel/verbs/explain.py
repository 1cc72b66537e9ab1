"""Explain: a classifier and a picture in; maps of what the decision hangs on out, as arrays, a drawing or a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from os import PathLike
from typing import Any

from hubel.checkpoint import Classifier
from hubel.explainers.attribution import Attribution
from hubel.explainers.methods import EXPLAINERS, attribute
from hubel.explainers.together import Together, explain_together, heard_by, refuse
from hubel.faces.progress import shows_progress
from hubel.nn.question import Question
from hubel.records.subjects import SeenPicture, see_picture
from hubel.report.pages.explanation import Explained, Explanation
from hubel.watching import SILENT, Watcher

MOST = 4
"""Labels of a picture that are explained where none is named."""


def listing() -> dict[str, str]:
    """Method -> the question that it answers, or why the method of an installed package cannot be used."""
    return {name: explainer.question for name, explainer in EXPLAINERS.items()} | EXPLAINERS.faults()


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

    `target` is a class by name or number, else the predicted class (of several labels the most probable, of areas the
    one that covers most after the first, of what is near the nearest); `settings` are the method's own (`layer=`,
    `patch=`, `steps=`); `verbose` shows progress, None does so where somebody looks.

    Raises DataError for the picture, UsageError and UnknownName for what cannot be.
    """
    seen = see_picture(run, picture, device=device, tasks=True)
    watch.stage(f"{method} on {seen.name}")
    asked = seen.question(target)
    refuse(method, asked.refused)
    settings = heard_by(watch, method) | settings
    found = attribute(asked.net, seen.image, method=method, target=asked.target, several=seen.several, **settings)
    values = {field.name: getattr(found, field.name) for field in fields(Attribution)}
    name = seen.class_names[asked.target]
    return Explained(**values, pixels=seen.pixels, target=name, probability=asked.probability, said=asked.said)


@shows_progress
def explain_page(
    run: str | PathLike[str] | Classifier,
    picture: Any,
    *,
    methods: Sequence[str] = (),
    target: str | int | None = None,
    trusted: bool = True,
    thorough: bool = False,
    layer: str | None = None,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Explanation:
    """Several methods on one picture, side by side, with their trust measures; what `report.explanation` draws.

    Maps of a net of 100 million multiply-accumulates a picture or more are checked in fewer steps unless `thorough`.
    Quick methods come first, and what all of it will take is said before. Methods that cannot be applied to the net are
    named with the reason; when none can, UsageError says so. The probabilities are those of `hubel predict`. Where
    several labels may hold and no `target` is named, each that is said is explained, MOST at most. Of a net whose task
    is no label one class is explained, as `explain` chooses it.
    """
    seen = see_picture(run, picture, device=device, tasks=True)
    same: dict[str, Any] = {"methods": methods, "layer": layer, "trusted": trusted, "thorough": thorough}
    same["watch"] = watch
    if seen.ask is not None:
        return _of_other_task(seen, seen.question(target), same)
    named = seen.index(target)
    shares = seen.probabilities()
    picked = (seen.said(shares) or [int(shares.argmax())]) if named is None else [named]
    if len(picked) > MOST:
        left = ", ".join(seen.class_names[k] for k in picked[MOST:])
        watch.remark(f"the {MOST} most probable labels are explained; --class NAME explains another: {left}")
    limits = {} if seen.limits is None else dict(zip(seen.class_names, seen.limits.tolist(), strict=True))
    parts = []
    for number, place in enumerate(picked[:MOST]):
        found = explain_together(
            seen.model, seen.image, target=place, several=seen.several, times=0 if number else len(picked[:MOST]),
            name=seen.name + (f", {seen.class_names[place]}" if seen.several else ""), **same,
        )  # fmt: skip
        one = Explanation(
            title=seen.name, model=seen.run, pixels=seen.pixels, ranking=seen.ranking(shares, also=place),
            target=seen.class_names[place], looks=seen.looks(place, found.maps[0].probabilities[0]), limits=limits,
            **_parts(found),
        )  # fmt: skip
        parts.append(one)
    return replace(parts[0], others=tuple(parts[1:]))


def _of_other_task(seen: SeenPicture, asked: Question, same: dict[str, Any]) -> Explanation:
    found = explain_together(asked.net, seen.image, target=asked.target, name=seen.name, refused=asked.refused, **same)
    return Explanation(
        title=seen.name, model=seen.run, pixels=seen.pixels, ranking=asked.ranking, measure=asked.measure,
        target=seen.class_names[asked.target], told=asked.told, scored=asked.scored, areas=asked.areas,
        class_names=seen.class_names, **_parts(found),
    )  # fmt: skip


def _parts(found: Together) -> dict[str, Any]:
    return {field.name: getattr(found, field.name) for field in fields(Together)}
