"""Clean: what is probably wrong with pictures and labels, ranked; suggestions become edits where that is wished."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel import runtime
from hubel.care.cleaning import Cleaning, Leaked
from hubel.care.judging import FOLDS, before_known, compare_pictures, judge, judge_as_learnt, judge_left_out
from hubel.checkpoint import Classifier, load_state
from hubel.data.batches import batches
from hubel.data.decode import Decoded, decode
from hubel.data.editing import editor_of, require_files, undo_command, with_groups
from hubel.data.sources import open_source
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation.judge import answered
from hubel.faces.progress import shows_progress
from hubel.inference import features
from hubel.records.ledger import find_run
from hubel.records.nets import classifier_of, last_stage
from hubel.records.own_data import OwnData, own_data, reading_of
from hubel.records.series import SeriesRecord, folds_of, run_or_data
from hubel.store import RunStore
from hubel.training.dynamics import means_of
from hubel.watching import SILENT, Watcher
from hubel.words import percent, plural

__all__ = ["Cleaning", "clean"]


@shows_progress
def clean(
    data: str | os.PathLike[str],
    *,
    folds: int | None = None,
    eyes: str | None = None,
    accept: float | None = None,
    group: str | None = None,
    who: str = "",
    device: str = "auto",
    seed: int = 0,
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
    **reading: Any,
) -> Cleaning:
    """Twins, leaks, damaged and odd pictures and shortcuts of a folder, table or named set; for a run, labels too.

    Labels of a run are judged by what its net said of them as it learnt, before it could know them by heart; where the
    run did not keep that (a head on a frozen net, fewer than three epochs, blended pictures, several processes) or
    `folds` are said, by heads on the features of its net, out of fold. Labels of data are judged by heads on the
    pixels, where `folds` is said, or on what the net `eyes` sees (a published one, or a run); of a series of folds
    (`hubel.train(…, folds=5)`) each picture by the net of the fold that left it out.

    `accept` writes an edit for every label that is suspected with at least that probability (`hubel.edit`);
    `group="auto"` one for every picture of a burst, which keeps it on one side of every split to come. Of runs,
    strangers are told too, and of one run what leaks across its split did to its accuracy. `reading` are the
    options of `hubel.scan` that say how a table is read. Raises UsageError, DataError, ArtefactError.
    """
    if accept is not None and not 0.5 <= accept <= 1:
        raise UsageError(f"accept must be a probability from 0.5 to 1, got {accept:g}", hint="0.95 is usual")
    if group not in (None, "auto"):
        raise UsageError(
            f"pictures are grouped by their bursts or not at all, got group {group!r}", hint="--group auto"
        )
    series = folds_of(data)
    folder = run_or_data(data) if series is None else series.runs()[0].folder
    if folder is not None:
        if eyes is not None:
            raise UsageError(f"a run sees with its own net, and eyes ({eyes}) are given", hint="leave --eyes out")
        if any(reading.values()):
            raise UsageError("a run reads its data as it was trained on them", hint="leave the options of tables out")
        if series is None:
            found = _of_run(folder, folds, device, seed, data_root, watch)
        elif folds is None:
            found = _of_folds(series, device, seed, data_root, watch)
        else:
            raise UsageError(f"the series has {len(series.members)} folds of its own", hint="leave --folds out")
    else:
        listed = open_source(data, data_root=data_root, progress=watch.progress, **reading)
        if listed.masks is not None and (folds is not None or eyes is not None):
            raise UsageError(
                f"--{'folds' if eyes is None else 'eyes'} judges labels, and {data} has masks",
                hint="leave it out: twins are found all the same",
            )
        found = compare_pictures(listed, None, watch)
        if eyes is not None:
            seen, name = _seen_by(eyes, found, device, watch)
            by = f"{folds or FOLDS} heads on what {name} sees, each on pictures that it was not fitted to"
            found = judge(found, seen, by, folds=folds or FOLDS, seed=seed, watch=watch, strangers=True)
        elif folds is not None:
            by = f"{folds} heads on the pixels, each on pictures that the others were fitted to"
            found = judge(found, found.pictures, by, folds=folds, seed=seed, watch=watch)
    if accept is not None and found.labels is None:
        raise UsageError(
            "labels were not judged: there is nothing to accept", hint="add --folds 5 or --eyes NET, or give a run"
        )
    read = reading if folder is None else reading_of(folder, found.source)
    if accept is not None:
        found = _accept(found, accept, who, read, watch)
    return _group(found, who, read, watch) if group == "auto" else found


def _of_run(
    folder: Path, folds: int | None, device: str, seed: int, data_root: str | Path | None, watch: Watcher
) -> Cleaning:
    """Of a run: by what its net said as it learnt, where that was kept and no `folds` are said; else by heads."""
    classifier, name = classifier_of(folder)
    own = own_data(folder, classifier, watch, data_root=data_root)
    parts = {part: own.ids(part) for part in ("train", "val", "test")}
    found = compare_pictures(own.scan.manifest, parts, watch)
    target = runtime.pick_device(device)
    seen = _features(classifier, own.decoded, target, watch)
    means = None if folds is not None else _said(folder, len(own.scan.manifest), len(classifier.class_names))
    if means is None:
        count = folds or FOLDS
        by = f"{count} heads on the frozen features of {name}, each on pictures that it was not fitted to"
        found = judge(found, seen, by, folds=count, seed=seed, watch=watch, strangers=True)
    else:
        rest = np.flatnonzero(np.isnan(means).any(axis=1))
        at_end = np.full(means.shape, 1 / means.shape[1])
        if len(rest):
            at_end[rest] = answered(classifier, own.decoded, rest, target).probabilities
        told = before_known(means, at_end, own.scan.manifest.labels)
        by = f"{name} itself, by what it said of its training pictures before it could know them by heart"
        by += ", and of the others in the end" if len(rest) else ""
        found = judge_as_learnt(found, told, seen, by, seed=seed, watch=watch)
    return replace(found, leaked=_leaked(found, classifier, own, target))


def _said(folder: Path, samples: int, classes: int) -> np.ndarray | None:
    """N K: what the net of a run said of each sample as it learnt from it; None where that was not kept."""
    try:
        means = means_of(load_state(RunStore.open(folder)).tensors)
    except ArtefactError:  # a run may do without a state to resume from
        return None
    return means if means is not None and means.shape == (samples, classes) else None


def _of_folds(series: SeriesRecord, device: str, seed: int, data_root: str | Path | None, watch: Watcher) -> Cleaning:
    """Of a series of folds: what each net says of the pictures that it was not trained on."""
    target = runtime.pick_device(device)
    folders = [run.folder for _, run in sorted(series.runs().items())]
    nets = [classifier_of(folder)[0] for folder in folders]
    own = own_data(folders[0], nets[0], watch, data_root=data_root)
    count = len(own.scan.manifest)
    found = compare_pictures(own.scan.manifest, None, watch)
    fold, probabilities = np.full(count, -1), np.zeros((count, len(nets[0].class_names)))
    for number, (place, net) in enumerate(zip(folders, nets, strict=True)):
        own = own_data(place, net, watch, data_root=data_root)
        rows = own.left_out
        fold[rows], probabilities[rows] = number, answered(net, own.decoded, rows, target).probabilities
    if (fold < 0).any():
        raise DataError(
            f"{plural(int((fold < 0).sum()), 'picture')} of {own.scan.manifest.source} were left out by none of the "
            f"{len(nets)} folds",
            hint=f"hubel clean {folders[0]} judges by heads on what one net sees",
        )
    by = f"{len(nets)} nets of {series.name}, each on the pictures that it was not trained on"

    def features_of(number: int) -> np.ndarray:
        return _features(nets[number], own.decoded, target, SILENT)

    return judge_left_out(found, probabilities, fold, features_of, by, seed=seed, watch=watch)


def _features(classifier: Classifier, decoded: Decoded, device: torch.device, watch: Watcher) -> np.ndarray:
    """N F: what the last stage of a net sees of all pictures."""
    watch.stage("reading features")
    fed = batches(
        decoded, np.arange(len(decoded)), preprocessing=classifier.preprocessing, batch_size=128, device=device
    )
    return features(classifier.model.to(device), fed, last_stage(classifier.model))


def _seen_by(eyes: str, found: Cleaning, device: str, watch: Watcher) -> tuple[np.ndarray, str]:
    """What a net that knows nothing of these data sees of the pictures, N F; and what it is called."""
    classifier, name = classifier_of(find_run(eyes), answers=False)
    assert classifier.preprocessing is not None
    watch.stage("reading the pictures again, as large as the net takes them")
    decoded = decode(found.manifest, classifier.preprocessing, progress=watch.progress)
    return _features(classifier, decoded, runtime.pick_device(device), watch), name


def _leaked(found: Cleaning, classifier: Classifier, own: OwnData, device: torch.device) -> Leaked | None:
    """The accuracy on the test with and without pictures that have a twin in training or validation."""
    test = own.ids("test")
    before = set(own.ids("train").tolist()) | set(own.ids("val").tolist())
    mixed = {row for group in found.leaks if before & set(group.rows) for row in group.rows}
    if not len(test) or not mixed & set(test.tolist()) or not classifier.class_names:
        return None
    said = answered(classifier, own.decoded, test, device)
    right = said.predicted == own.scan.manifest.labels[test]
    twin = np.isin(test, list(mixed))
    return Leaked(
        split="test", right=int(right.sum()), samples=len(test), twins=int(twin.sum()),
        twins_right=int(right[twin].sum()),
    )  # fmt: skip


def _group(found: Cleaning, who: str, reading: dict[str, Any], watch: Watcher) -> Cleaning:
    """An edit for every picture of a burst, which puts it into the burst's group."""
    manifest = found.manifest
    require_files(manifest)
    assert manifest.paths is not None
    paths = manifest.paths
    wanted = [
        (f"burst {paths[burst.rows[0]]}", [paths[row] for row in burst.rows], f"by {' and '.join(burst.signs)}")
        for burst in found.bursts
    ]
    log, editor = editor_of(found.source, who, reading)
    made = editor.together(wanted)
    if not made:
        why = "the pictures of all bursts are in groups already" if found.bursts else "no bursts were found"
        watch.remark(f"{why}: nothing was written")
        return found
    log.add(made)
    watch.remark(
        f"{plural(len(made), 'picture')} of {plural(len(found.bursts), 'burst')} {'is' if len(made) == 1 else 'are'} "
        f"in groups now, for splits to come; to take that back: {undo_command(found.source, made)}"
    )
    manifest = with_groups(manifest, made)
    return replace(found, manifest=manifest, accepted=(*found.accepted, *(edit.id for edit in made)))


def _accept(found: Cleaning, least: float, who: str, reading: dict[str, Any], watch: Watcher) -> Cleaning:
    manifest = found.manifest
    require_files(manifest)
    assert found.labels is not None
    assert manifest.paths is not None
    wanted = {
        manifest.paths[one.row]: (one.given, one.suggested, f"suggested, {percent(one.probability, 1)}")
        for one in found.labels.suspects
        if one.confident and one.probability >= least
    }
    log, editor = editor_of(found.source, who, reading)
    made = editor.accepted(wanted)
    if not made:
        watch.remark(f"no suggestion is as sure as {least:g}: nothing was written")
        return found
    log.add(made)
    were = "label was" if len(made) == 1 else "labels were"
    watch.remark(f"{len(made)} {were} edited; to take that back: {undo_command(found.source, made)}")
    if found.labels.doubt:
        watch.remark(found.labels.doubt)
    return replace(found, accepted=tuple(edit.id for edit in made))
