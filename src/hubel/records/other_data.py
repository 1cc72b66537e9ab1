"""Other data, read and decoded for the net of a run: its geometry, its numbering of the classes, one part of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier, check_classes
from hubel.data.decode import Decoded, decode, scaled
from hubel.data.keeping import prepare as scan_and_decode
from hubel.data.kinds import require_all_taken
from hubel.data.manifest import Manifest
from hubel.data.rows import open_rows
from hubel.data.scan import Scan, conclude
from hubel.data.series import is_table, open_series
from hubel.data.signals import open_signals
from hubel.data.sources import open_source
from hubel.data.splits import NAMES, Splits
from hubel.data.unlabelled import open_pictures
from hubel.errors import DataError, UsageError
from hubel.records.own_data import ANY_CLASSES, ANY_PICTURES, LISTS, MASKED, NO_PICTURES, reading_of
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher
from hubel.words import plural


@dataclass(frozen=True, kw_only=True)
class OtherData:
    """Other data, decoded as the net of a run takes them."""

    scan: Scan
    decoded: Decoded
    rows: np.ndarray
    """Of the part that was asked for."""
    name: str
    """What to call that part: "photos, test"."""


def other_data(
    folder: Path,
    classifier: Classifier,
    data: str,
    *,
    split: str | None = None,
    reading: dict[str, Any] | None = None,
    watch: Watcher = SILENT,
) -> OtherData:
    """Labelled `data` with classes of the run in `folder`; of data in parts their test part, unless `split` says.

    `reading`: how they are read (`hubel.data.sources.open_source`); a table is read as the run's own where it does not
    say. Pictures that the run was trained on are told to `watch`. Raises DataError, UsageError, ArtefactError.
    """
    if classifier.columns is not None:
        return _numbers(folder, classifier, data, split, reading, watch)
    any_pictures = classifier.task in ANY_PICTURES
    opened = open_pictures if any_pictures else open_source
    more: dict[str, Any] = {"lists": True} if classifier.task in LISTS else {}
    if not any_pictures:
        more["masks"] = classifier.task in MASKED
    manifest = opened(data, **reading_of(folder, data, reading), progress=watch.progress, **more)
    if classifier.preprocessing is None:
        raise UsageError(f"a run on points is measured on its own splits, not on {data}", hint="leave the data out")
    scan, decoded = scan_and_decode(manifest, classifier.preprocessing, progress=watch.progress, partial=any_pictures)
    require_all_taken(scan, classifier.preprocessing)
    names = scan.manifest.class_names
    if any_pictures or classifier.task in ANY_CLASSES:
        pass  # its answers name no class
    elif set(names) <= set(classifier.class_names):
        scan, decoded = renumbered(scan, decoded, classifier.class_names)
    else:
        check_classes(classifier.class_names, names, what=data)
    rows, part = _part_of(scan.manifest, data, split, watch)
    _tell_trained_on(folder, scan.manifest, rows, watch)
    name = Path(data).name or data
    return OtherData(scan=scan, decoded=decoded, rows=rows, name=f"{name}, {part}" if part else name)


def _numbers(
    folder: Path, classifier: Classifier, data: str, split: str | None, reading: dict[str, Any] | None, watch: Watcher
) -> OtherData:
    """The rows of another table, its series, or other signals, read by the columns of the run."""
    known = classifier.columns
    assert known is not None
    columns = reading_of(folder, data, reading).get("columns")
    if known.files:
        if not Path(data).is_dir():
            raise UsageError(f"the run learnt from folders of .npy files, and {data} is none", hint="class folders")
        opened = open_signals(data, known=known)
        _require_shape(classifier, opened)
    elif not is_table(data):
        raise UsageError(f"the run learnt from the rows of a table, and {data} is none", hint="a CSV or JSONL file")
    elif classifier.labels:
        opened = open_rows(data, columns=columns, known=known)
    else:
        opened = open_series(data, columns=columns, known=known)
    scan = conclude(opened, None, partial=True)
    names = scan.manifest.class_names
    if not set(names) <= set(classifier.class_names) or bool(names) != bool(classifier.class_names):
        check_classes(classifier.class_names, names, what=data)
    decoded = scaled(decode(scan.manifest, NO_PICTURES), known)
    scan, decoded = renumbered(scan, decoded, classifier.class_names)
    rows, part = _part_of(scan.manifest, data, split, watch)
    _tell_trained_on(folder, scan.manifest, rows, watch)
    name = Path(data).name or data
    return OtherData(scan=scan, decoded=decoded, rows=rows, name=f"{name}, {part}" if part else name)


def _require_shape(classifier: Classifier, opened: Manifest) -> None:
    """Raise DataError for volumes of another size than the run's."""
    assert opened.arrays is not None
    wanted, here = (classifier.spec.in_chans, *(classifier.spec.img_size or ())), opened.arrays.shape[1:]
    if len(here) == 3 and here != wanted:
        said = [" x ".join(map(str, sides)) for sides in (here, wanted)]
        raise DataError(
            f"{opened.source} holds volumes of {said[0]}, and the run takes {said[1]}", hint="resample them"
        )


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
    """Say which of the samples the run was trained on: an accuracy on those tells nothing about new ones."""
    met = learnt_from(folder, manifest, rows)
    if met:
        names = ", ".join(manifest.name(row) for row in met[:3]) + (", …" if len(met) > 3 else "")
        watch.remark(
            f"{len(met):,} of these {plural(len(rows), manifest.unit)} were trained on ({names}): "
            "what is measured on them says nothing about new pictures"
        )


