"""Anomaly: learn from normal pictures alone what is strange, say so of others, and keep the detector."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hubel import runtime
from hubel.anomalies.artefact import save
from hubel.anomalies.detecting import checked
from hubel.anomalies.pictures import Material, list_material
from hubel.anomalies.results import Anomalies
from hubel.anomalies.seeing import open_eyes
from hubel.anomalies.settings import Settings
from hubel.anomalies.step_data import holds_steps
from hubel.anomalies.step_results import StepAnomalies
from hubel.anomalies.thresholds import check_rate
from hubel.anomalies.whole import search
from hubel.errors import UsageError, unknown
from hubel.faces.progress import shows_progress
from hubel.report.pages.anomaly import render_anomaly
from hubel.store import RunStore
from hubel.store.kinds import is_detector
from hubel.verbs.strange_steps import find_strange_steps
from hubel.watching import SILENT, Watcher

__all__ = ["Anomalies", "StepAnomalies", "anomaly"]


@shows_progress
def anomaly(
    good: str | PathLike[str],
    test: str | PathLike[str] | None = None,
    *,
    method: str | Sequence[str] = (),
    features: str | PathLike[str] | None = None,
    normal: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    window: int | None = None,
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
) -> Anomalies | StepAnomalies:
    """Learn what is normal from the pictures in `good` and say what of `test` is strange; both are folders.

    `hubel.anomalies.pictures` says how folders, MVTec's layout and labelled sets (`normal` names their normal classes)
    are read. `method`: a name or several of `hubel.anomalies.METHODS`, or "all"; PCA and nearest neighbours always
    stand beside. `features`: pixels, a run, or a net with published weights; by the pictures if None. The threshold is
    found on normal pictures that were held out, for a rate of `false_alarms`. `time`: seconds that each net may learn;
    `details`: of `hubel.anomalies.settings.Settings`.

    Where `good` is a table, a NumPy file or a folder of such, steps are judged instead of pictures (`StepAnomalies`):
    `columns` says which column is what, `window` how many steps are looked at together, and methods are recurrent, pca,
    knn, average and dropout.

    The detector, scores.csv and anomaly.html are written to `out`, by itself detectors/NAME-N (`hubel.predict` reads
    it). Raises UsageError, DataError, ArtefactError.
    """
    check_rate(false_alarms)
    for name in details:
        if name not in (known := [field.name for field in fields(Settings)]):
            raise unknown("setting", name, known)
    if not time > 0:
        raise UsageError(f"time must be above 0 seconds, got {time:g}", hint="--time 60s")
    if holds_steps(fspath(good)):
        refused = {"features": features, "img_size": img_size}
        settings = Settings(seconds=time, seed=seed, device=str(runtime.pick_device(device)), **details)
        return find_strange_steps(
            fspath(good), None if test is None else fspath(test), [method] if isinstance(method, str) else list(method),
            settings, columns=columns or {}, window=window, normal=normal, rate=false_alarms, out=out,
            refused=[name for name, value in refused.items() if value], keep_odd=keep_suspicious, watch=watch,
        )  # fmt: skip
    if columns or window is not None:
        raise UsageError(
            f"{'columns' if columns else 'a window'} cannot be said of pictures", hint="leave --column and --window out"
        )
    named = checked([method] if isinstance(method, str) else list(method)) if method else ()
    watch.stage("reading the pictures")
    material = list_material(
        fspath(good), None if test is None else fspath(test), normal=normal, follow_links=follow_links
    )
    _keep_off(material, out)
    target = str(runtime.pick_device(device))
    seen = open_eyes(None if features is None else fspath(features), material.good, img_size=img_size, device=target)
    if seen.why:
        watch.remark(f"{seen.why} (--features pixels looks at pixels)")
    named = named or checked(["patchcore" if seen.net is not None else "autoencoder"])
    settings = Settings(seconds=time, seed=seed, device=target, **details)
    searched = search(
        material, named, seen, rate=false_alarms, settings=settings, keep_suspicious=keep_suspicious, watch=watch
    )
    watch.stage("writing the detector and the report")
    store = _store(material, out)
    save(store, searched.detector, searched.net)
    found = replace(searched.found, folder=str(store.folder))
    store.write_text("scores.csv", found.scores_csv())
    store.write_text("anomaly.html", render_anomaly(found, searched.images, searched.masks, searched.suspicious))
    return found


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
