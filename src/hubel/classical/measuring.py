"""What a simple method gets: descriptions x learners, chosen on the validation part, the best measured once.

Letters: N samples, C channels, H height, W width, F numbers, K classes.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hubel.classical.describing import describe, fitting
from hubel.classical.learners import LEARNERS, scores, titled
from hubel.classical.results import Baseline, Tried
from hubel.errors import DataError, UsageError, unknown
from hubel.evaluation import Evaluation, RegressionEvaluation, assess, assess_regression
from hubel.metrics.intervals import mean_interval, wilson
from hubel.types import Predictions
from hubel.watching import SILENT, Watcher
from hubel.words import duration, plural

TASTE = 400
"""Samples by which it is guessed how long a learner will take, where time is limited."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What is learnt from: pictures or points, and what they are."""

    source: str
    images: np.ndarray
    """N C H W uint8, or N F for points."""
    labels: np.ndarray
    """N, classes or targets."""
    class_names: tuple[str, ...]
    """Empty in regression."""
    rows: Mapping[str, np.ndarray]
    """train, val, test."""
    paths: tuple[str, ...] | None = None
    """N names."""


def names_among(what: str, given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The names that are given, or all that are known; raises UnknownName.

    >>> names_among("learner", (), ("knn", "svm")), names_among("learner", ["svm", "svm"], ("knn", "svm"))
    (('knn', 'svm'), ('svm',))
    """
    for name in given:
        if name not in known:
            raise unknown(what, name, known)
    return tuple(dict.fromkeys(given)) or tuple(known)


def measure(
    samples: Samples,
    *,
    learners: Sequence[str] = (),
    features: Sequence[str] = (),
    budget: float = math.inf,
    seed: int = 0,
    watch: Watcher = SILENT,
) -> Baseline:
    """Try all learners on all descriptions within `budget` seconds, choose on the validation part, measure the best.

    What would not fit into the time left is left out and named. Without a validation part, a fifth of the training part
    is learnt from no more and chosen by. Raises UsageError for unknown names, DataError where there is nothing to learn
    from, no test part, or where the time allowed is too short for any.

    >>> rng = np.random.default_rng(0)
    >>> rows = {"train": np.arange(60), "val": np.arange(60, 80), "test": np.arange(80, 100)}
    >>> labels = np.arange(100) % 2
    >>> points = (labels[:, None] + 0.1 * rng.normal(size=(100, 3))).astype(np.float32)
    >>> found = measure(Samples(source="made", images=points, labels=labels, class_names=("a", "b"), rows=rows),
    ...                 learners=["knn"])
    >>> found.chosen.name, found.test.top1, found.guessing
    ('nearest neighbours on the numbers', 1.0, 0.5)
    """
    started = time.perf_counter()
    learners = names_among("learner", learners, tuple(LEARNERS))
    features = _fitting(features, samples.images)
    parts, regression = _parts(samples, seed), not samples.class_names
    truth = samples.labels if regression else samples.labels.astype(np.int64)
    left: dict[str, str] = {}
    tried: list[tuple[Tried, Any]] = []
    for number, feature in enumerate(features):
        since = time.perf_counter()
        rows = {part: describe(feature, samples.images, parts[part]) for part in ("train", "val")}
        described = time.perf_counter() - since
        for place, learner in enumerate(learners):
            watch.stage(f"{titled(learner, regression)} on {feature}")
            watch.progress(number * len(learners) + place, len(features) * len(learners))
            room = budget - (time.perf_counter() - started)
            why = _too_slow(learner, rows["train"], truth[parts["train"]], regression, seed, room)
            if why:
                left[f"{titled(learner, regression)} on {feature}"] = why
                continue
            one, model = _choose(feature, learner, rows, {name: truth[ids] for name, ids in parts.items()}, seed,
                                 samples.class_names)  # fmt: skip
            tried.append((replace(one, seconds=one.seconds + described), model))
    if not tried:
        raise DataError(
            f"in {duration(budget)} no simple method could be tried on {plural(len(parts['train']), 'sample')}",
            hint="allow more time: --time 5m; or fewer samples: --limit 2000",
        )
    order = sorted(range(len(tried)), key=lambda i: tried[i][0].score * (1 if regression else -1))
    best, model = tried[order[0]]
    rows_test = describe(best.features, samples.images, parts["test"])
    return Baseline(
        source=samples.source,
        task="regression" if regression else "classification",
        samples={name: len(ids) for name, ids in parts.items()},
        tried=tuple(tried[i][0] for i in order),
        left_out=left,
        test=_judged(model, rows_test, samples, parts["test"]),
        guessing=_guessing(truth[parts["train"]], truth[parts["test"]], regression),
        seconds=time.perf_counter() - started,
    )


def _fitting(features: Sequence[str], images: np.ndarray) -> tuple[str, ...]:
    known = fitting(images)
    if "colours" in features and "colours" not in known and images.ndim == 4:
        raise UsageError("colours are counted in colour pictures, and these are grey", hint="--features pixels,hog")
    return names_among("description", features, known)


def _parts(samples: Samples, seed: int) -> dict[str, np.ndarray]:
    parts = {name: np.asarray(samples.rows[name]) for name in ("train", "val", "test")}
    if not len(parts["test"]):
        raise DataError(f"{samples.source} has no test part to measure by", hint="--test-fraction 0.1")
    if not len(parts["val"]) and len(parts["train"]) >= 10:
        mixed = np.random.default_rng(seed).permutation(parts["train"])
        cut = len(mixed) // 5
        parts["val"], parts["train"] = np.sort(mixed[:cut]), np.sort(mixed[cut:])
    few = not len(parts["val"]) or len(parts["train"]) < 2
    if few or (samples.class_names and len(np.unique(samples.labels[parts["train"]])) < 2):
        counted = plural(len(parts["train"]), "training sample")
        raise DataError(
            f"simple methods need some samples of two classes, and something to choose by; got {counted}",
            hint="add samples",
        )
    return parts


def _too_slow(learner: str, rows: np.ndarray, truth: np.ndarray, regression: bool, seed: int, room: float) -> str:
    """Why a learner is left out, "" where it fits into `room` seconds, judged by a few samples where there are many."""
    if room == math.inf:
        return ""
    if room <= 0:
        return "no time was left"
    about = LEARNERS[learner]
    if len(rows) <= 2 * TASTE:
        return ""
    taste = np.random.default_rng(seed).permutation(len(rows))[:TASTE]
    if not regression and len(np.unique(truth[taste])) < 2:
        return ""
    _learnt(learner, about.settings[0], rows[taste[:50]], np.arange(50) % 2, seed, regression)  # loads what it needs
    since = time.perf_counter()
    model = _learnt(learner, about.settings[0], rows[taste], truth[taste], seed, regression)
    model.predict(rows[taste[: TASTE // 4]])
    took = (time.perf_counter() - since) * (len(rows) / TASTE) ** about.growth * len(about.settings)
    return f"it would take about {duration(took)}" if took > room else ""


def _learnt(learner: str, setting: Any, rows: np.ndarray, truth: np.ndarray, seed: int, regression: bool) -> Any:
    if learner == "knn":
        setting = min(setting, len(rows))
    model = LEARNERS[learner].build(setting, seed, regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a solver was not done yet is seen in its score
        model.fit(rows, truth)
    return model


def _choose(
    feature: str, learner: str, rows: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], seed: int,
    class_names: Sequence[str],
) -> tuple[Tried, Any]:  # fmt: skip
    """The setting that is best on the validation part, the first of equals, and what was learnt with it."""
    since, about = time.perf_counter(), LEARNERS[learner]
    regression, best = not class_names, None
    for setting in about.settings:
        model = _learnt(learner, setting, rows["train"], truth["train"], seed, regression)
        if regression:
            off = (model.predict(rows["val"]) - truth["val"]) ** 2
            score, (low, high) = math.sqrt(off.mean()), mean_interval(off, within=(0, math.inf))
            interval = math.sqrt(low), math.sqrt(high)
        else:
            right = scores(model, rows["val"], len(class_names)).argmax(axis=1) == truth["val"]
            score, interval = float(right.mean()), wilson(int(right.sum()), len(right))
        if best is None or (score < best[0] if regression else score > best[0]):
            best = score, interval, setting, model
    assert best is not None
    said = f"{about.named} {best[2]}" if len(about.settings) > 1 else ""
    found = Tried(
        features=feature, learner=learner, setting=said, score=best[0], interval=best[1],
        title=titled(learner, regression), seconds=time.perf_counter() - since,
    )  # fmt: skip
    return found, best[3]


def _judged(model: Any, rows: np.ndarray, samples: Samples, ids: np.ndarray) -> Evaluation | RegressionEvaluation:
    paths = None if samples.paths is None else [samples.paths[row] for row in ids.tolist()]
    if not samples.class_names:
        said = np.asarray(model.predict(rows), dtype=np.float32)[:, None]
        return assess_regression(Predictions(said, samples.labels[ids], ids), paths=paths, split="test")
    found = scores(model, rows, len(samples.class_names))
    return assess(Predictions(found, samples.labels[ids], ids), samples.class_names, paths=paths, split="test")


def _guessing(train: np.ndarray, test: np.ndarray, regression: bool) -> float:
    if regression:
        return float(np.sqrt(((test - train.mean()) ** 2).mean()))
    return float((test == np.bincount(train).argmax()).mean())
