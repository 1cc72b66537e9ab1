"""A search by weight sharing, before its first trial: the shared net is trained, and paths through it are ranked."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import torch

from hubel import runtime
from hubel.errors import DAMAGED, ArtefactError
from hubel.searching.asking import Ask
from hubel.searching.budget import Clock
from hubel.searching.engines import Engine
from hubel.searching.journal import Journal
from hubel.searching.nets.one_shot import BATCH, JUDGED, OneShot, Shared, draw_path, judge, train_shared
from hubel.searching.workshop import Workshop
from hubel.store import RunStore
from hubel.watching import Watcher
from hubel.words import percent, plural

NAME = "shared.json"
EPOCHS = 12
"""Of the shared net; each of its layers is in one path of seven or four only."""
SHARE = 0.25
"""Of the budget, at most."""
SAMPLES = 512
"""Validation samples by which paths are judged."""


def share_weights(
    engine: Engine, store: RunStore, ask: Ask, workshop: Workshop, journal: Journal, clock: Clock, watch: Watcher
) -> None:
    """Give an engine that shares weights its ranking: that of the folder, or one that is made now and written there.

    A search that is killed meanwhile begins the shared net anew. Raises ArtefactError for a damaged ranking.
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
    watch.stage("training the shared net")
    began, first, device = time.perf_counter(), workshop.first, workshop.device
    budget = ask.budget
    epochs = EPOCHS if budget.epochs is None else max(1, min(EPOCHS, int(SHARE * budget.epochs)))
    most = float("inf") if budget.time is None else SHARE * budget.time
    runtime.seed_all(ask.seed, runtime.Stream.WEIGHTS)
    (channels, *_), classes = workshop.sight
    net = Shared(engine.side, channels, classes).to(device)
    train, val = first.ids("train"), first.ids("val")
    labels = torch.from_numpy(np.asarray(first.manifest.labels)).long().to(device)

    def seen(ids: np.ndarray) -> torch.Tensor:
        assert first.preprocessing is not None
        pictures = torch.from_numpy(np.ascontiguousarray(first.decoded.images[ids]))
        return first.preprocessing.normalise(pictures.to(device))

    steps = max(1, len(train) // BATCH)

    def goes_on(step: int) -> bool:
        if step % 20 == 0:
            watch.progress(step, epochs * steps)
        return time.perf_counter() - began < most

    done = train_shared(
        net, lambda rows: seen(train[rows.numpy()]), labels[train], epochs=epochs, seed=ask.seed, goes_on=goes_on
    )
    random = Random(f"{ask.seed}/judged")
    paths = list(dict.fromkeys(draw_path(engine.side, random) for _ in range(JUDGED)))
    some = val[:SAMPLES]
    scores = judge(net, paths, seen(some), labels[some])
    ranking = sorted(zip(paths, scores, strict=True), key=lambda pair: (-pair[1], pair[0]))
    journal.write("shared", epochs=round(done), seconds=time.perf_counter() - began, spent=clock.spent)
    store.write_json(NAME, [[list(path), score] for path, score in ranking])
    watch.remark(
        f"{plural(len(paths), 'path')} through one net of shared weights, trained for {done:.3g} epochs: from "
        f"{percent(ranking[0][1])} down to {percent(ranking[-1][1])} on validation"
    )
