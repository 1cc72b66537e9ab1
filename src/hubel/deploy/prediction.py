"""A classifier and pictures in, classes with probabilities out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.data.given import RESCALE, read_given, spread
from hubel.data.images import READ
from hubel.data.manifest import Problem
from hubel.data.walk import pictures_below
from hubel.deploy.points import classify_points, read_points
from hubel.deploy.ready import kept
from hubel.errors import DataError
from hubel.inference import predict as forward
from hubel.inference import with_views
from hubel.types import Batch
from hubel.types import Predictions as Answers
from hubel.watching import SILENT, Watcher
from hubel.words import csv_text, plural

PAYS = 100
"""Pictures from which on it pays to make a net ready for them: that takes as long as a few dozen passes."""
_SEEN: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the net says about one picture."""

    name: str
    """The path, or "picture 3" for pictures that were no file."""
    label: str
    """The most probable class; the number itself, as text, in regression."""
    probability: float
    """Of that class; NaN in regression."""
    probabilities: dict[str, float]
    """Of every class, in the order of the outputs; empty in regression."""
    value: float
    """The number in regression, else NaN."""

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The most probable classes, best first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:count]

    def __str__(self) -> str:
        if not self.probabilities:
            return f"{self.name}: {self.label}"
        rest = ", ".join(f"{label} {share:.1%}" for label, share in self.top(3)[1:])
        return f"{self.name}: {self.label} {self.probability:.1%}" + (f" ({rest})" if rest else "")

    def _repr_html_(self) -> str:
        bars = "".join(
            f"<tr><td>{escape(label)}</td><td style='width:12em'><div style='background:#0072b2;height:.8em;"
            f"width:{share:.1%}'></div></td><td>{share:.1%}</td></tr>"
            for label, share in self.top()
        )
        return f"<b>{escape(self.name)}: {escape(self.label)}</b><table>{bars}</table>"


class Predictions(list[Prediction]):
    """Predictions in the order of the pictures, and what could not be read."""

    problems: tuple[Problem, ...] = ()
    """Files that are no pictures, each with the reason: no prediction stands for them."""

    @property
    def labels(self) -> list[str]:
        """The most probable class of each picture; the number as text, in regression."""
        return [prediction.label for prediction in self]

    @property
    def probabilities(self) -> np.ndarray:
        """N K float64: of every class, in the order of the outputs; N 0 in regression."""
        return np.array([list(prediction.probabilities.values()) for prediction in self], dtype=np.float64)

    def __str__(self) -> str:
        lost = [f"{problem.path}: not read, {problem.reason}" for problem in self.problems]
        return "\n".join([*map(str, self), *lost])

    def __repr__(self) -> str:
        return str(self)

    def to_csv(self) -> str:
        """A table with a line for each picture: file, label, probability, and the probability of every class."""
        if not self or not self[0].probabilities:
            return csv_text(["file", "value"], [[p.name, p.value] for p in self])
        header = ["file", "label", "probability", *self[0].probabilities]
        return csv_text(header, [[p.name, p.label, p.probability, *p.probabilities.values()] for p in self])

    def _repr_html_(self) -> str:
        lost = "".join(f"<p>{escape(p.path)}: not read, {escape(p.reason)}</p>" for p in self.problems)
        return "".join(prediction._repr_html_() for prediction in self) + lost


