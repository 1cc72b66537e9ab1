"""Answers step by step in, everything worth knowing about them out.

Classes: how often an answer that is asked is right, by class and by the step at which it is said. Numbers: how far off
they are, beside what a simple rule gets: that the next step is like this one, or that a number is its mean.

Letters: N series, T steps, K classes or numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from hubel.checkpoint import Classifier
from hubel.data.batches import batches, reading_size
from hubel.data.columns import Columns
from hubel.data.decode import Decoded
from hubel.data.scan import Scan
from hubel.evaluation.answers import strange_steps
from hubel.evaluation.result import TaskResult
from hubel.inference import predict
from hubel.metrics.intervals import NOTHING, Interval, bootstrap, mean_interval, wilson
from hubel.metrics.surprise import RATE
from hubel.tasks import TASKS
from hubel.types import Batch
from hubel.words import csv_text, in_full, percent, plain

SHOWN = 3
"""Series that are drawn: one in the middle of all, those that are told best and worst."""


@dataclass(frozen=True, kw_only=True, repr=False)
class _Series(TaskResult):
    """What both kinds of answers have."""

    asked: int
    """Answers that were asked of all series together."""
    ids: np.ndarray
    titles: tuple[str, ...]
    """N, by which a series is called."""


@dataclass(frozen=True, kw_only=True, repr=False)
class SequenceClasses(_Series):
    """How well classes are told, step by step or at the end."""

    class_names: tuple[str, ...]
    truth: np.ndarray
    """N T, -1 where nothing is asked."""
    said: np.ndarray
    """N T: the class that is said after each step, -1 behind the end of a series."""
    last: np.ndarray
    """N: the class that counts for a whole series, -1 where several are asked of it."""
    interval: Interval
    """95 %, over series."""

    @property
    def accuracy(self) -> float:
        """Share of what is asked that is right."""
        asked = self.truth >= 0
        return float((self.said == self.truth)[asked].mean())

    @property
    def whole(self) -> bool:
        """Is one class asked of each series, at its end?"""
        return bool((self.last >= 0).all())

    @property
    def usual(self) -> float:
        """What who always says the most frequent class gets."""
        counts = np.bincount(self.truth[self.truth >= 0], minlength=len(self.class_names))
        return float(counts.max() / counts.sum())

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        what = f"{self.samples:,} {self.split} series" if self.whole else (
            f"{self.asked:,} steps of {self.samples:,} {self.split} series"
        )  # fmt: skip
        low, high = self.interval
        span = "" if math.isnan(low) else f" (95 % interval {percent(low, 1)} to {percent(high, 1)})"
        return (
            f"Of {what} it tells {percent(self.accuracy, 1)} right{span}; always saying the most frequent class "
            f"gets {percent(self.usual, 1)}."
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers."""
        low, high = self.interval
        span = "" if math.isnan(low) else f"{percent(low, 1)} to {percent(high, 1)}"
        return [
            ("accuracy", percent(self.accuracy, 2), span),
            ("most frequent class", percent(self.usual, 2), ""),
            ("answers asked", f"{self.asked:,}", ""),
        ]

    def by_class(self) -> list[tuple[str, int, float]]:
        """(class, how often it is asked, share of these that is right), worst first."""
        found = []
        for label, name in enumerate(self.class_names):
            mine = self.truth == label
            if mine.any():
                found.append((name, int(mine.sum()), float((self.said[mine] == label).mean())))
        return sorted(found, key=lambda row: row[2])

    def by_step(self) -> np.ndarray:
        """T: how often the class of the whole series is said already after each step, over those that last so long;
        of classes step by step, how often they are right there. NaN where no series is asked.
        """
        truth = np.where(self.said >= 0, self.last[:, None], -1) if self.whole else self.truth
        asked, right = (truth >= 0).sum(0), ((self.said == truth) & (truth >= 0)).sum(0)
        return np.where(asked > 0, right / np.maximum(asked, 1), np.nan)

    @property
    def headline(self) -> dict[str, float]:
        """Accuracy."""
        return {"accuracy": self.accuracy}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        classes = {name: {"asked": count, "right": share} for name, count, share in self.by_class()}
        return plain({
            "task": "sequence", "split": self.split, "samples": self.samples, "asked": self.asked,
            "accuracy": self.accuracy, "interval": self.interval, "most_frequent": self.usual, "per_class": classes,
        })  # fmt: skip

    def tables(self) -> Mapping[str, str]:
        """One line an answer that is asked, one a class, one a step."""
        names = self.class_names
        places = np.argwhere(self.truth >= 0).tolist()
        each = [
            [int(self.ids[n]), self.titles[n], t + 1, names[self.truth[n, t]], names[self.said[n, t]]]
            for n, t in places
        ]  # fmt: skip
        steps = [[t + 1, share] for t, share in enumerate(self.by_step().tolist()) if not math.isnan(share)]
        return {
            "predictions.csv": csv_text(["id", "series", "step", "class", "predicted"], each),
            "per_class.csv": csv_text(["class", "asked", "right"], self.by_class()),
            "per_step.csv": csv_text(["step", "right"], steps),
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class SequenceNumbers(_Series):
    """How near numbers come, in the units of the table."""

    names: tuple[str, ...]
    """K columns."""
    foretold: bool
    """Are they those of the next step?"""
    truth: np.ndarray
    """N T K, NaN where nothing is asked."""
    said: np.ndarray
    """N T K."""
    simple: np.ndarray
    """N T K: what a simple rule says; the numbers of this step, or the mean of the training part."""
    alarms: float = math.nan
    """Share of steps that are called strange; NaN where the net does not say that."""

    @property
    def rmse(self) -> np.ndarray:
        """K: root of the mean squared error over all that is asked."""
        return np.asarray(np.sqrt(np.nanmean(np.square(self.said - self.truth), axis=(0, 1))))

    @property
    def simple_rmse(self) -> np.ndarray:
        """K: the same of the simple rule."""
        return np.asarray(np.sqrt(np.nanmean(np.square(self.simple - self.truth), axis=(0, 1))))

    @property
    def skill(self) -> float:
        """Share of the simple rule's squared error that is gone, the mean over columns: 1 is all, below 0 is worse.

        Columns in which the simple rule makes no error, since nothing ever changes, have nothing to be gained.
        """
        return _gained(np.square(self.rmse), np.square(self.simple_rmse), self._moving)

    @property
    def _moving(self) -> np.ndarray:
        """K: columns of which the simple rule is off by more than rounding."""
        size = np.abs(np.nanmean(self.truth, axis=(0, 1))) + np.nanstd(self.truth, axis=(0, 1))
        return np.asarray(self.simple_rmse > 1e-6 * size)

    @property
    def skill_interval(self) -> Interval:
        """95 %, from drawing the series again."""
        return bootstrap(self.skill_of, self.samples) if self.samples > 1 else NOTHING

    def skill_of(self, rows: np.ndarray) -> float:
        """The same of some series."""
        mine, simple = self._squares
        return _gained(mine[rows].sum(0), simple[rows].sum(0), self._moves)

    @cached_property
    def _squares(self) -> tuple[np.ndarray, np.ndarray]:
        """N K each: squared errors, and those of the simple rule."""
        mine, simple = (np.nansum(np.square(part - self.truth), axis=1) for part in (self.said, self.simple))
        return mine, simple

    @cached_property
    def _moves(self) -> np.ndarray:
        return self._moving

    @property
    def rule(self) -> str:
        """The simple rule in words."""
        return "that the next step is like this one" if self.foretold else "the mean of the training part"

    @property
    def sentence(self) -> str:
        """The result as one sentence."""
        what = "the next step" if self.foretold else ", ".join(self.names)
        first = f"Over {self.asked:,} answers of {self.samples:,} {self.split} series {what} is told "
        if self.skill <= 0:
            return f"{first}no better than by a simple rule, {self.rule}: it has learnt nothing that helps."
        return (
            f"{first}with {percent(self.skill, 1)} less squared error than a simple rule makes, {self.rule}"
            + ("." if len(self.names) > 1 else
               f": off by {in_full(self.rmse[0])} where that is off by {in_full(self.simple_rmse[0])}.")
        )  # fmt: skip

    def rows(self) -> list[tuple[str, str, str]]:
        """The headline numbers."""
        low, high = self.skill_interval
        span = "" if math.isnan(low) else f"{percent(low, 1)} to {percent(high, 1)}"
        each = [
            (f"RMSE {name}"[:20], in_full(mine), f"simple rule {in_full(simple)}")
            for name, mine, simple in self.by_name()
        ]
        alarms = [] if math.isnan(self.alarms) else [
            ("steps called strange", percent(self.alarms, 1), f"{percent(RATE, 1)} of normal ones")
        ]  # fmt: skip
        if self.skill < 0:  # a share below nothing is no share: so many times the error
            times = [1 - bound for bound in (self.skill, high, low)]
            span = "" if math.isnan(low) else f"{times[1]:,.3g} to {times[2]:,.3g} times"
            first = ("squared error", f"{times[0]:,.3g} times", f"{span} a simple rule's".strip())
        else:
            first = ("squared error less", percent(self.skill, 1), span)
        return [first, *each[:8], *alarms]

    def by_name(self) -> list[tuple[str, float, float]]:
        """(column, RMSE, RMSE of the simple rule)."""
        return list(zip(self.names, self.rmse.tolist(), self.simple_rmse.tolist(), strict=True))

    @property
    def headline(self) -> dict[str, float]:
        """What is gained on the simple rule, and the RMSE of one column."""
        return {"skill": self.skill} | ({"rmse": float(self.rmse[0])} if len(self.names) == 1 else {})

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        columns = {name: {"rmse": mine, "simple_rmse": simple} for name, mine, simple in self.by_name()}
        return plain({
            "task": "sequence", "split": self.split, "samples": self.samples, "asked": self.asked,
            "foretold": self.foretold, "skill": self.skill, "interval": self.skill_interval, "columns": columns,
            "alarms": None if math.isnan(self.alarms) else self.alarms,
        })  # fmt: skip

    def tables(self) -> Mapping[str, str]:
        """One line a step that is asked, one a column."""
        places = np.argwhere(np.isfinite(self.truth).any(2)).tolist()
        each = [
            [int(self.ids[n]), self.titles[n], t + 1, *self.truth[n, t].tolist(), *self.said[n, t].tolist()]
            for n, t in places
        ]
        head = ["id", "series", "step", *self.names, *(f"said_{name}" for name in self.names)]
        return {
            "predictions.csv": csv_text(head, each),
            "per_column.csv": csv_text(["column", "rmse", "simple_rmse"], self.by_name()),
        }


def _gained(mine: np.ndarray, simple: np.ndarray, moving: np.ndarray) -> float:
    """The mean over `moving` columns of the share of `simple` squared errors that is gone; 0 where none moves."""
    moving = moving & (simple > 0)
    return float(np.mean(1 - mine[moving] / simple[moving])) if moving.any() else 0.0


def judge_sequence(
    classifier: Classifier, scan: Scan, decoded: Decoded, rows: np.ndarray, split: str, device: torch.device
) -> SequenceClasses | SequenceNumbers:
    """Run the net over some series, or pictures row by row, and judge what it says."""
    task = TASKS.get(classifier.task)
    net = task.answering(classifier.model.to(device))
    seen: list[np.ndarray] = []

    def reading() -> Iterator[Batch]:
        for batch in batches(
            decoded, rows, preprocessing=classifier.preprocessing, batch_size=min(100, reading_size(decoded)),
            device=device,
        ):  # fmt: skip
            seen.append(task.targets(batch).cpu().numpy())
            yield batch

    answers = predict(classifier.model, reading(), forward=net).logits  # N T K
    truth = np.concatenate(seen)
    manifest = scan.manifest
    facts: dict[str, Any] = {
        "split": split, "samples": len(rows), "asked": int(np.isfinite(truth).any(2).sum()), "ids": np.asarray(rows),
        "titles": tuple(manifest.name(int(row)) for row in rows),
    }  # fmt: skip
    if classifier.class_names:
        return _of_classes(classifier, decoded, rows, answers, truth[..., 0], facts)
    columns = classifier.columns
    assert columns is not None
    told, simple = columns.told(answers), np.broadcast_to(columns.told(np.zeros(truth.shape[2])), truth.shape)
    if columns.foretold:
        here = [column for column in columns.columns if not column.words]  # their own scale: the first step counts
        names = columns.features
        places = [names.index(column.name) for column in columns.answers]
        values = decoded.images[rows][:, places].transpose(0, 2, 1)
        simple = Columns((), tuple(here)).told(values)
    return SequenceNumbers(
        **facts, names=tuple(column.name for column in columns.answers), foretold=columns.foretold,
        truth=columns.told(truth), said=told, simple=simple, alarms=_alarms(classifier, decoded.images[rows], answers),
    )  # fmt: skip


def _alarms(classifier: Classifier, images: np.ndarray, answers: np.ndarray) -> float:
    """The share of steps that are called strange."""
    judged = strange_steps(classifier, images, answers)
    scores = np.concatenate([steps["recurrent"] for steps in judged]) if judged else np.zeros(0)
    scores = scores[np.isfinite(scores)]
    return float((scores > 1).mean()) if len(scores) else math.nan


def _of_classes(
    classifier: Classifier, decoded: Decoded, rows: np.ndarray, answers: np.ndarray, truth: np.ndarray,
    facts: dict[str, Any],
) -> SequenceClasses:  # fmt: skip
    said = answers.argmax(2)
    if decoded.images.ndim == 3:  # behind the end of a series nothing is said
        said = np.where(decoded.images[rows][:, -1] > 0, said, -1)
    asked = np.isfinite(truth)
    labels = np.where(asked, np.nan_to_num(truth), -1).astype(np.int64)
    last = np.where(asked.sum(1) == 1, labels.max(1), -1)
    right = (said == labels) & asked
    whole = bool((last >= 0).all())
    shares = right.sum(1) / np.maximum(asked.sum(1), 1)
    interval = wilson(int(right.sum()), len(rows)) if whole else mean_interval(shares, within=(0, 1))
    return SequenceClasses(
        **facts, class_names=classifier.class_names, truth=labels, said=said, last=last, interval=interval
    )
