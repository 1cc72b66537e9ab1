"""Evaluate: the best weights of a run on a split, or on other data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from hubel import runtime
from hubel.checkpoint import Classifier, check_classes
from hubel.checkpoint import load as load_checkpoint
from hubel.data.decode import Decoded
from hubel.data.decode import prepare as scan_and_decode
from hubel.data.manifest import Manifest
from hubel.data.scan import Scan
from hubel.data.sources import FLAGS, open_source
from hubel.data.splits import NAMES, Splits
from hubel.data.tables import SUFFIXES as TABLES
from hubel.errors import DataError, UsageError, unknown
from hubel.evaluation import Evaluation, RegressionEvaluation
from hubel.evaluation.judge import judge
from hubel.faces.progress import shows_progress
from hubel.metrics import METRICS
from hubel.recipes.schema import compose, read_file
from hubel.records.ledger import find
from hubel.records.own_data import own_data
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher
from hubel.words import plural


@shows_progress
def evaluate(
    run: str | PathLike[str],
    data: str | Path | None = None,
    *,
    split: str | None = None,
    which: str = "best",
    views: str | None = None,
    metrics: Sequence[str] = (),
    device: str = "auto",
    data_root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    follow_links: bool = False,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Evaluation | RegressionEvaluation:
    """Measure a trained run on its own `split` (test unless said), or on other labelled `data` with the same classes.

    Where other data come in parts (a train/test tree, a column `split`), it is their test part that is measured unless
    `split` names another; what has none is measured whole. Pictures among them that the run was trained on are told to
    `watch`: by their contents, whatever they are called.

    `data_root` is where its own data lie now, if they moved; `columns`, `images` and `follow_links` say how other data
    are to be read (`hubel.data.sources.open_source`), else as those of the run.

    `views` of each picture are averaged (`hubel.inference.VIEWS`): those of the run if not given, "none" for one look.
    `metrics` are more numbers to compute, by name (`hubel components metrics`); the result has them in `more`.
    `verbose` shows progress; None does where somebody looks, in a terminal or a notebook.

    Of the run's own data the very split of the training is used, after a check that neither data nor split has changed.
    Writes nothing. Raises ArtefactError, DataError, UsageError.
    """
    if split is not None and split not in NAMES:
        raise unknown("split", split, NAMES)
    folder = find(run)
    classifier = load_checkpoint(folder, which)
    for name in metrics:
        METRICS.get(name)  # a name that is none is told before anything is measured
    reading = {"columns": columns, "images": images, "follow_links": follow_links}
    if data is not None:
        if data_root is not None:
            raise UsageError(
                "--data-root is for the run's own data, and others are named", hint="leave one of them out"
            )
        manifest = open_source(str(data), **_as_trained(folder, str(data), reading), progress=watch.progress)
        return _on_other_data(classifier, folder, manifest, str(data), split, views, metrics, device, watch)
    if any(reading.values()):
        flag = next(FLAGS[name] for name, value in reading.items() if value)
        raise UsageError(
            f"{flag} says how other data are read, and none are named", hint=f"hubel evaluate {folder} DATA"
        )
    split = split or "test"
    own = own_data(folder, classifier, watch, data_root=data_root)
    rows = own.ids(split)
    if not len(rows):
        raise DataError(
            f"the run has no samples in its {split} split",
            hint=f"measure it on other data: hubel evaluate {folder} DATA",
        )
    watch.stage(f"measuring on {len(rows):,} {split} samples")
    target = runtime.pick_device(device)
    return judge(classifier, own.scan, own.decoded, rows, split, target, views=views, metrics=metrics)


def _as_trained(folder: Path, data: str, reading: dict[str, Any]) -> dict[str, Any]:
    """How other data are read: as said, else a table as that which the run was trained on."""
    if any(reading.values()) or not data.casefold().endswith(TABLES) or not (folder / "config.yaml").is_file():
        return reading
    part = compose(read_file(folder / "config.yaml")).data
    return {"columns": part.columns, "images": None, "follow_links": part.follow_links}


def _on_other_data(
    classifier: Classifier,
    folder: Path,
    manifest: Manifest,
    data: str,
    split: str | None,
    views: str | None,
    metrics: Sequence[str],
    device: str,
    watch: Watcher,
) -> Evaluation | RegressionEvaluation:
    if classifier.preprocessing is None:
        raise UsageError("a run on points is measured on its own splits", hint="leave the data out")
    scan, decoded = scan_and_decode(manifest, classifier.preprocessing, progress=watch.progress)
    names = scan.manifest.class_names
    if set(names) <= set(classifier.class_names):
        scan, decoded = _renumbered(scan, decoded, classifier.class_names)
    else:
        check_classes(classifier.class_names, names, what=data)
    name = Path(data).name or data
    rows, part = _part_of(scan.manifest, data, split, watch)
    _tell_trained_on(folder, scan.manifest, rows, watch)
    target = runtime.pick_device(device)
    called = f"{name}, {part}" if part else name
    return judge(classifier, scan, decoded, rows, called, target, views=views, metrics=metrics)


def _part_of(manifest: Manifest, data: str, split: str | None, watch: Watcher) -> tuple[np.ndarray, str]:
    """The rows of other data that are measured, and which part of them that is; "" for all of data without parts."""
    given = np.asarray(manifest.given_split)
    parts = [name for name in NAMES if (given == name).any()]
    if split is not None and split not in parts:
        if not parts:
            raise UsageError(
                f"{data} comes in no parts, so that --split {split} chooses nothing", hint="leave --split out"
            )
        raise DataError(f"{data} has no {split} part", hint=f"it has: {', '.join(parts)}")
    part = split or next((name for name in ("test", "val", "train") if name in parts), "")
    rows = np.flatnonzero(given == part) if part else np.arange(len(given))
    if len(parts) > 1 and split is None:
        others = " and ".join(name for name in parts if name != part)
        watch.remark(f"{data} comes in parts: {part} is measured, {others} left out (--split chooses)")
    return rows, part


def _tell_trained_on(folder: Path, manifest: Manifest, rows: np.ndarray, watch: Watcher) -> None:
    """Say which of the pictures the run was trained on: an accuracy on those tells nothing about new ones."""
    if manifest.digests is None or not folder.is_dir():
        return
    store = RunStore.open(folder)
    if not (store.exists("data.json") and store.exists("split.json")):
        return
    known = store.read_json("data.json", limit=1 << 30).get("samples_by_name") or {}
    digests = list(known.values())
    learnt = {digests[row] for row in Splits.from_dict(store.read_json("split.json", limit=1 << 30)).train.tolist()
              if row < len(digests)}  # fmt: skip
    met = [int(row) for row in rows if manifest.digests[row] in learnt]
    if met:
        names = ", ".join(manifest.name(row) for row in met[:3]) + (", …" if len(met) > 3 else "")
        watch.remark(
            f"{len(met):,} of these {plural(len(rows), 'picture')} were trained on ({names}): "
            "what is measured on them says nothing about new pictures"
        )


def _renumbered(scan: Scan, decoded: Decoded, class_names: tuple[str, ...]) -> tuple[Scan, Decoded]:
    """Labels by the model's numbering, matched by name: a folder that lacks some classes is measured on the rest."""
    if scan.manifest.regression:
        return scan, decoded
    new = np.array([class_names.index(name) for name in scan.manifest.class_names], np.int64)
    labels = new[scan.manifest.labels]
    manifest = replace(scan.manifest, labels=labels, class_names=class_names, _digest=[])
    return replace(scan, manifest=manifest), replace(decoded, labels=labels)


def write_results(store: RunStore, result: Evaluation | RegressionEvaluation) -> None:
    """evaluation.json and the tables beside it."""
    store.write_text("evaluation.json", json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n")
    store.write_text("predictions.csv", result.predictions_csv())
    if isinstance(result, Evaluation):
        store.write_text("per_class.csv", result.per_class_csv())
        store.write_text("confusion.csv", result.confusion_csv())


def write_to(folder: Path, result: Evaluation | RegressionEvaluation) -> None:
    """The same into any folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    write_results(RunStore.open(folder), result)
