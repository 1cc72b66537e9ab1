"""Anomaly: learn from normal pictures alone what is strange, say so of others, and keep the detector."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from hubel import runtime
from hubel.anomalies import detecting
from hubel.anomalies.artefact import Detector, is_detector, save
from hubel.anomalies.comparing import difference
from hubel.anomalies.looking import sightings
from hubel.anomalies.methods import METHODS, Method
from hubel.anomalies.pictures import Material, list_material
from hubel.anomalies.results import Anomalies
from hubel.anomalies.seeing import open_eyes
from hubel.anomalies.settings import Settings
from hubel.anomalies.sighting import Sightings
from hubel.anomalies.tested import read_tested
from hubel.anomalies.thresholds import check_rate
from hubel.data.decode import prepare
from hubel.data.manifest import Problem
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.report.drawings.anomalies import draw_sighting
from hubel.report.pages.anomaly import render_anomaly
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher
from hubel.words import plural

__all__ = ["Anomalies", "Sightings", "anomaly", "sightings"]


@shows_progress
def anomaly(
    good: str | PathLike[str],
    test: str | PathLike[str] | None = None,
    *,
    method: str | Sequence[str] = (),
    features: str | PathLike[str] | None = None,
    normal: Sequence[str] = (),
    false_alarms: float = 0.01,
    img_size: int | tuple[int, int] | None = None,
    keep_suspicious: bool = False,
    out: str | Path | None = None,
    time: float = 60.0,
    seed: int = 0,
    device: str = "auto",
    follow_links: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **details: Any,
) -> Anomalies:
    """Learn what is normal from the pictures in `good` and say what of `test` is strange; both are folders.

    `hubel.anomalies.pictures` says how folders, MVTec's layout and labelled sets (`normal` names their normal classes)
    are read. `method`: a name or several of `hubel.anomalies.METHODS`, or "all"; PCA and nearest neighbours always
    stand beside. `features`: pixels, a run, or a net with published weights; by the pictures if None. The threshold is
    found on normal pictures that were held out, for a rate of `false_alarms`. `time`: seconds that each net may learn;
    `details`: of `hubel.anomalies.settings.Settings`.

    The detector, scores.csv and anomaly.html are written to `out`, by itself detectors/NAME-N (`hubel.predict` reads
    it). Raises UsageError, DataError, ArtefactError.
    """
    check_rate(false_alarms)
    if not time > 0:
        raise UsageError(f"time must be above 0 seconds, got {time:g}", hint="--time 60s")
    named = detecting.checked([method] if isinstance(method, str) else list(method)) if method else ()
    watch.stage("reading the pictures")
    material = list_material(
        fspath(good), None if test is None else fspath(test), normal=normal, follow_links=follow_links
    )
    _keep_off(material, out)
    target = str(runtime.pick_device(device))
    seen = open_eyes(None if features is None else fspath(features), material.good, img_size=img_size, device=target)
    if seen.why:
        watch.remark(f"{seen.why} (--features pixels looks at pixels)")
    named = named or detecting.checked(["patchcore" if seen.net is not None else "autoencoder"])
    settings = Settings(seconds=time, seed=seed, device=target, **details)
    scan, decoded = prepare(material.good, seen.eyes.preprocessing, progress=watch.progress, partial=True)
    images = np.ascontiguousarray(decoded.images)
    parts = detecting.divide(seen.eyes, images, false_alarms, seed=seed, keep_suspicious=keep_suspicious)
    names = [scan.manifest.name(row) for row in range(len(scan.manifest))]
    learnt = []
    for each in named:
        watch.stage(f"learning: {METHODS.get(each).title}")
        learnt.append(detecting.learn(each, seen.eyes, images, parts, false_alarms, settings, watch))
    tested = read_tested(material, seen.eyes.preprocessing, set(scan.manifest.digests or ()), watch)
    judged = []
    for one in learnt:
        watch.stage(f"looking: {one.method.title}")
        judged.append(detecting.judge(one, tested.images, tested.truth, tested.masks))
    first = judged[0]
    compared = {one.method: difference(first.scores, one.scores, tested.truth) for one in judged[1:]}
    store = _store(material, out)
    detector = Detector(
        name=material.name, learnt=len(parts.fit), methods=tuple(learnt), folder=str(store.folder),
        usual_scores=np.sort(learnt[0].look(images[parts.held])[0]),
    )  # fmt: skip
    found = Anomalies(
        name=material.name, learnt=len(parts.fit), kept_suspicious=keep_suspicious, judged=tuple(judged),
        suspicious=tuple((names[row], float(far)) for row, far in zip(parts.suspicious, parts.far, strict=True)),
        names=tested.names, truth=tested.truth, kinds=tested.kinds, learnt_too=tested.learnt_too,
        against={name: told for name, told in compared.items() if told is not None}, folder=str(store.folder),
    )  # fmt: skip
    _tell_problems((*material.problems, *scan.problems, *tested.problems), watch)
    watch.stage("writing the detector and the report")
    save(store, detector, seen.net if any(one.eyes.net is not None for one in learnt) else None)
    store.write_text("scores.csv", found.scores_csv())
    page = render_anomaly(found, tested.images, tested.masks, images[parts.suspicious])
    store.write_text("anomaly.html", page)
    return found


def list_methods() -> dict[str, Method]:
    """All methods by name, the cheap ones first."""
    return {name: METHODS.get(name) for name in METHODS}


def _keep_off(material: Material, out: str | Path | None) -> None:
    """Raise UsageError where the detector would be written among the data, or over something else."""
    place = Path("detectors" if out is None else out)
    for manifest in (material.good, material.test):
        if manifest is not None and manifest.root and _inside(place, manifest.root):
            raise UsageError(
                f"the detector would be written among the pictures: {str(place)!r}", hint="--out FOLDER elsewhere"
            )
    if out is not None and place.exists() and not is_detector(place) and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(
            f"--out must name a new folder, an empty one or that of a detector, got {str(place)!r}",
            hint="--out detectors/NAME",
        )


def _inside(place: Path, root: str) -> bool:
    real = os.path.realpath(place)
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


def _store(material: Material, out: str | Path | None) -> RunStore:
    if out is None:
        return RunStore.create("detectors", material.name)
    Path(out).mkdir(parents=True, exist_ok=True)
    return RunStore.open(out)


def _tell_problems(problems: Sequence[Problem], watch: Watcher) -> None:
    left = [problem for problem in problems if problem.left_out]
    for problem in left[:3]:
        watch.remark(f"{problem.path}: {problem.reason}")
    if len(left) > 3:
        watch.remark(f"and {plural(len(left) - 3, 'file')} more that cannot be used")


def save_maps(found: Sightings, folder: str | Path) -> list[Path]:
    """Draw each picture beside where it is strange, into a folder that is made if need be; returns the paths.

    Files are numbered, the strangest first, as the names of two pictures may be alike. Raises UsageError for a folder
    that holds something already.
    """
    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(f"--out must name a new or an empty folder, got {str(folder)!r}", hint="--out maps")
    place.mkdir(parents=True, exist_ok=True)
    store, written = RunStore(place), []
    for number, one in enumerate(sorted(found, key=lambda sighting: -sighting.score), 1):
        assert one.pixels is not None
        map_ = None if one.map is None else detecting.full_size(one.map[None], *one.pixels.shape[1:])[0]
        drawing = draw_sighting(one.pixels, map_, None, name=one.name)
        name = f"{number:04d}-{re.sub(r'[^A-Za-z0-9._-]+', '-', Path(one.name).stem)[:60]}.{drawing.kind}"
        store.write_bytes(name, drawing.data)
        written.append(place / name)
    return written
