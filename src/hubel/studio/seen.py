"""What several pages look at: the net of a run and the data it was trained on, read once for all who ask."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier
from hubel.errors import UsageError
from hubel.figures.images import picture
from hubel.records.nets import load
from hubel.records.own_data import OwnData, own_data
from hubel.server.served import ServedRun
from hubel.studio.asking import Asked, Sent
from hubel.studio.state import Studio
from hubel.verbs.predict import Answer, Prediction


def stamp(folder: Path) -> int:
    """Changes whenever the weights of a run do."""
    try:
        return (folder / "weights" / "best.json").stat().st_mtime_ns
    except OSError:
        return 0


def net(studio: Studio, folder: Path) -> Classifier:
    """The classifier of a run, as long as its weights are those on the disk."""
    return studio.keep(("net", folder, stamp(folder)), lambda: load(folder))


def answerer(studio: Studio, folder: Path) -> ServedRun:
    """What answers pictures with a run, whatever its task: that of `hubel serve`, each picture by the net as trained.

    Raises ArtefactError for a run that has no answer to a picture, with the reason.
    """

    def made() -> ServedRun:
        return ServedRun(str(folder), which="best", views=None, device="auto", batch=1, exact=True, form="ready")

    return studio.keep(("answerer", folder, stamp(folder)), made)


def own(studio: Studio, folder: Path) -> OwnData:
    """The data that a run was trained and measured on."""
    return studio.keep(("own", folder, stamp(folder)), lambda: own_data(folder, net(studio, folder)))


def said(classifier: Classifier, one: Any, most: int) -> dict[str, Any]:
    """What a net says of a picture: its label and the most probable classes; or each label that reaches its threshold.

    Of several labels all that are said are among `top`, however many these are, and `limits` has the thresholds.
    """
    if isinstance(one, Prediction):
        return {
            "label": one.label, "value": one.value, "top": one.top(most), "known": one.known,
            "familiarity": one.familiarity, "plausible": one.plausible,
        }  # fmt: skip
    if not (isinstance(one, Answer) and classifier.several and one.labels is not None):
        raise UsageError("this run gives no label", hint="hubel predict writes what it answers")
    order = sorted(one.numbers.items(), key=lambda pair: -pair[1])
    top = [pair for place, pair in enumerate(order) if place < most or pair[0] in one.labels]
    limits = dict(zip(classifier.class_names, classifier.label_thresholds.tolist(), strict=True))
    in_order = [name for name in classifier.class_names if name in one.labels]  # as the truth is written
    return {
        "labels": one.labels, "label": "|".join(in_order) or "none", "top": top,
        "limits": [limits[name] for name, _ in top], "known": one.known,
        "familiarity": None if one.known is None else one.familiarity, "plausible": (),
    }  # fmt: skip


def row_of(asked: Asked, data: OwnData) -> int:
    """The sample that the address names by its number."""
    number = asked.number("id")
    if number >= len(data.decoded):
        raise UsageError(f"the data have samples 0 to {len(data.decoded) - 1}, got {number}")
    return number


def address(pixels: np.ndarray) -> str:
    """A picture as an address that holds it."""
    shown = picture(pixels, alt="")
    return f"data:image/{shown.kind};base64,{base64.b64encode(shown.data).decode()}"


def sent(pixels: np.ndarray, alt: str = "") -> Sent:
    """A picture, drawn anew: never a file as somebody wrote it."""
    drawn = picture(np.ascontiguousarray(pixels), alt=alt)
    return Sent(drawn.data, f"image/{drawn.kind}")
