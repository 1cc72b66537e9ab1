"""All that can be said about a data set, computed: twins, odd pictures, shortcuts, labels out of fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hubel.care.bursts import Burst, find_bursts
from hubel.care.cleaning import Cleaning
from hubel.care.folds import as_probabilities, deal, predict_labels_out_of_fold, predict_out_of_fold
from hubel.care.labels import NEIGHBOURS, SHARE, LabelCheck, judge_labels, judge_several
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
    if not manifest.regression and not manifest.several and len(manifest) >= 4 * FOLDS:
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
    told: dict[str, Any] = {"progress": watch.progress, "seed": seed}
    if manifest.several:
        assert manifest.targets is not None
        probabilities = predict_labels_out_of_fold(features, manifest.targets, fold, **told)
    else:
        probabilities = predict_out_of_fold(features, manifest.labels, fold, **told)
    near = _nearest_others(features, np.arange(len(features)))
    check = _judged(manifest, probabilities, near, folds, by, seed)
    odd: list[Stranger] = []
    if strangers:
        watch.stage("looking for strangers")
        odd = find_strangers(features, manifest.labels, fold, progress=watch.progress)
    return replace(found, labels=check, strangers=tuple(odd))


def judge_as_learnt(
    found: Cleaning, probabilities: np.ndarray, features: np.ndarray, by: str, *, seed: int = 0,
    watch: Watcher = SILENT,
) -> Cleaning:  # fmt: skip
    """The same, with every label judged by what one net said before it knew it, N K `probabilities` (`before_known`).

    The features N F are those of the trained net, which may lay a picture of a wrong label beside others of that label:
    they show neighbours and strangers, and do not count for the order.
    """
    manifest = found.manifest
    names = manifest.class_names
    watch.stage("judging labels by what the net said as it learnt")
    near = _nearest_others(features, np.arange(len(features)))
    check = judge_labels(probabilities, manifest.labels, near, names, folds=0, by=by, seed=seed, share=0.0, learnt=True)
    watch.stage("looking for strangers")
    fold = deal(manifest.labels, _units(manifest, list(found.twins)), FOLDS, seed)
    odd = find_strangers(features, manifest.labels, fold, progress=watch.progress)
    return replace(found, labels=check, strangers=tuple(odd))


def before_known(means: np.ndarray, at_end: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """N K probabilities: of samples that were learnt from by `means` of what was said as they were (N K, nan for
    others), of the others by what the net says `at_end` (N K).

    >>> before_known(np.array([[-1.0, -3.0], [np.nan] * 2]), np.full((2, 2), 0.5), np.array([0, 1]))[1].tolist()
    [0.5, 0.5]
    """
    learnt = ~np.isnan(means).any(axis=1)
    found = at_end.copy()
    found[learnt] = as_probabilities(means[learnt], labels[learnt])
    return found


def judge_left_out(
    found: Cleaning, probabilities: np.ndarray, fold: np.ndarray, features: Callable[[int], np.ndarray], by: str, *,
    seed: int = 0, watch: Watcher = SILENT,
) -> Cleaning:  # fmt: skip
    """The same, with every label judged by a net that was not trained on its picture.

    `probabilities` N K are what the net of each picture's `fold` (N, from 0) says of it, and `features` gives what the
    net of a fold sees of all pictures, N F: neighbours and strangers are looked for with that fold's own net.
    """
    labels = found.manifest.labels
    neighbours = np.zeros((len(labels), min(NEIGHBOURS, len(labels) - 1)), np.int64)
    odd: list[Stranger] = []
    folds = int(fold.max()) + 1
    for number in range(folds):
        watch.stage(f"reading what the net of fold {number + 1} of {folds} sees")
        seen, held = features(number), np.flatnonzero(fold == number)
        neighbours[held] = _nearest_others(seen, held)
        odd += find_strangers(seen, labels, np.where(fold == number, 0, -1))
    check = _judged(found.manifest, probabilities, neighbours, folds, by, seed, share=0.0)
    return replace(found, labels=check, strangers=tuple(sorted(odd, key=lambda one: -one.score)))


def _judged(
    manifest: Manifest, probabilities: np.ndarray, near: np.ndarray, folds: int, by: str, seed: int,
    share: float = SHARE,
) -> LabelCheck:  # fmt: skip
    """The labels of a manifest by probabilities N K of nets that do not know them."""
    same: dict[str, Any] = {"folds": folds, "by": by, "seed": seed, "share": share}
    if manifest.several:
        assert manifest.targets is not None
        return judge_several(probabilities, manifest.targets, near, manifest.class_names, **same)
    return judge_labels(probabilities, manifest.labels, near, manifest.class_names, **same)


def _nearest_others(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """M k: of each of the pictures `rows` (M) the nearest others, by features N F of all."""
    flat = features.reshape(len(features), -1).astype(np.float32)
    near = nearest(flat[rows], flat, k=NEIGHBOURS + 1).indices.tolist()
    return np.array(
        [[row for row in found if row != me][:NEIGHBOURS] for me, found in zip(rows.tolist(), near, strict=True)],
        np.int64,
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
    labels = ["" if manifest.regression else manifest.labelled_as(row) for row in range(len(manifest))]
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
