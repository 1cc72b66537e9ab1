"""A classifier and pictures in, classes with probabilities out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.checkpoint.telling import Heard, net_of_voices, net_that_tells, say_several
from hubel.checkpoint.trust import ACCEPTED
from hubel.data.given import read_given, spread, way_out
from hubel.data.manifest import Problem, printable
from hubel.data.rows import read_rows
from hubel.data.shards import pictures_inside
from hubel.data.signals import read_signals
from hubel.deploy.points import classify_points, read_points
from hubel.deploy.ready import kept
from hubel.errors import ArtefactError, DataError, UsageError, unknown
from hubel.inference import predict as forward
from hubel.inference import with_views
from hubel.metrics.sets import KINDS, coins
from hubel.tasks.answers import Answer
from hubel.types import Batch
from hubel.types import Predictions as Answers
from hubel.watching import SILENT, Watcher
from hubel.words import csv_text, in_figures, plural

PAYS = 100
"""Pictures from which on it pays to make a net ready for them: that takes as long as a few dozen passes."""
PLAUSIBLE = 6
"""Classes of a set that are named in words."""
_SEEN: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the net says about one picture."""

    name: str
    """The path, or "picture 3" for pictures that were no file."""
    label: str
    """The most probable class, or that which the run's threshold says; the number itself, as text, in regression."""
    probability: float
    """Of that class; NaN in regression."""
    probabilities: dict[str, float]
    """Of every class, in the order of the outputs; empty in regression."""
    value: float
    """The number in regression, else NaN."""
    known: bool | None = None
    """Is it like the pictures the net was measured with? None for a net that cannot tell."""
    familiarity: float = float("nan")
    """Share of those that were at least as strange to the net; it is known from 0.05 on. NaN where it cannot tell."""
    plausible: tuple[str, ...] = ()
    """The classes that hold the truth 95 times in 100, most probable first; empty for a net that cannot tell."""
    disagreement: float = float("nan")
    """Of several nets that answer together: mutual information of answer and member, in nats; of numbers the standard
    deviation of what they say. NaN for one net."""

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The most probable classes, best first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:count]

    def to_dict(self, top: int | None = None) -> dict[str, Any]:
        """Plain data for JSON, but for the name; of the `top` classes, or of all in the order of the outputs.

        What the net cannot tell is left out.
        """
        found: dict[str, Any] = {"label": self.label}
        if self.probabilities:
            shares = self.probabilities if top is None else dict(self.top(top))
            found |= {"probability": self.probability, "probabilities": shares}
        else:
            found["value"] = self.value
        if self.known is not None:
            found |= {"known": self.known, "familiarity": self.familiarity}
        if not math.isnan(self.disagreement):
            found["disagreement"] = self.disagreement
        return found | ({"plausible": list(self.plausible)} if self.plausible else {})

    def told(self, top: int = 3, *, sets: str = "lac") -> str:
        """In words, on one line: the `top` classes, how far several nets disagree, what else is plausible (the set of
        another rule than the usual is told in any case), and where the picture is not known.

        >>> print(Prediction("a.jpg", "cat", 0.9, {"cat": 0.9, "dog": 0.1}, math.nan, known=False).told())
        cat 90.0%   (dog 10.0%)   unknown: like nothing it was shown
        """
        strange = "   unknown: like nothing it was shown" if self.known is False else ""
        if not self.probabilities:
            apart = "" if math.isnan(self.disagreement) else f" ± {in_figures(self.disagreement, 3)}"
            return f"{self.label}{apart}{strange}"
        first, *rest = self.top(top)
        parts = [", ".join(f"{label} {share:.1%}" for label, share in rest)]
        if self.disagreement >= 0.01:
            parts.append(f"they disagree by {self.disagreement:.2f}")
        if self.plausible and (sets != "lac" or len(self.plausible) > 1):
            more = f" and {len(self.plausible) - PLAUSIBLE} more" if len(self.plausible) > PLAUSIBLE else ""
            parts.append(f"plausible: {', '.join(self.plausible[:PLAUSIBLE])}{more}")
        others = "; ".join(part for part in parts if part)
        return f"{first[0]} {first[1]:.1%}" + (f"   ({others})" if others else "") + strange

    def __str__(self) -> str:
        if not self.probabilities:
            return f"{self.name}: {self.label}" + (
                "" if math.isnan(self.disagreement) else f" ± {in_figures(self.disagreement, 3)}"
            )
        rest = ", ".join(f"{label} {share:.1%}" for label, share in self.top(3)[1:])
        strange = ", not like anything it was shown" if self.known is False else ""
        return f"{self.name}: {self.label} {self.probability:.1%}" + (f" ({rest})" if rest else "") + strange

    def _repr_html_(self) -> str:
        bars = "".join(
            f"<tr><td>{escape(label)}</td><td style='width:12em'><div style='background:#0072b2;height:.8em;"
            f"width:{share:.1%}'></div></td><td>{share:.1%}</td></tr>"
            for label, share in self.top()
        )
        strange = "<p>Not like anything it was shown.</p>" if self.known is False else ""
        return f"<b>{escape(self.name)}: {escape(self.label)}</b>{strange}<table>{bars}</table>"


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
        """A table with a line for each picture: file, label, probability, and the probability of every class.

        Where the net can tell, the last columns say whether it is known, how familiar, and the classes that are
        plausible, with | between them.
        """
        if not self or not self[0].probabilities:
            apart = bool(self) and not math.isnan(self[0].disagreement)
            header = ["file", "value", *(["disagreement"] if apart else [])]
            return csv_text(header, [[p.name, p.value, *([p.disagreement] if apart else [])] for p in self])
        header = ["file", "label", "probability", *self[0].probabilities]
        rows = [[p.name, p.label, p.probability, *p.probabilities.values()] for p in self]
        if self[0].known is not None:
            header += ["known", "familiarity"]
            rows = [[*row, "yes" if p.known else "no", p.familiarity] for row, p in zip(rows, self, strict=True)]
        if not math.isnan(self[0].disagreement):
            header.append("disagreement")
            rows = [[*row, p.disagreement] for row, p in zip(rows, self, strict=True)]
        if self[0].plausible:
            header.append("plausible")
            rows = [[*row, "|".join(p.plausible)] for row, p in zip(rows, self, strict=True)]
        return csv_text(header, rows)

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
    sets: str = "lac",
    follow_links: bool = False,
    watch: Watcher = SILENT,
) -> Predictions:
    """Classify `pictures`: a path, a folder (searched to its depths), the bytes of a picture file, an open file, a PIL
    image, an array (H W, H W C, N H W C) or tensor (C H W, B C H W) of bytes or of numbers 0 to 1, or many of these.

    Folders are searched as training searches them: hidden folders and litter are passed over, links are followed only
    with `follow_links`. A link that is named itself is what it leads to.

    `fast`: make the net ready first (`hubel.deploy.ready`: batch norms folded, filters packed, the number of threads
    measured); None does so once a classifier has been given PAYS pictures in all. The net itself stays as it is.

    `views` of each are averaged: those the run was measured with if not given, "none" for one look. `sets`: which rule
    the plausible classes follow, one of `hubel.metrics.sets.KINDS`; ArtefactError where nothing was learnt for it.
    Unreadable files are named in `.problems` of the result. Raises DataError when none can be read, UsageError for what
    is no picture. A net over points takes points instead: "0.5,-1", a table of numbers, arrays F or N F;
    one that learnt from a table takes its rows: a table, "5.1,3.5,red", mappings; one that learnt from signals or
    volumes .npy files, folders of such, and arrays.
    """
    classifier.require_answers()
    check_sets(classifier, sets)
    if sets == "per-class" and classifier.trust is not None and classifier.trust.sets.told_apart:
        watch.remark(classifier.trust.sets.told_apart)
    target = runtime.pick_device(device)
    classifier.model.to(target)
    if classifier.columns is not None:
        known, sides = classifier.columns, (classifier.spec.in_chans, *(classifier.spec.img_size or ()))
        rows, values = read_signals(pictures, known, sides) if known.files else read_rows(pictures, known)
        return classify_values(classifier, rows, values, sets)
    if classifier.preprocessing is None:
        points = read_points(pictures, classifier.spec.in_chans)
        return Predictions(
            told(classifier, points.names, classify_points(classifier, points.values, voices=True), sets)
        )
    seen = classifier.preprocessing

    def some(items: list[Any], first: int, total: int) -> tuple[Sequence[Any], tuple[Problem, ...]]:
        if not first:
            _SEEN[classifier.model] = _SEEN.get(classifier.model, 0) + total
        hurry = _SEEN[classifier.model] >= PAYS if fast is None else fast
        names, images, bad = read_given(items, seen, first=first)
        return answers(classifier, names, images, target, views=views, fast=hurry, sets=sets) if len(
            images
        ) else [], bad

    return in_batches(
        pictures, some, found=Predictions(), batch_size=batch_size, follow_links=follow_links, watch=watch
    )


