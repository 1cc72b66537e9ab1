"""The page Explain: one picture, several methods beside each other, any class, and how far to trust each map."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from hubel.data.splits import NAMES
from hubel.errors import HubelError, UsageError
from hubel.explainers.methods import EXPLAINERS
from hubel.explainers.together import usual_methods
from hubel.figures.overlay import overlay
from hubel.studio.asking import Asked, Route
from hubel.studio.jobs import spoken
from hubel.studio.seen import address, net, own, row_of, said
from hubel.verbs.attack import attack
from hubel.verbs.counterfactual import anchor
from hubel.verbs.explain import explain_page, listing
from hubel.verbs.neighbours import neighbours
from hubel.verbs.predict import predict

NEAR = 8
LISTED = 2000
"""Samples of a split that can be gone through."""
STEPS = 127
"""Levels of a map as it is sent, on each side of nought."""
CHANGES = ("fgsm", "pgd", "flip", "keep")
"""Attacks within a limit; the smallest change of all; and the opposite, the patches that alone keep the decision."""
STRONGEST = 64
"""Levels of 255 that an attack may change a pixel by."""


def about(asked: Asked) -> dict[str, Any]:
    """Classes and methods of a run, and the samples of its splits."""
    folder = asked.studio.places.run(asked.word("run"))
    classifier = net(asked.studio, folder)
    classifier.require_answers(several=True)
    if classifier.preprocessing is None or not classifier.class_names:
        raise UsageError("maps are of pictures and classes, and this run has not both")
    samples, lost = {}, ""
    try:
        data = own(asked.studio, folder)
        samples = {name: data.ids(name)[:LISTED] for name in NAMES if len(data.ids(name))}
    except HubelError as error:  # its data are gone or were edited since: other pictures can still be asked about
        lost = f"{error.what}. {error.hint}"
    return {
        "classes": list(classifier.class_names), "several": classifier.several,
        "usual": usual_methods(classifier.model),
        "methods": [
            {"name": name, "question": question, "passes": EXPLAINERS.get(name).passes if name in EXPLAINERS else 0}
            for name, question in listing().items()
        ],
        "samples": samples, "lost": lost,
        "folder": asked.studio.places.spoken(folder),
    }  # fmt: skip


def _picture(asked: Asked) -> tuple[Any, str]:
    """(the picture that is asked about, what a command calls it): the body, or a sample of the run's data."""
    if asked.body and not asked.kind.startswith("application/json"):
        return asked.body, "PICTURE"
    data = own(asked.studio, asked.studio.places.run(asked.word("run")))
    row = row_of(asked, data)
    pixels = np.ascontiguousarray(data.decoded.images[row].transpose(1, 2, 0))
    manifest = data.scan.manifest
    return pixels, manifest.files[row] if manifest.paths is not None else f"{manifest.source}:{row}"


def says(asked: Asked) -> dict[str, Any]:
    """What the net says of the picture, and the picture as it gets it."""
    folder = asked.studio.places.run(asked.word("run"))
    classifier = net(asked.studio, folder)
    given, name = _picture(asked)
    with asked.studio.computing:
        (one,) = predict(classifier, given, fast=False, verbose=False)
    truth = ""
    if name != "PICTURE":
        data = own(asked.studio, folder)
        truth = data.scan.manifest.labelled_as(row_of(asked, data))
    return said(classifier, one, 8) | {"name": name, "truth": truth}


