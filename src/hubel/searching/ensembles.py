"""Several runs that answer as one net: chosen greedily on the validation split, with repeats, as one artefact.

R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, Ensemble Selection from Libraries of Models, ICML 2004: begin with
the best net; again and again add the one, of all, with which the mean answers best; a net that is added twice weighs
twice; what was best on the way is kept. Best is: least log-loss on the validation samples; of numbers, least squared
error.

    probability    mean of the members' probabilities      (what is usual)
    logit          mean of their log-probabilities         (one net that is sure it cannot be outvoted less easily)
    number         mean of what they say                   (where that is a number)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubel.errors import UsageError
from hubel.metrics.intervals import Interval
from hubel.metrics.probability import log_loss, log_softmax
from hubel.models.ensemble import SPACES
from hubel.views import Viewed
from hubel.words import in_full, percent, plain, plural, short, span

STEPS = 25
"""Additions at most."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One net of an ensemble."""

    run: str
    weight: float
    """Its share of the answer."""
    architecture: str
    params: int
    macs: int
    measured: tuple[Measured, ...] = ()
    """By itself, as it would be used alone, on validation and on test."""

    @property
    def alone(self) -> float:
        """On the validation samples, by itself: the number that counts (`Ensembled.measure`)."""
        return next(iter(self.measured[0].numbers.values())) if self.measured else math.nan

    @property
    def name(self) -> str:
        """Its folder, without where that lies."""
        return Path(self.run).name


