"""Who won, and by more than luck? Finalists with several seeds on the same validation pictures, laid beside the winner.

The interval of a difference holds both kinds of chance: other pictures, and other seeds. With N pictures, d the mean
over pictures of the difference of both finalists' goodness (each the mean of its seeds), s_N its deviation and s_k that
of the n_k seeds of finalist k:

    d ± 1.96 sqrt(s_N² / N + s_1² / n_1 + s_2² / n_2)

With one seed its deviation is not known, and the interval says less than the truth; that is told. A score that belongs
to all pictures together (mean IoU, mAP, recall@1) has no part for each picture: there d is the difference of the means
over seeds, N is left out, and with one seed nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.checkpoint import load as load_checkpoint
from hubel.data.batches import batches, reading_size
from hubel.metrics.intervals import Interval, wilson
from hubel.nn.modes import evaluating
from hubel.searching.journal import Journal, Trial
from hubel.searching.running import data_of
from hubel.searching.workshop import Workshop
from hubel.store import RunStore
from hubel.tasks import Task
from hubel.types import Batch


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A member of the space with all its trainings that came to their end."""

    trial: int
    values: Mapping[str, Any]
    folders: tuple[str, ...]
    """Of its runs, one a seed, the best on validation first."""
    scores: tuple[float, ...]
    """In the same order; accuracy, or minus the loss."""
    mean: float
    interval: Interval
    """Of the mean accuracy, other pictures alone considered (Wilson); NaN for any other score."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A finalist against the winner."""

    trial: int
    difference: float
    """Winner minus this one."""
    interval: Interval
    seeds: tuple[int, int]
    """Of the winner, and of this one."""
    by_sample: bool = True
    """Are both compared picture by picture? Else by the scores of their seeds alone."""

    @property
    def known(self) -> bool:
        """Is there any measure of luck?"""
        return self.by_sample or min(self.seeds) > 1

    @property
    def is_noise(self) -> bool:
        """May the difference be luck?"""
        return not self.known or self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a search ended."""

    finalists: tuple[Finalist, ...]
    """The winner first."""
    beside: tuple[Beside, ...]
    """The others against it."""
    samples: int
    """Validation pictures."""
    score: str
    """What they are compared by: accuracy, iou, map, recall; "" for the loss."""

    @property
    def winner(self) -> Finalist:
        """The best in the mean of its seeds."""
        return self.finalists[0]


def stand(journal: Journal, workshop: Workshop, folder: Path, most: int = 6) -> Standing | None:
    """Weigh the trials that came furthest; None where none has a score."""
    known = [trial for trial in journal.tried if trial.score is not None and trial.status != "failed"]
    if not known:
        return None
    ended = [trial for trial in known if trial.status == "finished"]
    if not ended:
        furthest = max(trial.epochs for trial in known)
        ended = [trial for trial in known if trial.epochs == furthest]
    again = {trial.again for trial in journal.trials if trial.again and trial.status == "finished"}
    ended.sort(key=lambda trial: (-(trial.score or 0.0), trial.number))
    # Where some were trained again, only those can win: one lucky seed must not beat the mean of three.
    stands = [trial for trial in ended if trial.number in again] or ended
    also = [trial for trial in ended if trial not in stands]
    found = [_finalist(trial, journal) for trial in stands]
    found.sort(key=lambda each: (-each[0].mean, each[0].trial))
    found += [_finalist(trial, journal) for trial in also][: max(0, most - len(found))]
    rows, task = workshop.first.splits.val, workshop.first.task
    score = "" if found[0][0].mean < 0 else task.score
    by_sample = task.counts or not score
    goodness = [
        np.stack([good(workshop, folder / name) for name in each.folders])
        if by_sample
        else np.array(each.scores)[:, None]
        for each, _ in found
    ]
    winner = goodness[0]
    beside = tuple(
        replace(weigh(each.trial, winner, other), by_sample=by_sample)
        for (each, _), other in zip(found[1:], goodness[1:], strict=True)
    )
    finalists = []
    for (each, _), seen in zip(found, goodness, strict=True):
        span = wilson(round(float(seen.mean()) * len(rows)), len(rows)) if task.counts else (math.nan, math.nan)
        finalists.append(Finalist(**{**_fields(each), "interval": span}))
    return Standing(finalists=tuple(finalists), beside=beside, samples=len(rows), score=score)


def _fields(each: Finalist) -> dict[str, Any]:
    return {name: getattr(each, name) for name in ("trial", "values", "folders", "scores", "mean", "interval")}


def _finalist(trial: Trial, journal: Journal) -> tuple[Finalist, Trial]:
    runs = [each for each in journal.seeds_of(trial.number) if each.score is not None] or [trial]
    runs.sort(key=lambda each: (-(each.score or 0.0), each.number))
    scores = tuple(float(each.score or 0.0) for each in runs)
    return Finalist(
        trial=trial.number, values=trial.values, folders=tuple(each.folder for each in runs), scores=scores,
        mean=float(np.mean(scores)), interval=(math.nan, math.nan),
    ), trial  # fmt: skip


def good(workshop: Workshop, run: Path) -> np.ndarray:
    """Of each validation sample how good the answer of a run is: right or wrong, or minus its loss. N."""
    classifier = load_checkpoint(run, "best")
    prepared = data_of(workshop, RunStore.open(run))
    classifier.model.to(workshop.device)
    reading = batches(
        prepared.decoded, prepared.splits.val, preprocessing=classifier.preprocessing, device=workshop.device,
        batch_size=reading_size(prepared.decoded), channels_last=True,
    )  # fmt: skip
    task, found = prepared.task, []
    answering = task.answering(classifier.model)
    with evaluating(classifier.model), torch.inference_mode():
        for batch in reading:
            answers = answering(batch.images)
            if task.counts:
                found.append((answers.argmax(1) == batch.labels).double().cpu().numpy())
            else:
                found.append(np.array([-loss_of(task, answers, batch, place) for place in range(len(batch))]))
    return np.concatenate(found)


def loss_of(task: Task, answers: torch.Tensor, batch: Batch, place: int) -> float:
    """The loss of one sample of a batch, as the task measures it."""
    only, tally = slice(place, place + 1), task.tally()
    targets = None if batch.targets is None else batch.targets[only]
    one = Batch(batch.images[only], batch.labels[only], batch.ids[only], targets=targets)
    tally.add(answers[only], one)
    return tally.numbers()["loss"]


def weigh(trial: int, winner_SN: np.ndarray, other_SN: np.ndarray) -> Beside:
    """Two finalists, seeds S and pictures N, as the module says.

    >>> same = np.ones((2, 50))
    >>> weigh(3, same, same).is_noise, weigh(3, same, np.zeros((2, 50))).is_noise
    (True, False)
    """
    each = winner_SN.mean(axis=0) - other_SN.mean(axis=0)
    variance = float(each.var(ddof=1)) / len(each) if len(each) > 1 else 0.0
    for seen in (winner_SN, other_SN):
        if len(seen) > 1:
            variance += float(seen.mean(axis=1).var(ddof=1)) / len(seen)
    half = 1.96 * math.sqrt(variance)
    difference = float(each.mean())
    return Beside(
        trial=trial, difference=difference, interval=(difference - half, difference + half),
        seeds=(len(winner_SN), len(other_SN)),
    )  # fmt: skip


def front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Which are beaten by none that is both cheaper and better: the Pareto front, cheapest first.

    >>> front([3.0, 1.0, 2.0, 2.5], [0.9, 0.7, 0.8, 0.75])
    [1, 2, 0]
    """
    best, found = -math.inf, []
    for place in sorted(range(len(costs)), key=lambda place: (costs[place], -scores[place])):
        if scores[place] > best:
            best = scores[place]
            found.append(place)
    return found
