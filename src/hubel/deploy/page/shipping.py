"""A classifier as a page: how long a picture will take, what the page says of itself, and the page at work, here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.checkpoint.trust import ACCEPTED, CALM, CLIPPED, Trust
from hubel.data.preprocessing import Preprocessing
from hubel.deploy.card import TO_FILL_IN, as_published
from hubel.deploy.onnx_graph import down_first
from hubel.deploy.page.build import page
from hubel.deploy.page.lower import lowered
from hubel.deploy.page.program import Program, packed, unpacked
from hubel.deploy.page.reference import answer
from hubel.deploy.page.writing import OTHER_FORM
from hubel.errors import ArtefactError
from hubel.inference import VIEWS, with_views
from hubel.metrics.calibrators import Calibrator
from hubel.metrics.strangeness import NEAREST
from hubel.nn.beside import with_features
from hubel.nn.calibrated import Calibrated
from hubel.words import amount, duration, percent, plural, span

MACS_A_SECOND = 7e9
"""What the page's loops do in a browser on one core of a computer of 2023, with vectors; phones are slower."""
NUMBERS_A_SECOND = 2.5e8
"""Numbers that are written there beside it."""
MOST_SECONDS = 3.0
"""A page that takes longer for a picture is not written."""

MOST_BYTES = 200_000_000
"""A page that would be larger is not written."""
MEASURED = {"top1": "Accuracy", "mean_ap": "mAP", "exact": "All labels right"}
"""Numbers of a card that a page shows, and what it calls them."""
WIDTHS = {"f32": 4, "i16": 2, "i8": 1}
"""Bytes of a weight."""
AT_ONCE = 1 << 20
"""Numbers of the pictures that are compared together."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, not yet written."""

    data: bytes
    answer: Callable[[Sequence[np.ndarray]], np.ndarray]
    """Pictures H W C uint8 of any sizes, upright and in the net's channels, to probabilities N K."""
    what: str
    """A line on what it is."""
    seconds: float
    """About what a picture takes in a browser."""


def made(
    classifier: Classifier,
    *,
    views: str,
    calibrator: Calibrator,
    title: str,
    card: Mapping[str, Any],
    weights: str = "i16",
) -> Page:
    """A classifier of pictures as one page of HTML that needs nothing else.

    `weights`: one of `hubel.deploy.page.program.KINDS`. `card`: `hubel.deploy.card.describe`. Raises ArtefactError for
    nets with an operation that a page has not, for those that take more than MOST_SECONDS a picture, and for runs whose
    pictures have more than 8 bits, which browsers do not give.
    """
    seen = classifier.preprocessing
    assert seen is not None
    if seen.levels is not None:
        raise ArtefactError(
            "this run's pictures have more than 8 bits a sample, and a browser shows a page only 8", hint=OTHER_FORM
        )
    zeros = torch.zeros(1, *seen.shape)
    trust = classifier.trust if classifier.trust is not None and classifier.trust.knows else None
    inside = None if trust is None or not trust.looks_inside else with_features(classifier.model, zeros)
    if trust is not None and trust.looks_inside and inside is None:
        trust = None  # its features cannot be read apart: it answers, and cannot say what it does not know
    program = lowered(inside or classifier.model, zeros)
    seconds = time_of(program) * VIEWS[views]
    if seconds > MOST_SECONDS:
        raise ArtefactError(
            f"a picture would take about {duration(seconds)} in a browser ({program.macs * VIEWS[views] / 1e9:.1f} "
            f"billion multiplications), more than {MOST_SECONDS:g} s",
            hint=f"{OTHER_FORM}; or train a smaller net (mobilenet_v2, resnet20), or with a smaller --img-size",
        )
    stored = {"i16": "16 bits", "i8": "8 bits", "f32": "full precision"}[weights]
    size = sum(values.size for values in program.constants.values()) * WIDTHS[weights] * 4 // 3
    if size > MOST_BYTES:
        raise ArtefactError(
            f"the page would have {amount(size)}, more than {amount(MOST_BYTES)} that a browser opens gladly",
            hint=f"{OTHER_FORM}; or train a smaller net; --int8 halves a page",
        )
    plain, constants = packed(program, weights, _remembered(trust))
    about = {
        "preprocessing": seen.to_dict() | {"down_first": down_first()},
        "classes": list(classifier.class_names),
        "calibration": {
            "temperature": calibrator.temperature,
            "scales": calibrator.scales.tolist(),
            "shifts": calibrator.shifts.tolist(),
            "knots": calibrator.knots.tolist(),
        },
        "views": views,
        "thresholds": classifier.label_thresholds.tolist() if classifier.several else None,
        "limit": 0.0 if classifier.trust is None else classifier.trust.sets.limit,
        "trust": None if trust is None else _trusted(trust),
        "card": _rows(card, seconds),
    }
    if trust is not None and trust.familiar is not None:
        plain["outside"] = trust.familiar.outside
    text = page(title=title, about=about, program=plain, weights=constants)
    again = unpacked(plain, constants)
    return Page(
        data=text.encode("utf-8", "replace"),
        answer=lambda pictures: answered(
            again,
            seen,
            pictures,
            views=views,
            calibrator=calibrator,
            classes=len(classifier.class_names),
            several=classifier.several,
        ),
        what=f"a page of HTML, weights in {stored}, about {milliseconds(seconds)} a picture",
        seconds=seconds,
    )