@dataclass(frozen=True, kw_only=True)
class MeasuredClass:
    """One class of a net, or of several as one, on one split."""

    name: str
    numbers: Mapping[str, float]
    """By name, as `WRITTEN` lists them; the first is the one that counts."""
    interval: Interval
    """95 % of the first."""

    def told(self) -> list[str]:
        """The numbers as they are written, with the interval behind the first."""
        first, *rest = (WRITTEN[name][1](value) for name, value in self.numbers.items())
        return [first, span(self.interval), *rest]

    @property
    def in_words(self) -> str:
        """The same in a line."""
        first, between, *rest = self.told()
        titles = [WRITTEN[name][0] for name in self.numbers]
        others = (f", {title} {text}" for title, text in zip(titles[1:], rest, strict=True))
        return f"{titles[0]} {first}{f' ({between})' if between else ''}{''.join(others)}"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A net, or several as one, on one split."""

    split: str
    samples: int
    numbers: Mapping[str, float]
    """By name, as `WRITTEN` lists them; the first is the one that counts."""
    interval: Interval
    """95 % of the first."""
    classes: tuple[MeasuredClass, ...] = ()
    """Class by class, where that is more than how often it is named right."""

    @property
    def accuracy(self) -> float:
        """Share of samples that are named right; NaN where no class is named."""
        return self.numbers.get("accuracy", math.nan)

    @property
    def log_loss(self) -> float:
        """In nats a sample, or a label where several may hold; NaN of numbers."""
        return self.numbers.get("log_loss", math.nan)

    @property
    def ece(self) -> float:
        """Calibration error; NaN of numbers."""
        return self.numbers.get("ece", math.nan)

    @property
    def between(self) -> str:
        """The interval, as it is written."""
        low, high = self.interval
        if math.isnan(low):
            return "–"
        return (
            span(self.interval)
            if WRITTEN[next(iter(self.numbers))][1] in SHARES
            else f"{in_full(low)} to {in_full(high)}"
        )

    def told(self) -> dict[str, str]:
        """Title -> number, as it is written."""
        return {WRITTEN[name][0]: WRITTEN[name][1](value) for name, value in self.numbers.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found = {"split": self.split, "samples": self.samples, **self.numbers, "interval": self.interval}
        classes = {each.name: {**each.numbers, "interval": each.interval} for each in self.classes}
        return found | ({"per_class": classes} if classes else {})


def _in_full(value: float) -> str:
    return f"{value:.4f}"


def _one_place(value: float) -> str:
    return percent(value, 1)


def _decibels(value: float) -> str:
    return f"{value:.2f} dB"


WRITTEN: dict[str, tuple[str, Callable[[float], str]]] = {
    "accuracy": ("accuracy", percent),
    "mean_ap": ("mAP", percent),
    "exact": ("all labels right", percent),
    "log_loss": ("log-loss", _in_full),
    "ece": ("calibration error", percent),
    "rmse": ("rmse", in_full),
    "mae": ("mae", in_full),
    "mean_iou": ("mean IoU", _one_place),
    "mean_dice": ("mean Dice", _one_place),
    "pixel_accuracy": ("pixels right", _one_place),
    "iou": ("IoU", _one_place),
    "dice": ("Dice", _one_place),
    "psnr": ("PSNR", _decibels),
    "mse": ("mean squared error", in_full),
    "explained": ("variance given back", _one_place),
    "skill": ("less error than a simple rule", _one_place),
}
SHARES = (percent, _one_place)
"""How shares are written."""

"""Numbers by which nets are told: what they are called, and how they are written."""


@dataclass(frozen=True, kw_only=True)
class Ensembled(Viewed):
    """An ensemble that was made, beside the best single net."""

    folder: Path
    """A run folder: predict, evaluate, serve and export take it."""
    space: str
    members: tuple[Member, ...]
    candidates: int
    left_out: dict[str, int]
    """Runs that could not take part, by reason."""
    together: tuple[Measured, ...]
    """The ensemble on validation, by which it was chosen, and on test."""
    single: tuple[Measured, ...]
    """The best single net on the same."""
    best: str
    """That net's run."""
    sentence: str
    """The difference on the test split, picture by picture."""
    disagreement: float
    """How much the members disagree on the validation samples; 0 if all say the same."""
    apart: str
    """What that counts."""
    loss: str
    """By which they were chosen."""
    alike: bool = False
    """Does each say as much, so that none was chosen or weighed by its loss?"""
    why: str = ""
    """Why they were joined, where nobody has asked for it."""

    @property
    def measure(self) -> str:
        """The number that counts: accuracy, mean_ap, rmse."""
        return next(iter(self.together[0].numbers))

    @property
    def cost(self) -> float:
        """How many times the multiply-accumulates of the best single net."""
        alone = next((member.macs for member in self.members if member.run == self.best), self.members[0].macs)
        return sum(member.macs for member in self.members) / max(1, alone)

    def facts(self) -> dict[str, str]:
        """As it is printed."""
        found = {"ensemble": str(self.folder), "members": self.told, "": self.sentence}
        for pair in zip(self.together, self.single, strict=True):
            found[pair[0].split] = "; ".join(
                f"{name} {_in_words(each)}" for name, each in zip(("together", "the best alone"), pair, strict=True)
            )
        found["disagreement"] = f"{in_full(self.disagreement)} on validation ({self.apart})"
        if self.together[-1].classes:
            found["by class"] = self.by_class
        if all(member.measured for member in self.members):
            found["each alone"] = f"{self.together[-1].split}: " + "; ".join(
                f"{member.name} {first_in_words(member.measured[-1])}" for member in self.members
            )
        params = sum(member.params for member in self.members)
        macs = short(sum(member.macs for member in self.members))
        found["cost"] = f"{params:,} parameters, {macs} MACs a picture: {self.cost:.1f} times the best alone"
        if self.left_out:
            found["left out"] = "; ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        if self.why:
            found["why"] = self.why
        found["use"] = f"hubel predict {self.folder} PICTURES"
        return {name or "so": text for name, text in found.items()}

    @property
    def by_class(self) -> str:
        """The classes of the whole on the last split, those that are found worst first."""
        last = self.together[-1]
        order = sorted(last.classes, key=_worst_first)
        parts = [f"{each.name} {each.in_words}" for each in order[:4]]
        more = f"; {plural(len(order) - 4, 'more class')} in the report" if len(order) > 4 else ""
        return f"{last.split}: {'; '.join(parts)}{more}"

    @property
    def told(self) -> str:
        """Who takes part, with which share."""
        parts = ", ".join(f"{member.name} {member.weight:.0%}" for member in self.members)
        return f"{plural(len(self.members), 'net')} of {plural(self.candidates, 'run')}, mean {self.space}: {parts}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        told = {name: [each.to_dict() for each in getattr(self, name)] for name in ("together", "single")}
        members = [
            {"run": each.run, "weight": each.weight, "architecture": each.architecture, "params": each.params,
             "macs": each.macs, self.measure: each.alone, "alone": [one.to_dict() for one in each.measured]}
            for each in self.members
        ]  # fmt: skip
        return plain({
            "folder": str(self.folder), "space": self.space, "candidates": self.candidates, "best": self.best,
            "left_out": self.left_out, "sentence": self.sentence, "disagreement": self.disagreement, "cost": self.cost,
            "alike": self.alike, "why": self.why, "members": members, **told,
        })  # fmt: skip


