"""Baseline: what simple methods get on some data, on the very parts that `hubel train` would take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hubel.assembly.prepare import Prepared, prepare
from hubel.assembly.requests import layered, requested
from hubel.checkpoint import load as load_checkpoint
from hubel.classical.beside import ALONE, Beside, beside
from hubel.classical.measuring import Samples, measure
from hubel.classical.results import Baseline
from hubel.data.manifest import Manifest
from hubel.data.splits import limited
from hubel.diagnosis.edited import graded_of
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation import Evaluation, Graded
from hubel.faces.progress import shows_progress
from hubel.records.ledger import RunRecord
from hubel.records.own_data import own_data
from hubel.records.series import run_or_data
from hubel.report.pages.baseline import render_baseline
from hubel.watching import SILENT, Watcher

__all__ = ["Baseline", "Beside", "baseline", "net_beside", "write_page"]

SMALL = 5_000
"""Training samples below which a training looks by itself what a simple method gets."""
SHARE = 0.1
"""Of the training's time, what that may take; and at least `WORTH` seconds of it must be there."""
WORTH = 1.0
ASKED = 60.0
"""Seconds that it may take at least where it was asked for."""


@shows_progress
def baseline(
    data: str | PathLike[str],
    *,
    learners: Sequence[str] = (),
    features: Sequence[str] = (),
    time: float | None = None,
    limit: int | None = None,
    seed: int = 0,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **settings: Any,
) -> Baseline | Beside:
    """What classical methods get on `data`: a source, a folder, a table of pictures; points; or a run, on its own data.

    `learners` of knn, logistic, svm, forest, boosting, on `features` of pixels, hog, colours (of points: numbers); all
    if not given. The best is chosen on the validation part and measured once on the test part, which are those that
    `hubel train` takes; of a run its own, and its net is laid beside on the same samples.
    `time`: seconds allowed (what would take longer is named and left out); `limit`: training samples; `settings`: those
    of a recipe that say how data are read and divided (`img_size`, `test_fraction`, `split_seed`, `columns`, …).
    Raises UsageError, DataError, ArtefactError.
    """
    if time is not None and not 0 < time < math.inf:
        raise UsageError(f"time must be above 0 seconds, got {time:g}", hint="--time 5m")
    name, budget = fspath(data), math.inf if time is None else time
    how: dict[str, Any] = {
        "learners": learners, "features": features, "budget": budget, "seed": seed, "watch": watch,
    }  # fmt: skip
    folder = run_or_data(name)
    if folder is not None:
        return _of_run(folder, settings, limit, how)
    prepared = prepare(requested(layered(name, None, settings | {"limit": limit})), watch)
    if not prepared.task.labels:
        raise UsageError(
            f"simple methods name a class or a number, and the task here is {prepared.task.name}",
            hint=f"hubel train {name}",
        )
    return measure(_samples(prepared), **how)


def _samples(prepared: Prepared) -> Samples:
    rows = {part: prepared.ids(part) for part in ("train", "val", "test")}
    return Samples(
        source=prepared.manifest.source, images=prepared.decoded.images, labels=prepared.manifest.labels,
        class_names=prepared.class_names, rows=rows, paths=_paths(prepared.manifest),
    )  # fmt: skip


def _paths(manifest: Manifest) -> tuple[str, ...] | None:
    return None if manifest.paths is None else tuple(manifest.name(row) for row in range(len(manifest)))


def _of_run(folder: Path, settings: dict[str, Any], limit: int | None, how: dict[str, Any]) -> Baseline | Beside:
    root = settings.pop("data_root", None)
    given = [name for name, value in settings.items() if value not in (None, {}, False)]
    if given:
        raise UsageError(
            f"a run has its own data and parts, and --{given[0].replace('_', '-')} is given", hint="name the data"
        )
    classifier = load_checkpoint(folder)
    classifier.require_labels()
    if classifier.method:
        raise ArtefactError(
            f"{folder.name} learnt without labels, which simple methods need", hint="name labelled data"
        )
    own = own_data(folder, classifier, how["watch"], data_root=root)
    manifest = own.scan.manifest
    rows = {part: own.ids(part) for part in ("train", "val", "test")}
    record = RunRecord(folder)
    most = limit or record.recipe.get("data", {}).get("limit")
    if most:
        rows["train"] = limited(rows["train"], manifest.labels[rows["train"]], most)
    simple = measure(
        Samples(
            source=manifest.source, images=own.decoded.images, labels=manifest.labels,
            class_names=manifest.class_names, rows=rows, paths=_paths(manifest),
        ),
        **how,
    )  # fmt: skip
    graded = graded_of(folder)
    return (graded and beside(folder.name, graded, simple, record.summary.get("seconds"))) or simple


def net_beside(
    prepared: Prepared, result: object, seconds: float, watch: Watcher, *, name: str = "the net"
) -> dict[str, Any]:
    """What a simple method gets where a training has ended with `result`, for its summary; {} where nobody looks.

    By itself for small data, in a tenth of the training's time; where the recipe says so, always. What fails is said.
    """
    wanted = prepared.recipe.run.baseline
    budget = max(SHARE * seconds, ASKED) if wanted else SHARE * seconds
    usual = len(prepared.ids("train")) < SMALL and budget >= WORTH
    if wanted and not (isinstance(result, Evaluation) and result.split == "test"):
        watch.remark(ALONE.format(prepared.recipe.data.data))
    if not isinstance(result, Evaluation) or result.split != "test" or not (usual if wanted is None else wanted):
        return {}
    watch.stage("what a simple method gets")
    try:
        simple = measure(_samples(prepared), budget=budget, seed=prepared.recipe.train.seed)
        found = beside(name, Graded.of(result), simple, seconds)
    except Exception as error:  # a learner of somebody else may fail in many ways, and the run is whole without it
        if wanted:
            watch.remark(f"what a simple method gets is not known: {str(error).splitlines()[0][:160]}")
        return {}
    return found.to_dict() if found else {}


def write_page(found: Baseline | Beside) -> str:
    """The result as one self-contained page."""
    return render_baseline(found)