def time_of(program: Program) -> float:
    """Seconds that one picture will take in a browser, about: from its multiplications and the numbers it writes."""
    return program.macs / MACS_A_SECOND + program.touched / NUMBERS_A_SECOND


def milliseconds(seconds: float) -> str:
    """An amount of time as rough as it is known.

    >>> milliseconds(0.0004), milliseconds(0.0123), milliseconds(1.234)
    ('1 ms', '12 ms', '1.2 s')
    """
    return duration(seconds) if seconds >= 1 else f"{max(1, round(1000 * seconds))} ms"


def answered(
    program: Program,
    seen: Preprocessing,
    pictures: Sequence[np.ndarray],
    *,
    views: str,
    calibrator: Calibrator,
    classes: int,
    several: bool = False,
) -> np.ndarray:
    """Probabilities N K float64 that a page gives for pictures H W C uint8, computed here by another implementation."""

    def net(images: torch.Tensor) -> torch.Tensor:
        return answer(program, images)[:, :classes]

    look = with_views(net, views)
    some = max(1, AT_ONCE // (seen.channels * seen.height * seen.width))
    logits = []
    for start in range(0, len(pictures), some):
        fitted = np.stack([seen.array(picture) for picture in pictures[start : start + some]])
        logits.append(look(seen.normalise(torch.from_numpy(fitted))).double())
    honest = Calibrated(calibrator)(torch.cat(logits))
    return (honest.sigmoid() if several else honest.softmax(1)).numpy()


def _trusted(trust: Trust) -> dict[str, Any]:
    """What tells the page how strange a picture is, but for the arrays."""
    return {
        "scores": {name: list(pair) for name, pair in trust.scores.items()},
        "usual": [float(value) for value in trust.usual],
        "known": 1 - ACCEPTED,
        "clipped": CLIPPED,
        "calm": CALM,
        "nearest": NEAREST,
    }


def _remembered(trust: Trust | None) -> dict[str, np.ndarray]:
    """What features look like, array by array; classes without samples have no mean."""
    if trust is None or trust.familiar is None or not trust.looks_inside:
        return {}
    seen = trust.familiar
    means = seen.means[~np.isnan(seen.means).any(axis=1)]
    arrays = {"origin": seen.origin, "basis": seen.basis, "means": means, "white": seen.white, "bank": seen.bank}
    return {name: np.asarray(values, np.float32) for name, values in arrays.items()}


def _rows(card: Mapping[str, Any], seconds: float) -> list[list[str]]:
    """What the page says of the net: pairs of words, only of what is known."""
    net, seen, data = card.get("net", {}), card.get("input", {}), card.get("data", {})
    measured, made = card.get("measured", {}), card.get("reproduce", {}).get("made_with", {})
    rows = [("Net", f"{net['architecture']}, {net['parameters']:,} parameters" if net else "")]
    for key, found in measured.get("numbers", {}).items():
        if key in MEASURED:
            interval = f" (95 % interval {span(found['interval'])})" if found.get("interval") else ""
            on = f" on {plural(measured['samples'], measured['split'] + ' sample')}"
            rows.append((MEASURED[key], f"{percent(found['value'])}{interval}{on}"))
    if card.get("published"):
        rows.append(("Accuracy", as_published(card["published"])))
    worst = [f"{row['label']} for {row['predicted']}" for row in card.get("confusions", [])[:3]]
    rows.append(("Often mistaken", "; ".join(worst)))
    samples = ", ".join(f"{count:,} {part}" for part, count in data.get("samples", {}).items() if count)
    rows.append(("Data", ": ".join(filter(None, [str(data.get("source", "")), samples]))))
    if seen:
        colour = "colour" if seen["channels"] == 3 else "grey"
        rows.append(("It sees", f"{seen['width']} x {seen['height']} pixels, {colour}, fit: {seen['fit']}"))
    rows.append(("Labels" if card.get("thresholds") else "Classes", ", ".join(card.get("classes", []))))
    rows.append(("Intended use", str(card.get("intended_use", "")).replace(TO_FILL_IN, "")))
    rows.append(("Licence", str(card.get("licence", ""))))
    rows.append(("A picture takes", f"about {milliseconds(seconds)}"))
    rows.append(("Made with", ", ".join(f"{name} {version}" for name, version in made.items())))
    return [[name, text] for name, text in rows if text]
