"""The whole of it: pictures are read, methods learnt, thresholds found, other pictures looked at and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hubel.anomalies import detecting
from hubel.anomalies.artefact import Detector
from hubel.anomalies.methods import METHODS
from hubel.anomalies.pictures import Material
from hubel.anomalies.results import Anomalies
from hubel.anomalies.seeing import Seen
from hubel.anomalies.settings import Settings
from hubel.anomalies.tested import read_tested
from hubel.checkpoint import Classifier
from hubel.data.keeping import prepare
from hubel.metrics.roc import difference
from hubel.watching import Watcher
from hubel.words import plural


@dataclass(frozen=True, kw_only=True, eq=False)
class Searched:
    """What was found, what can be saved, and the pictures to be shown."""

    found: Anomalies
    detector: Detector
    net: Classifier | None
    """What sees, where it is a net."""
    images: np.ndarray
    """N C H W uint8: the test pictures."""
    masks: np.ndarray | None
    suspicious: np.ndarray
    """M C H W uint8: normal pictures that look like no other."""


def search(
    material: Material,
    names: Sequence[str],
    seen: Seen,
    *,
    rate: float,
    settings: Settings,
    keep_suspicious: bool,
    watch: Watcher,
) -> Searched:
    """Learn what is normal by each of the methods `names`, and look at the test pictures.

    Raises DataError, ArtefactError.
    """
    scan, decoded = prepare(material.good, seen.eyes.preprocessing, progress=watch.progress, partial=True)
    images = np.ascontiguousarray(decoded.images)
    parts = detecting.divide(seen.eyes, images, rate, seed=settings.seed, keep_suspicious=keep_suspicious)
    learnt = []
    for name in names:
        watch.stage(f"learning: {METHODS.get(name).title}")
        learnt.append(detecting.learn(name, seen.eyes, images, parts, rate, settings, watch))
    tested = read_tested(material, seen.eyes.preprocessing, set(scan.manifest.digests or ()), watch)
    judged = []
    for one in learnt:
        watch.stage(f"looking: {one.method.title}")
        judged.append(detecting.judge(one, tested.images, tested.truth, tested.masks))
    first = judged[0]
    compared = {one.method: difference(first.scores, one.scores, tested.truth) for one in judged[1:]}
    left = [p for p in (*material.problems, *scan.problems, *tested.problems) if p.left_out]
    for problem in left[:3]:
        watch.remark(f"{problem.path}: {problem.reason}")
    if len(left) > 3:
        watch.remark(f"and {plural(len(left) - 3, 'file')} more that cannot be used")
    manifest = scan.manifest
    return Searched(
        found=Anomalies(
            name=material.name, learnt=len(parts.fit), kept_suspicious=keep_suspicious, judged=tuple(judged),
            suspicious=tuple(
                (manifest.name(row), float(far)) for row, far in zip(parts.suspicious, parts.far, strict=True)
            ),
            names=tested.names, truth=tested.truth, kinds=tested.kinds, learnt_too=tested.learnt_too,
            against={name: told for name, told in compared.items() if told is not None},
        ),
        detector=Detector(
            name=material.name, learnt=len(parts.fit), methods=tuple(learnt),
            usual_scores=np.sort(learnt[0].look(images[parts.held])[0]),
        ),
        net=seen.net if any(one.eyes.net is not None for one in learnt) else None,
        images=tested.images, masks=tested.masks, suspicious=images[parts.suspicious],
    )  # fmt: skip
