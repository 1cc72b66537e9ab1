"""Learn what is normal, find the threshold, look at other pictures: all methods on the same parts.

Letters: N pictures, C channels, H height, W width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from hubel.anomalies.eyes import Eyes
from hubel.anomalies.flat import squared
from hubel.anomalies.methods import METHODS, Method
from hubel.anomalies.results import Judged
from hubel.anomalies.settings import Settings, State
from hubel.anomalies.thresholds import Threshold, held_out, threshold
from hubel.errors import ArtefactError, DataError
from hubel.metrics.intervals import NOTHING, wilson
from hubel.metrics.roc import auroc
from hubel.watching import SILENT, Watcher
from hubel.words import plural

FEWEST = 8
"""Normal pictures at least: fewer say nothing about a threshold."""
FENCE = 3.0
"""A normal picture is suspicious so many quartile ranges above the upper quartile of the log-distances (Tukey's "far
out"), and at least `FARTHER` usual distances from the others."""
FARTHER = 1.5
MOST_SUSPICIOUS = 0.1
"""Of the normal pictures, those that are suspicious at most: where more are, they are a kind of their own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Learnt:
    """One method that knows what is normal."""

    name: str
    eyes: Eyes
    state: State
    threshold: Threshold
    map_threshold: Threshold | None
    """The same for the largest value of a map, for methods that have maps; its `usual` is that of a place."""
    seconds: float

    @property
    def method(self) -> Method:
        """What it is."""
        return METHODS.get(self.name)

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Scores N and maps N h w in which 0 is the usual and 1 the threshold.

        Raises ArtefactError where what was learnt does not fit together.
        """
        if not len(images):
            return np.zeros(0), None
        try:
            scores, maps = self.method.look(self.eyes, self.state, images)
        except (KeyError, IndexError, ValueError, RuntimeError) as error:
            raise ArtefactError(
                f"what {self.name} has learnt does not fit together: {str(error).splitlines()[0][:160]}",
                hint="learn it again: hubel anomaly GOOD",
            ) from error
        scores = self.threshold.normalised(np.asarray(scores, np.float64))
        if not np.isfinite(scores).all():
            raise ArtefactError(
                f"{self.name} gives scores that are no numbers", hint="learn it again: hubel anomaly GOOD"
            )
        if maps is None or self.map_threshold is None:
            return scores, None
        return scores, self.map_threshold.normalised(np.asarray(maps, np.float64)).astype(np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """Normal pictures: which are learnt from, which are held out for the threshold, which look like no other."""

    fit: np.ndarray
    held: np.ndarray
    suspicious: np.ndarray
    far: np.ndarray
    """Of the suspicious ones: distance to the others, in usual distances."""


def divide(
    eyes: Eyes, images: np.ndarray, rate: float, *, seed: int = 0, keep_suspicious: bool = False
) -> Parts:  # fmt: skip
    """Divide normal pictures N C H W. Raises DataError where there are too few."""
    if len(images) < FEWEST:
        raise DataError(
            f"at least {FEWEST} normal pictures are needed, got {len(images)}",
            hint="some dozens are better, and a rate of false alarms of 1 % needs 99 for the threshold alone",
        )
    rows, far = suspicious(eyes.vectors(images))
    left = np.arange(len(images)) if keep_suspicious else np.setdiff1d(np.arange(len(images)), rows)
    mixed = np.random.default_rng(seed).permutation(left)
    count = held_out(len(left), rate)
    return Parts(fit=np.sort(mixed[count:]), held=np.sort(mixed[:count]), suspicious=rows, far=far)


def suspicious(vectors_NF: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows that lie far from all others, the farthest first; how far, in usual distances).

    The distance is that to the k-th nearest, k a thirtieth of all and at least five, so that a few strange pictures
    that are alike do not hide each other.

    >>> rng = np.random.default_rng(0)
    >>> cloud = rng.normal(size=(100, 4))
    >>> cloud[[7, 8]] += 40
    >>> sorted(suspicious(cloud)[0].tolist())
    [7, 8]
    """
    values = vectors_NF.astype(np.float64)
    values = values - values.mean(axis=0)
    count = len(values)
    nearest = min(count - 1, max(5, count // 30))
    found = np.zeros(count)
    for start in range(0, count, 512):
        apart = squared(values[start : start + 512], values)
        found[start : start + 512] = np.sqrt(np.partition(apart, nearest, axis=1)[:, nearest])
    usual = float(np.median(found))
    if usual <= 0:  # most pictures are copies of each other: any other one stands out, which is no fault of its own
        return np.zeros(0, np.int64), np.zeros(0)
    logs = np.log(np.maximum(found, 1e-9 * usual))
    lower, upper = np.quantile(logs, [0.25, 0.75])
    odd = np.flatnonzero((logs > upper + FENCE * (upper - lower)) & (found > FARTHER * usual))
    order = odd[np.argsort(-found[odd], kind="stable")]
    if len(order) > MOST_SUSPICIOUS * count:
        order = order[:0]
    return order, found[order] / usual


def learn(
    name: str, eyes: Eyes, images: np.ndarray, parts: Parts, rate: float, settings: Settings, watch: Watcher = SILENT
) -> Learnt:
    """One method, learnt on `parts.fit` and its threshold found on `parts.held`."""
    method = METHODS.get(name)
    seen = Eyes(preprocessing=eyes.preprocessing, device=eyes.device) if method.pixels_only else eyes
    began = time.perf_counter()
    state = method.fit(seen, images[parts.fit], settings, watch)
    seconds = time.perf_counter() - began
    scores, maps = method.look(seen, state, images[parts.held])
    scores = np.asarray(scores, np.float64)
    if not np.isfinite(scores).all():
        raise DataError(
            f"{method.title} gives scores that are no numbers for normal pictures",
            hint="another method: --method pca; or more normal pictures",
        )
    of_maps = None
    if maps is not None:
        peaks = maps.reshape(len(maps), -1).max(axis=1)
        found = threshold(peaks.astype(np.float64), rate)
        of_maps = Threshold(
            score=found.score, usual=float(np.median(maps)), asked=found.asked, rate=found.rate,
            interval=found.interval, held=found.held,
        )  # fmt: skip
    return Learnt(
        name=name, eyes=seen, state=state, threshold=threshold(scores, rate), map_threshold=of_maps, seconds=seconds
    )


def judge(learnt: Learnt, images: np.ndarray, truth: np.ndarray, masks: np.ndarray | None) -> Judged:
    """What a method says of test pictures, and how well that fits what is known of them."""
    began = time.perf_counter()
    scores, maps = learnt.look(images)
    each = (time.perf_counter() - began) / max(1, len(images))
    value, interval = auroc(scores, truth)
    caught, alarms = (scores[truth == known] > 1 for known in (1, 0))
    return Judged(
        method=learnt.name, title=learnt.method.title, features=learnt.eyes.name, threshold=learnt.threshold,
        seconds=learnt.seconds, each=each, net=learnt.method.net, scores=scores, maps=maps, auroc=value,
        interval=interval, pixel_auroc=_by_pixel(maps, masks),
        caught=float(caught.mean()) if len(caught) else math.nan, caught_interval=_share(caught),
        false=float(alarms.mean()) if len(alarms) else math.nan, false_interval=_share(alarms),
    )  # fmt: skip


def _share(passed: np.ndarray) -> tuple[float, float]:
    return wilson(int(passed.sum()), len(passed)) if len(passed) else NOTHING


def _by_pixel(maps: np.ndarray | None, masks: np.ndarray | None) -> float:
    """AUROC over all pixels of the pictures of which is known where they are strange; NaN where that is none."""
    if maps is None or masks is None:
        return math.nan
    known = np.flatnonzero((masks >= 0).all(axis=(1, 2)))
    if not len(known):
        return math.nan
    found = full_size(maps[known], masks.shape[1], masks.shape[2])
    return auroc(found.reshape(-1), masks[known].reshape(-1))[0]


def full_size(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps N h w in the size of the pictures, made a little smooth where they were coarser (Roth et al.: 4 of 224)."""
    if maps.shape[1:] == (height, width):
        return maps
    from scipy.ndimage import gaussian_filter  # not needed where maps are not drawn

    tensor = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))[:, None]
    large = functional.interpolate(tensor, size=(height, width), mode="bilinear", align_corners=False)[:, 0].numpy()
    sigma = min(height, width) / 56
    return np.stack([gaussian_filter(one, sigma) for one in large]) if len(large) else large


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The names of methods, each once, with PCA and neighbours beside; "all" are all. Raises UnknownName, DataError.

    >>> checked(["padim"]), checked(["all"])[:2]
    (('padim', 'pca', 'knn'), ('pca', 'knn'))
    """
    asked = [name for word in names for name in (list(METHODS) if word == "all" else [word])]
    for name in asked:
        METHODS.get(name)
    if not asked:
        raise DataError(f"a method is needed, one of {plural(len(list(METHODS)), 'method')}", hint="--method pca")
    return tuple(dict.fromkeys([*asked, "pca", "knn"]))
