"""A search by one net that holds all nets, before its first trial: it is trained, and paths through it are ranked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch

from hubel import runtime
from hubel.errors import DAMAGED, ArtefactError
from hubel.searching.asking import Ask
from hubel.searching.budget import Clock
from hubel.searching.engines import Engine
from hubel.searching.journal import Journal
from hubel.searching.nets import one_shot
from hubel.searching.nets.one_shot import BATCH, JUDGED, OneNet, OneShot, Shared, judge, train_shared
from hubel.searching.nets.paths import Path, PathSpace
from hubel.searching.nets.smash import Generated
from hubel.searching.workshop import Workshop
from hubel.store import RunStore
from hubel.watching import Watcher
from hubel.words import percent, plural

NAME = "shared.json"
EPOCHS, STEPS = 12, 1000
"""Of the one net, at least; each of its layers is in one path of seven or four only."""
SHARE = 0.25
"""Of the budget, at most."""
SAMPLES = 512
"""Validation samples by which paths are judged."""
NETS: dict[str, type[Shared] | type[Generated]] = {"enas": Shared, "smash": Generated}
CALLED = {"enas": "one net of shared weights", "smash": "a net whose weights a hypernet says"}


def share_weights(
    engine: Engine, store: RunStore, ask: Ask, workshop: Workshop, journal: Journal, clock: Clock, watch: Watcher
) -> None:
    """Give an engine that ranks paths its ranking: that of the folder, or one that is made now and written there.

    A search that is killed meanwhile begins the one net anew. Raises ArtefactError for a damaged ranking.
    """
    if not isinstance(engine, OneShot):
        return
    if not store.exists(NAME):
        _rank(engine, store, ask, workshop, journal, clock, watch)
    said = store.read_json(NAME)
    try:
        engine.ranking = [(tuple(map(str, path)), float(score)) for path, score in said]
    except (TypeError, ValueError):
        raise ArtefactError(f"{store.path(NAME)} is no ranking of paths", hint=DAMAGED) from None


def _rank(
    engine: OneShot, store: RunStore, ask: Ask, workshop: Workshop, journal: Journal, clock: Clock, watch: Watcher
) -> None:
    watch.stage(f"training {CALLED[engine.how]}")
    began, budget = time.perf_counter(), ask.budget
    epochs = max(EPOCHS, math.ceil(STEPS / steps_of(workshop)))
    if budget.epochs is not None:
        epochs = max(1, min(epochs, int(SHARE * budget.epochs)))
    most = float("inf") if budget.time is None else SHARE * budget.time

    def goes_on(done: float) -> bool:
        watch.progress(round(100 * done), 100)
        return time.perf_counter() - began < most

    asked = OnePlan(engine.how, engine.space, epochs=epochs, seed=ask.seed)
    net, draw, done = train_one(asked, workshop, goes_on)
    random = Random(f"{ask.seed}/judged")
    drawn = (draw(epochs, random) for _ in range(10 * JUDGED))
    paths: list[Path] = []
    for path in drawn:
        if path not in paths:
            paths.append(path)
        if len(paths) == JUDGED:
            break
    scores = judge_paths(net, paths, workshop, workshop.first.ids("val")[:SAMPLES])
    ranking = sorted(zip(paths, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    journal.write("shared", epochs=round(done), seconds=time.perf_counter() - began, spent=clock.spent)
    store.write_json(NAME, [[list(path), score] for path, score in ranking])
    watch.remark(
        f"{plural(len(paths), 'path')} through {CALLED[engine.how]}, trained for {done:.3g} epochs: from "
        f"{percent(ranking[0][1])} down to {percent(ranking[-1][1])} on validation"
    )


@dataclass(frozen=True)
class OnePlan:
    """How a net that holds all nets is trained."""

    how: str
    """enas, or smash."""
    space: PathSpace
    epochs: int
    seed: int = 0
    even: bool = False
    """Draw paths evenly to the end, in place of a controller."""


Draw = Callable[[int, Random], Path]
"""A path for a batch of an epoch."""


def train_one(plan: OnePlan, workshop: Workshop, goes_on: Callable[[float], bool]) -> tuple[OneNet, Draw, float]:
    """Train a net that holds all nets; it, what draws paths in the end, and the epochs done.

    `goes_on(share)` is asked before each step with the share of the training that is done.
    """
    device, train = workshop.device, workshop.first.ids("train")
    runtime.seed_all(plan.seed, runtime.Stream.WEIGHTS)
    (channels, *_), classes = workshop.sight
    net = NETS[plan.how](plan.space, channels, classes).to(device)
    labels = labels_of(workshop, train)
    steps = plan.epochs * steps_of(workshop)
    draw: Draw = lambda epoch, random: plan.space.draw_path(random)  # noqa: E731
    after: Callable[[int], None] = lambda epoch: None  # noqa: E731
    if plan.how == "enas" and not plan.even:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(plan.seed)
            school = School(net, workshop, plan)
        draw, after = school.draw, school.teach
    done = train_shared(
        net, lambda rows: seen_of(workshop, train[rows.numpy()]), labels, epochs=plan.epochs, seed=plan.seed,
        goes_on=lambda step: goes_on(step / steps), draw=draw, after=after,
    )  # fmt: skip
    return net, draw, done


class School:
    """Where the controller of ENAS learns, after each epoch, which paths do well with the weights they share."""

    def __init__(self, net: OneNet, workshop: Workshop, plan: OnePlan) -> None:
        self.net, self.workshop, self.plan = net, workshop, plan
        self.pupil = one_shot.new_pupil(plan.space)
        self.random = Random(f"{plan.seed}/controller")

    def draw(self, epoch: int, random: Random) -> Path:
        """Any path in the first epochs, then one that the controller writes."""
        if epoch < one_shot.EVEN * self.plan.epochs:
            return self.plan.space.draw_path(random)
        return one_shot.written_by(self.pupil.controller, self.plan.space, random)

    def teach(self, epoch: int) -> None:
        """Lessons after an epoch: paths that the controller writes, and what they reach on some validation samples."""
        if epoch + 1 < one_shot.EVEN * self.plan.epochs:
            return
        rows = self.workshop.first.ids("val")
        for _ in range(max(1, round(one_shot.LESSONS * steps_of(self.workshop)))):
            path = one_shot.written_by(self.pupil.controller, self.plan.space, self.random)
            some = np.array(self.random.sample(rows.tolist(), min(one_shot.LOOKED_AT, len(rows))))
            (reward,) = judge(self.net, [path], seen_of(self.workshop, some), labels_of(self.workshop, some))
            self.pupil.learn(one_shot.sentence_of(path), reward)


def steps_of(workshop: Workshop) -> int:
    """Batches of an epoch of the one net."""
    return max(1, len(workshop.first.ids("train")) // BATCH)


def judge_paths(net: OneNet, paths: Sequence[Path], workshop: Workshop, rows: np.ndarray) -> list[float]:
    """The accuracy of each path on some samples, with the weights of the one net."""
    return judge(net, paths, seen_of(workshop, rows), labels_of(workshop, rows))


def seen_of(workshop: Workshop, rows: np.ndarray) -> torch.Tensor:
    """Samples as nets see them, B C H W."""
    first = workshop.first
    assert first.preprocessing is not None
    pictures = torch.from_numpy(np.ascontiguousarray(first.decoded.images[rows]))
    return first.preprocessing.normalise(pictures.to(workshop.device)).contiguous(memory_format=torch.channels_last)


def labels_of(workshop: Workshop, rows: np.ndarray) -> torch.Tensor:
    """The classes of samples, B."""
    return torch.from_numpy(np.asarray(workshop.first.manifest.labels)[rows]).long().to(workshop.device)