def classify(
    classifier: Classifier,
    pictures: Any,
    *,
    views: str | None = None,
    device: str = "auto",
    batch_size: int = 64,
    fast: bool | None = None,
    follow_links: bool = False,
    watch: Watcher = SILENT,
) -> Predictions:
    """Classify `pictures`: a path, a folder (searched to its depths), the bytes of a picture file, an open file, a PIL
    image, an array (H W, H W C, N H W C) or tensor (C H W, B C H W) of bytes or of numbers 0 to 1, or many of these.

    Folders are searched as training searches them: hidden folders and litter are passed over, links are followed only
    with `follow_links`. A link that is named itself is what it leads to.

    `fast`: make the net ready first (`hubel.deploy.ready`: batch norms folded, filters packed, the number of threads
    measured); None does so once a classifier has been given PAYS pictures in all. The net itself stays as it is.

    `views` of each are averaged: those the run was measured with if not given, "none" for one look.
    Unreadable files are named in `.problems` of the result. Raises DataError when none can be read, UsageError for what
    is no picture. A net over points takes points instead: "0.5,-1", a table of numbers, arrays F or N F.
    """
    classifier.require_answers()
    target = runtime.pick_device(device)
    classifier.model.to(target)
    if classifier.preprocessing is None:
        points = read_points(pictures, classifier.spec.in_chans)
        return Predictions(_said(classifier, points.names, classify_points(classifier, points.values)))
    found = Predictions()
    problems: list[Problem] = []
    items = list(gather(pictures, problems, follow_links=follow_links))
    if not items and problems:
        raise DataError(f"{problems[0].path}: {problems[0].reason}", hint=f"{READ} files are read")
    if not items:
        raise DataError("no picture was given", hint="give files or folders: hubel predict RUN new/*.jpg")
    _SEEN[classifier.model] = _SEEN.get(classifier.model, 0) + len(items)
    hurry = _SEEN[classifier.model] >= PAYS if fast is None else fast
    for start in range(0, len(items), batch_size):
        names, images, bad = read_given(items[start : start + batch_size], classifier.preprocessing, first=start)
        problems += bad
        if len(images):
            found += answers(classifier, names, images, target, views=views, fast=hurry)
        watch.progress(min(start + batch_size, len(items)), len(items))
    found.problems = tuple(problems)
    if not found:
        first = problems[0]
        raise DataError(
            f"none of {plural(max(len(items), len(problems)), 'picture')} can be read; "
            f"first: {first.path}: {first.reason}",
            hint=RESCALE if first.kind == "beyond levels" else f"{READ} files are read",
        )
    return found


def answers(
    classifier: Classifier,
    names: Sequence[str],
    images: np.ndarray,
    device: torch.device,
    *,
    views: str | None = None,
    fast: bool = False,
) -> list[Prediction]:
    """Predictions for prepared pictures N C H W uint8; `fast` through the net made ready for such pictures."""
    assert classifier.preprocessing is not None
    inputs = classifier.preprocessing.normalise(torch.from_numpy(images).to(device))
    ids = torch.arange(len(images))
    net = kept(classifier.model, inputs) if fast else classifier.model
    look = with_views(net, classifier.views if views is None else views)
    return _said(classifier, names, forward(classifier.model, [Batch(inputs, ids, ids)], forward=look))


def _said(classifier: Classifier, names: Sequence[str], result: Answers) -> list[Prediction]:
    """Logits as predictions."""
    if not classifier.class_names:
        numbers = result.logits[:, 0].astype(float)
        return [
            Prediction(name, f"{number:.6g}", float("nan"), {}, float(number))
            for name, number in zip(names, numbers, strict=True)
        ]
    shares = result.probabilities
    best = result.predicted
    return [
        Prediction(
            name,
            classifier.class_names[winner],
            float(row[winner]),
            dict(zip(classifier.class_names, row.tolist(), strict=True)),
            float("nan"),
        )
        for name, row, winner in zip(names, shares, best, strict=True)
    ]


def gather(pictures: Any, problems: list[Problem], *, follow_links: bool = False) -> Iterator[Any]:
    """Every single picture in `pictures`, files below folders included; UsageError for what is none.

    What lies below a folder and cannot be a picture goes to `problems`.
    """

    def inside(folder: Path) -> list[Path]:
        paths, odd = pictures_below(str(folder), follow=follow_links)
        problems.extend(odd)
        return [Path(path) for path in paths]

    return spread(pictures, inside)
