"""All that can be said about a data set, computed: twins, odd pictures, shortcuts, labels out of fold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from hubel.care.bursts import Burst, find_bursts
from hubel.care.cleaning import Cleaning
from hubel.care.folds import deal, predict_out_of_fold
from hubel.care.labels import NEIGHBOURS, LabelCheck, judge_labels
from hubel.care.oddities import Shortcut, cues_of, find_oddities, probe_shortcuts
from hubel.care.sharpness import read_sharpness
from hubel.care.strangers import Stranger, find_strangers
from hubel.care.twins import SIDE, Twins, equal_pairs, find_pairs, grey32, grouped
from hubel.data.decode import Decoded
from hubel.data.keeping import prepare
from hubel.data.manifest import Manifest, array_digests
from hubel.data.moments import TELLING, Moment, moment_of
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan
from hubel.errors import DataError
from hubel.features.space import nearest
from hubel.watching import SILENT, Watcher

COMPARED = Preprocessing(height=SIDE, width=SIDE, channels=3, fit="squash")
"""How pictures are read to be compared."""
SMALL = 16
"""Pixels of a side below which near twins cannot be told from pictures of the same kind."""
FOLDS = 5


def compare_pictures(listed: Manifest, splits: dict[str, np.ndarray] | None, watch: Watcher = SILENT) -> Cleaning:
    """Twins, odd pictures and shortcuts of a manifest; rows of each part in `splits`, else the given split is taken.

    Raises DataError for points, and as the scan does.
    """
    if listed.kind == "points":
        raise DataError(f"{listed.source} holds points, and twins are pictures", hint="give a folder or a table")
    watch.stage("reading the pictures")
    scan, decoded = prepare(listed, COMPARED, progress=watch.progress)
    manifest = scan.manifest
    watch.stage("comparing the pictures")
    grey = grey32(decoded.images)
    twins = _twins(scan, decoded, grey, splits, watch)
    watch.stage("looking for blur")
    oddities = find_oddities(grey, scan.sides, read_sharpness(scan, watch.progress))
    part = _parts(manifest, splits)
    bursts: list[Burst] = []
    if manifest.kind == "files" and manifest.paths is not None:
        small = scan.sides.min(axis=1) < SMALL
        bursts = find_bursts(manifest.paths, grey, _moments(scan), twins, part, small=small)
    shortcuts: list[Shortcut] = []
    if not manifest.regression and len(manifest) >= 4 * FOLDS:
        watch.stage("looking for shortcuts")
        sizes = None if manifest.stats is None else manifest.stats[:, 0]
        fold = deal(manifest.labels, _units(manifest, twins), FOLDS)
        shortcuts = probe_shortcuts(cues_of(decoded.images, scan.sides, sizes), manifest.labels, fold)
    return Cleaning(
        source=listed.source, manifest=manifest, pictures=decoded.images, twins=tuple(twins), oddities=tuple(oddities),
        damaged=tuple(one for one in scan.problems if one.left_out and one.kind != "leak"),
        shortcuts=tuple(shortcuts), labels=None, bursts=tuple(bursts),
    )  # fmt: skip


def judge(
    found: Cleaning, features: np.ndarray, by: str, *, folds: int = FOLDS, seed: int = 0, watch: Watcher = SILENT,
    strangers: bool = False,
) -> Cleaning:  # fmt: skip
    """The same, with every label judged out of fold from features N F of the manifest's rows; `strangers` are looked
    for where the features are what a net sees.

    Raises DataError for numbers instead of classes and for too few pictures.
    """
    manifest = found.manifest
    if manifest.regression:
        raise DataError(f"{manifest.source} has numbers as labels, and classes are judged", hint="leave --folds out")
    watch.stage("judging labels out of fold")
    fold = deal(manifest.labels, _units(manifest, list(found.twins)), folds, seed)
    probabilities = predict_out_of_fold(features, manifest.labels, fold, progress=watch.progress, seed=seed)
    check = _check(found, features, probabilities, folds, by, seed)
    odd: list[Stranger] = []
    if strangers:
        watch.stage("looking for strangers")
        odd = find_strangers(features, manifest.labels, fold, progress=watch.progress)
    return replace(found, labels=check, strangers=tuple(odd))


def _check(
    found: Cleaning, features: np.ndarray, probabilities: np.ndarray, folds: int, by: str, seed: int
) -> LabelCheck:
    manifest = found.manifest
    flat = features.reshape(len(features), -1).astype(np.float32)
    own = nearest(flat, flat, k=NEIGHBOURS + 1).indices
    others = np.array([[row for row in rows if row != me][:NEIGHBOURS] for me, rows in enumerate(own.tolist())])
    return judge_labels(
        probabilities, manifest.labels, others.astype(np.int64), manifest.class_names, folds=folds, by=by, seed=seed
    )


def _twins(
    scan: Scan, decoded: Decoded, grey: np.ndarray, splits: dict[str, np.ndarray] | None, watch: Watcher
) -> list[Twins]:
    manifest = scan.manifest
    assert manifest.digests is not None
    pairs = equal_pairs(manifest.digests, "bytes")
    sides = scan.sides
    keys = [f"{size.tolist()} {key}" for size, key in zip(sides, array_digests(decoded.images), strict=True)]
    known = {(pair.first, pair.second) for pair in pairs}
    same = [pair for pair in equal_pairs(keys, "pixels") if (pair.first, pair.second) not in known]
    large = np.flatnonzero(sides.min(axis=1) >= SMALL)
    if len(large) < len(manifest):
        watch.remark(f"near twins are not looked for among pictures of less than {SMALL} pixels a side")
    near = [
        replace(pair, first=int(large[pair.first]), second=int(large[pair.second]))
        for pair in find_pairs(grey[large], watch.progress)
    ]
    part = _parts(manifest, splits)
    names = manifest.class_names
    labels = [names[label] if names else "" for label in manifest.labels.tolist()]
    sizes = np.zeros(len(manifest)) if manifest.stats is None else manifest.stats[:, 0]
    return grouped(
        [*pairs, *same, *near], lambda row: (float(sides[row].prod()), float(sizes[row])), part, labels
    )  # fmt: skip


def _parts(manifest: Manifest, splits: dict[str, np.ndarray] | None) -> list[str]:
    """N: the part of the split that each row is in, "" for none."""
    part: list[str] = manifest.given_split.tolist()
    for name, rows in (splits or {}).items():
        for row in rows.tolist():
            part[row] = name
    return part


def _moments(scan: Scan) -> dict[int, Moment]:
    """Row -> when it was taken, of those whose files say so."""
    manifest = scan.manifest
    found = {}
    for row, look in enumerate(scan.looks):
        if look.format in TELLING:
            moment = moment_of(Path(manifest.root, manifest.files[row]))
            if moment is not None:
                found[row] = moment
    return found


def _units(manifest: Manifest, twins: list[Twins]) -> list[str]:
    """What stays together in folds: groups, and twins."""
    units = [f"row {row}" for row in range(len(manifest))]
    if manifest.groups is not None:
        units = [f"group {group}" if group else unit for group, unit in zip(manifest.groups, units, strict=True)]
    parent: dict[str, str] = {}

    def find(unit: str) -> str:
        while unit in parent:
            unit = parent[unit]
        return unit

    for group in twins:
        first = find(units[group.rows[0]])
        for row in group.rows[1:]:
            other = find(units[row])
            if other != first:
                parent[other] = first
    return [find(unit) for unit in units]