def _worst_first(each: MeasuredClass) -> float:
    first = next(iter(each.numbers.values()))
    return math.inf if math.isnan(first) else first


def first_in_words(each: Measured) -> str:
    """The number that counts, with its interval."""
    title, first = next(iter(each.told().items()))
    return f"{title} {first} ({each.between})"


def _in_words(each: Measured) -> str:
    return ", ".join([first_in_words(each), *(f"{title} {text}" for title, text in list(each.told().items())[1:])])


def select(
    logits_MNK: Sequence[np.ndarray], labels: np.ndarray, members: int, space: str
) -> tuple[dict[int, int], float]:
    """Which of M nets, and how often each, and the log-loss of their mean: greedy, with repeats, at most `members`.

    >>> right, wrong = np.array([[4.0, 0.0], [0.0, 4.0]]), np.array([[0.0, 4.0], [4.0, 0.0]])
    >>> select([wrong, right], np.array([0, 1]), 2, "probability")[0]
    {1: 1}
    """
    check_space(space, members)
    logs = np.stack([log_softmax(each.astype(np.float64)) for each in logits_MNK])  # M N K
    terms = np.exp(logs) if space == "probability" else logs
    rows = np.arange(len(labels))

    def loss(total: np.ndarray, count: int) -> float:
        mean = total / count
        if space == "logit":
            return float(log_loss(mean, labels))
        return float(-np.log(np.maximum(mean[rows, labels], 1e-300)).mean())

    return _greedy(terms, loss, members)


def select_numbers(said_MNK: np.ndarray, targets: np.ndarray, members: int) -> tuple[dict[int, int], float]:
    """The same of nets that say numbers, M N K, by the squared error of their mean, of each in shares of its variance.

    `targets` are N, of one number, or N K, NaN where nothing is asked.

    >>> select_numbers(np.array([[[0.0], [2.0]], [[2.0], [4.0]], [[9.0], [9.0]]]), np.array([1.0, 3.0]), 2)
    ({0: 1, 1: 1}, 0.0)
    """
    check_space("", members)
    asked = targets.reshape(len(targets), -1)
    unit = np.nanstd(asked, axis=0)  # what is better by less than nothing hangs on no unit of measure
    unit = np.where(unit > 0, unit, 1.0)

    def loss(total: np.ndarray, count: int) -> float:
        return float(np.nanmean(((total / count - asked) / unit) ** 2))

    return _greedy(np.asarray(said_MNK, dtype=np.float64), loss, members)


def _greedy(terms: np.ndarray, loss: Callable[[np.ndarray, int], float], members: int) -> tuple[dict[int, int], float]:
    """Additions one by one, of M terms, each the one whose sum has the least `loss`; what was best on the way."""
    chosen: dict[int, int] = {}
    total, best = np.zeros_like(terms[0]), float("inf")
    kept: dict[int, int] = {}
    for step in range(1, STEPS + 1):
        allowed = chosen if len(chosen) == members else range(len(terms))
        losses = {place: loss(total + terms[place], step) for place in allowed}
        # Of equals the one that is in already: two parts of the best and one of another may be what helps.
        place = min(losses, key=lambda each: (round(losses[each], 12), each not in chosen, each))
        total = total + terms[place]
        chosen[place] = chosen.get(place, 0) + 1
        if losses[place] < best - 1e-9:
            best, kept = losses[place], dict(chosen)
    return kept, best


def check_space(space: str, members: int, allowed: Sequence[str] = SPACES) -> None:
    """Raise UsageError for a space or a number of members that there is not."""
    if space not in (*allowed, "") and set(allowed) == {"number"}:
        raise UsageError(f"these nets answer with numbers, whose mean has no space, got {space!r}",
                         hint="leave --space out")  # fmt: skip
    if space not in (*allowed, ""):
        raise UsageError(
            f"space must be {' or '.join(allowed)}, got {space!r}", hint="leave --space out: the better one is taken"
        )
    if not 2 <= members <= 64:
        raise UsageError(f"an ensemble has 2 to 64 members, got {members}", hint="--members 5")