def learnt_from(folder: Path, manifest: Manifest, rows: np.ndarray) -> list[int]:
    """Those of the `rows` that the run in `folder` was trained on: by their contents, else by number in the same data.

    [] for what is no folder of a run, or does not say.
    """
    if not folder.is_dir():
        return []
    store = RunStore.open(folder)
    if not (store.exists("data.json") and store.exists("split.json")):
        return []
    trained = Splits.from_dict(store.read_json("split.json", limit=1 << 30))
    if trained.manifest_digest == manifest.digest:
        return np.intersect1d(rows, trained.train).tolist()
    if manifest.digests is None:
        return []
    digests = list((store.read_json("data.json", limit=1 << 30).get("samples_by_name") or {}).values())
    learnt = {digests[row] for row in trained.train.tolist() if row < len(digests)}
    return [int(row) for row in rows if manifest.digests[row] in learnt]


def renumbered(scan: Scan, decoded: Decoded, class_names: tuple[str, ...]) -> tuple[Scan, Decoded]:
    """Labels by the model's numbering, matched by name: a folder that lacks some classes is measured on the rest."""
    if scan.manifest.regression:
        return scan, decoded
    new = np.array([class_names.index(name) for name in scan.manifest.class_names], np.int64)
    labels = new[scan.manifest.labels]
    manifest = replace(scan.manifest, labels=labels, class_names=class_names, _digest=[])
    if manifest.masks is not None and decoded.targets is not None:
        lookup = np.arange(256, dtype=np.uint8)  # 255, which is no class, stays
        lookup[: len(new)] = new
        decoded = replace(decoded, targets=lookup[decoded.targets])
    if manifest.targets is not None and manifest.targets.ndim == 3:  # a class at each step, NaN where none is asked
        asked = np.isfinite(manifest.targets)
        steps = np.where(asked, new[np.nan_to_num(manifest.targets).astype(np.int64)], np.nan).astype(np.float32)
        manifest, decoded = replace(manifest, targets=steps), replace(decoded, targets=steps)
    elif manifest.targets is not None:
        there = np.zeros((len(manifest), len(class_names)), np.uint8)
        there[:, new] = manifest.targets
        manifest, decoded = replace(manifest, targets=there), replace(decoded, targets=there)
    return replace(scan, manifest=manifest), replace(decoded, labels=labels)