def classify_values(classifier: Classifier, names: Sequence[str], values: np.ndarray, sets: str = "lac") -> Predictions:
    """What a net that learnt from columns says of rows N F, signals N C T or volumes N D H W, as they were read."""
    assert classifier.columns is not None
    logits = classify_points(classifier, classifier.columns.scaled(values), voices=True)
    return Predictions(told(classifier, tuple(names), logits, sets))


class Listed(Protocol):
    """A list of what was said of pictures, and of what could not be read."""

    problems: tuple[Problem, ...]

    def extend(self, more: Iterable[Any], /) -> None:
        """Add what was said."""

    def __len__(self) -> int:
        """How much was said."""


L = TypeVar("L", bound=Listed)


def in_batches(
    pictures: Any,
    some: Callable[[list[Any], int, int], tuple[Sequence[Any], tuple[Problem, ...]]],
    *,
    found: L,
    batch_size: int,
    follow_links: bool,
    watch: Watcher,
) -> L:
    """All pictures through `some`, a batch at a time: (pictures, the number of the first, how many there are in all).

    What it says is added to `found`, which is empty.

    Raises as `classify`.
    """
    problems: list[Problem] = []
    items = list(gather(pictures, problems, follow_links=follow_links))
    if not items and problems:
        raise DataError(
            f"{problems[0].path}: {problems[0].reason}", hint=way_out(problems[0]), reason=problems[0].reason
        )
    if not items:
        raise DataError(nothing_in(pictures), hint="give files or folders: hubel predict RUN new/*.jpg")
    for start in range(0, len(items), batch_size):
        said, bad = some(items[start : start + batch_size], start, len(items))
        found.extend(said)
        problems += bad
        watch.progress(min(start + batch_size, len(items)), len(items))
    found.problems = tuple(problems)
    if not len(found):
        first = problems[0]
        raise DataError(
            f"none of {plural(max(len(items), len(problems)), 'picture')} can be read; "
            f"first: {first.path}: {first.reason}",
            hint=way_out(first),
            reason=first.reason if len(problems) == 1 else "",
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
    sets: str = "lac",
) -> list[Prediction]:
    """Predictions for prepared pictures N C H W uint8; `fast` through the net made ready for such pictures."""
    return told(classifier, names, _asked(classifier, images, device, views=views, fast=fast), sets, images)