def mapped(asked: Asked) -> dict[str, Any]:
    """One method on one picture: its map in whole numbers, the picture, and how far to trust it if that is asked."""
    folder = asked.studio.places.run(asked.word("run"))
    given, name = _picture(asked)
    method, target = asked.word("method"), asked.query.get("target") or None
    EXPLAINERS.get(method)
    with asked.studio.computing:
        found = explain_page(
            net(asked.studio, folder), given, methods=[method], target=target, trusted=asked.query.get("trust") == "1",
            verbose=False,
        )  # fmt: skip
    one = found.maps[0]
    limit = float(np.quantile(np.abs(one.map), 0.99)) or float(np.abs(one.map).max()) or 1.0
    levels = np.clip(np.round(one.map / limit * STEPS), -STEPS, STEPS).astype(np.int8)
    trust = found.trusts[0] if found.trusts else None
    words = ["explain", asked.studio.places.spoken(folder), name, "--method", method]
    return {
        "method": method, "target": found.target, "signed": one.signed, "layer": one.layer, "seconds": one.seconds,
        "note": one.note, "height": levels.shape[0], "width": levels.shape[1], "limit": limit,
        "map": base64.b64encode(levels.tobytes()).decode(),
        "picture": address(found.pixels),
        "alt": overlay(found.pixels, one.map, signed=one.signed, title=method).alt,
        "trust": None if trust is None else {"sentence": trust.sentence, "good": not trust.doubts},
        "command": spoken([*words, *(["--target", target] if target else [])]),
    }  # fmt: skip


def near(asked: Asked) -> dict[str, Any]:
    """The training pictures nearest to this one, as the net sees it and by bare pixels."""
    folder = asked.studio.places.run(asked.word("run"))
    given, name = _picture(asked)
    with asked.studio.computing:
        found = neighbours(folder, given, k=NEAR, verbose=False)
    return {
        "lists": [
            {
                "by": part.by, "labels": part.labels, "names": part.names, "distances": part.distances,
                "pictures": [address(pixels) for pixels in part.pictures],
            }
            for part in found.lists
        ],
        "command": spoken(["neighbours", asked.studio.places.spoken(folder), name]),
    }  # fmt: skip


def changed(asked: Asked) -> dict[str, Any]:
    """The picture changed so that the net says something else, or so that only what it needs is left."""
    folder = asked.studio.places.run(asked.word("run"))
    given, name = _picture(asked)
    method, levels = asked.choice("method", CHANGES, "pgd"), asked.number("eps", 4, least=1, most=STRONGEST)
    words = [asked.studio.places.spoken(folder), name]
    target = (asked.query.get("target") or None) if net(asked.studio, folder).several else None
    which = ["--class", target] if target else []
    if method == "keep":
        with asked.studio.computing:
            kept = anchor(folder, given, target=target, verbose=False)
        faded = (kept.pixels * 0.15 + 255 * 0.8).round().astype(np.uint8)
        return {
            "sentence": kept.sentence, "before": address(kept.pixels),
            "after": address(np.where(kept.anchor.mask, kept.pixels, faded)), "labels": [kept.label, kept.label],
            "difference": None, "command": spoken(["counterfactual", *words, "--keep", *which]),
        }  # fmt: skip
    with asked.studio.computing:
        found = attack(
            net(asked.studio, folder),
            given,
            method=method,
            eps=levels / 255,
            steps=50 if method == "flip" else 20,
            target=target,
        )
    change = (found.changed - found.pixels / 255.0).mean(axis=0)
    limit = float(np.abs(change).max()) or 1.0
    done = (
        ["counterfactual", *words]
        if method == "flip"
        else ["attack", *words, "--method", method, "--eps", f"{levels}/255"]
    )
    return {
        "sentence": found.sentence, "before": address(found.pixels),
        "after": address((found.changed * 255).round().clip(0, 255).astype(np.uint8)),
        "labels": [f"{label} {share:.0%}" for label, share in (found.before, found.after)],
        "difference": {
            "map": base64.b64encode(np.round(change / limit * STEPS).astype(np.int8).tobytes()).decode(),
            "height": change.shape[0], "width": change.shape[1], "signed": True, "picture": address(found.pixels),
            "alt": f"What was changed: {found.sentence}", "largest": 255 * float(found.done.largest[0]),
        },
        "command": spoken([*done, *which]),
    }  # fmt: skip


ROUTES = [
    Route("about", about), Route("says", says, "POST"), Route("map", mapped, "POST"), Route("near", near, "POST"),
    Route("change", changed, "POST"),
]  # fmt: skip
