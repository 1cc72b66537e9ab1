"""Who won, and by more than luck? Finalists with several seeds on the same validation pictures, laid beside the winner.

The interval of a difference holds both kinds of chance: other pictures, and other seeds. With N pictures, d the mean
over pictures of the difference of both finalists' goodness (each the mean of its seeds), s_N its deviation and s_k that
of the n_k seeds of finalist k:

    d ± 1.96 sqrt(s_N² / N + s_1² / n_1 + s_2² / n_2)

With one seed its deviation is not known, and the interval says less than the truth; that is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubel.checkpoint import load as load_checkpoint
from hubel.data.batches import batches, reading_size
from hubel.inference import predict
from hubel.metrics.intervals import Interval, wilson
from hubel.recipes.schema import compose, read_file
from hubel.searching.journal import Journal, Trial
from hubel.searching.workshop import Workshop


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
    """Of the mean accuracy, other pictures alone considered (Wilson); NaN where numbers are learnt."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A finalist against the winner."""

    trial: int
    difference: float
    """Winner minus this one."""
    interval: Interval
    seeds: tuple[int, int]
    """Of the winner, and of this one."""

    @property
    def is_noise(self) -> bool:
        """May the difference be luck?"""
        return self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a search ended."""

    finalists: tuple[Finalist, ...]
    """The winner first."""
    beside: tuple[Beside, ...]
    """The others against it."""
    samples: int
    """Validation pictures."""
    by: str = "accuracy"
    """What is laid beside each other, sample by sample: accuracy, squared error; "" for tasks whose answers are no
    labels, which are ranked by their score alone."""

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
    rows, labels = workshop.first.splits.val, workshop.first.manifest.labels
    task, numbers = workshop.first.task, workshop.first.manifest.regression
    if not task.labels:  # the labels of its samples, where they have some, are not what it answers
        return Standing(finalists=tuple(each for each, _ in found), beside=(), samples=len(rows), by="")
    goodness = [np.stack([good(workshop, folder / name) for name in each.folders]) for each, _ in found]
    winner = goodness[0]
    beside = tuple(weigh(each.trial, winner, other) for (each, _), other in zip(found[1:], goodness[1:], strict=True))
    finalists = []
    for (each, _), seen in zip(found, goodness, strict=True):
        span = (math.nan, math.nan) if numbers else wilson(round(float(seen.mean()) * len(rows)), len(rows))
        finalists.append(Finalist(**{**_fields(each), "interval": span}))
    assert len(labels) >= len(rows)
    by = "squared error" if numbers else "accuracy"
    return Standing(finalists=tuple(finalists), beside=beside, samples=len(rows), by=by)


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
    """Of each validation sample how good the answer of a run is: right or wrong, or minus the squared error. N."""
    classifier = load_checkpoint(run, "best")
    prepared = workshop.prepared(workshop.as_begun(compose(read_file(run / "config.yaml"))))
    classifier.model.to(workshop.device)
    reading = batches(
        prepared.decoded, prepared.splits.val, preprocessing=classifier.preprocessing, device=workshop.device,
        batch_size=reading_size(prepared.decoded), channels_last=True,
    )  # fmt: skip
    found = predict(classifier.model, reading)
    if prepared.manifest.regression:
        return -np.square(found.logits[:, 0] - found.labels).astype(np.float64)
    return (found.predicted == found.labels).astype(np.float64)


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