def say_plainly(
    classifier: Classifier,
    names: Sequence[str],
    images: np.ndarray,
    device: torch.device,
    *,
    views: str | None = None,
) -> Sequence[Prediction | Answer]:
    """What the net as it was trained says of prepared pictures N C H W uint8: a class, or several labels, of each."""
    return say(classifier, names, _asked(classifier, images, device, views=views))


def _asked(
    classifier: Classifier, images: np.ndarray, device: torch.device, *, views: str | None, fast: bool = False
) -> Answers:
    """Logits of prepared pictures, and the features behind them where those are needed."""
    assert classifier.preprocessing is not None
    inputs = classifier.preprocessing.normalise(torch.from_numpy(images).to(device))
    ids = torch.arange(len(images))
    model = net_that_tells(classifier, inputs) or net_of_voices(classifier, device) or classifier.model
    net = kept(model, inputs) if fast else model
    look = with_views(net, classifier.views if views is None else views)
    return forward(model, [Batch(inputs, ids, ids)], forward=look)


def check_sets(classifier: Classifier, kind: str) -> None:
    """Raise UsageError for no kind of sets, ArtefactError where the net learnt nothing for one other than the usual."""
    if kind not in KINDS:
        raise unknown("kind of sets", kind, KINDS)
    if kind == "lac":
        return
    if classifier.trust is None:
        raise ArtefactError(
            "nothing was learnt about this net's answers, so it has no sets of plausible classes",
            hint="leave --sets out; docs/trust.md says when a run learns them",
        )
    classifier.trust.sets.refuse(kind)


def say(classifier: Classifier, names: Sequence[str], result: Answers) -> Sequence[Prediction | Answer]:
    """As `told`; of a net that says several labels, those that reach their thresholds."""
    if classifier.several:
        return say_several(classifier, names, Heard.of(classifier, result.logits))
    return told(classifier, names, result)


def told(
    classifier: Classifier, names: Sequence[str], result: Answers, sets: str = "lac", pictures: np.ndarray | None = None
) -> list[Prediction]:
    """What the net said, in logits and perhaps features, or what members of a joined run said, behind them, as
    predictions.

    `pictures`: N C H W uint8, for the scores that other nets give them.
    """
    heard = Heard.of(classifier, result.logits)
    if not classifier.class_names:
        numbers = _numbers(classifier, heard.logits)
        apart = heard.spread(lambda said: _numbers(classifier, said))
        return [
            Prediction(name, in_figures(number), math.nan, {}, number, disagreement=far)
            for name, number, far in zip(names, numbers.tolist(), apart.tolist(), strict=True)
        ]
    classes, trust, apart = classifier.class_names, classifier.trust, heard.disagreement
    logits, features = heard.logits, heard.features
    answered = replace(result, logits=classifier.calibrator(logits))
    shares = answered.probabilities
    familiarity = np.full(len(logits), np.nan)
    inside = np.zeros(shares.shape, bool)
    if trust is not None:
        familiarity = trust.familiarity(logits, features if features.shape[1] else None, pictures)
        inside = trust.sets.within(shares, sets, coins(logits))
    found = []
    for number, (name, row, winner) in enumerate(zip(names, shares, winners(classifier, shares), strict=True)):
        plausible = [k for k in np.argsort(-row, kind="stable") if inside[number, k]]
        found.append(
            Prediction(
                name=name,
                label=classes[winner],
                probability=float(row[winner]),
                probabilities=dict(zip(classes, row.tolist(), strict=True)),
                value=float("nan"),
                known=None if trust is None or not trust.knows else bool(familiarity[number] >= 1 - ACCEPTED),
                familiarity=float(familiarity[number]),
                plausible=tuple(classes[k] for k in plausible),
                disagreement=float(apart[number]),
            )
        )
    return found


def _numbers(classifier: Classifier, said_N1: np.ndarray) -> np.ndarray:
    """N, in the unit of the data."""
    columns = classifier.columns
    if columns is None or not columns.answers:
        return np.asarray(said_N1[:, 0].astype(float))
    return np.asarray(columns.told(said_N1)[:, 0])


def refuse_views(classifier: Classifier, views: str | None) -> None:
    """Raise UsageError for views of a net that names no class and no number: of several labels the thresholds are for
    one look, and other answers have no mean.
    """
    if not classifier.labels and views not in (None, "none"):
        raise UsageError(f"views are averaged of classes, and the task is {classifier.task}", hint="leave --views out")


def winners(classifier: Classifier, shares_NK: np.ndarray) -> np.ndarray:
    """N: the class that is said, by its number: the most probable one, or what the run's threshold says."""
    if classifier.threshold is None:
        return np.asarray(shares_NK.argmax(axis=1))
    place = classifier.class_names.index(classifier.threshold.positive)
    return np.where(shares_NK[:, place] >= classifier.threshold.value, place, 1 - place)


def nothing_in(pictures: Any) -> str:
    """What is said where no picture was named: by which folders none was found.

    >>> nothing_in("new"), nothing_in(["new", "old"]), nothing_in([])
    ('new holds no pictures', 'new, old hold no pictures', 'no picture was given')
    """
    named = [pictures] if isinstance(pictures, (str, Path)) else pictures if isinstance(pictures, list) else []
    empty = ", ".join(printable(str(each)) for each in named[:3])
    return f"{empty} {'holds' if len(named) == 1 else 'hold'} no pictures" if empty else "no picture was given"


def gather(pictures: Any, problems: list[Problem], *, follow_links: bool = False) -> Iterator[Any]:
    """Every single picture in `pictures`, files below folders included; UsageError for what is none.

    What lies below a folder and cannot be a picture goes to `problems`.
    """

    def inside(folder: Path) -> list[Path]:
        paths, odd = pictures_inside(str(folder), follow=follow_links)
        problems.extend(odd)
        return [Path(path) for path in paths]

    return spread(pictures, inside)
