"""Labels that runs learnt from, judged by their own nets: by what each said as it learnt, or of what it left out.

What is judged, and how, stands in `hubel.care`; here are the runs, their data and their nets (behind `hubel.clean`).

Letters: N samples, F features, K classes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hubel import runtime
from hubel.care.cleaning import Cleaning, Leaked
from hubel.care.judging import FOLDS, before_known, compare_pictures, judge, judge_as_learnt, judge_left_out
from hubel.checkpoint import Classifier
from hubel.checkpoint.dynamics import means_of
from hubel.data.batches import batches
from hubel.data.decode import Decoded, decode
from hubel.errors import DataError
from hubel.evaluation.judge import answered
from hubel.inference import features
from hubel.metrics.probability import shares_of
from hubel.records.ledger import find_run
from hubel.records.nets import classifier_of, last_stage
from hubel.records.own_data import OwnData, own_data
from hubel.records.series import SeriesRecord
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher
from hubel.words import plural


def judge_run(
    folder: Path, folds: int | None, device: str, seed: int, data_root: str | Path | None, watch: Watcher
) -> Cleaning:
    """What is wrong with the data of a run, its labels judged by what its net said as it learnt.

    Where that was not kept, or `folds` are said, by heads on what it sees. Raises ArtefactError, DataError.
    """
    classifier, name = classifier_of(folder, several=True)
    own = own_data(folder, classifier, watch, data_root=data_root)
    parts = {part: own.ids(part) for part in ("train", "val", "test")}
    found = compare_pictures(own.scan.manifest, parts, watch)
    target = runtime.pick_device(device)
    seen = _features(classifier, own.decoded, target, watch)
    means = None if folds is not None or classifier.several else means_of(RunStore.open(folder))
    if means is None or means.shape != (len(own.scan.manifest), len(classifier.class_names)):
        count = folds or FOLDS
        by = f"{count} heads on the frozen features of {name}, each on pictures that it was not fitted to"
        found = judge(found, seen, by, folds=count, seed=seed, watch=watch, strangers=True)
    else:
        rest = np.flatnonzero(np.isnan(means).any(axis=1))
        at_end = np.full(means.shape, 1 / means.shape[1])
        if len(rest):
            at_end[rest] = _shares(classifier, own.decoded, rest, target)
        told = before_known(means, at_end, own.scan.manifest.labels)
        by = f"{name} itself, by what it said of its training pictures before it could know them by heart"
        by += ", and of the others in the end" if len(rest) else ""
        found = judge_as_learnt(found, told, seen, by, seed=seed, watch=watch)
    watch.stage("asking about the test without its twins")
    return replace(found, leaked=_leaked(found, classifier, own, target))


def judge_folds(series: SeriesRecord, device: str, seed: int, data_root: str | Path | None, watch: Watcher) -> Cleaning:
    """The same of a series of folds: each picture is judged by the net that was not trained on it."""
    target = runtime.pick_device(device)
    folders = [run.folder for _, run in sorted(series.runs().items())]
    nets = [classifier_of(folder, several=True)[0] for folder in folders]
    own = own_data(folders[0], nets[0], watch, data_root=data_root)
    count = len(own.scan.manifest)
    found = compare_pictures(own.scan.manifest, None, watch)
    fold, probabilities = np.full(count, -1), np.zeros((count, len(nets[0].class_names)))
    for number, (place, net) in enumerate(zip(folders, nets, strict=True)):
        own = own_data(place, net, watch, data_root=data_root)
        rows = own.left_out
        fold[rows], probabilities[rows] = number, _shares(net, own.decoded, rows, target)
    if (fold < 0).any():
        raise DataError(
            f"{plural(int((fold < 0).sum()), 'picture')} of {own.scan.manifest.source} were left out by none of the "
            f"{len(nets)} folds",
            hint=f"hubel clean {folders[0]} judges by one of the nets",
        )
    by = f"{len(nets)} nets of {series.name}, each on the pictures that it was not trained on"

    def features_of(number: int) -> np.ndarray:
        return _features(nets[number], own.decoded, target, SILENT)

    return judge_left_out(found, probabilities, fold, features_of, by, seed=seed, watch=watch)


def seen_by(eyes: str, found: Cleaning, device: str, watch: Watcher) -> tuple[np.ndarray, str]:
    """What a net that knows nothing of these data sees of the pictures, N F; and what it is called."""
    classifier, name = classifier_of(find_run(eyes), answers=False)
    assert classifier.preprocessing is not None
    watch.stage("reading the pictures again, as large as the net takes them")
    decoded = decode(found.manifest, classifier.preprocessing, progress=watch.progress)
    return _features(classifier, decoded, runtime.pick_device(device), watch), name


def _features(classifier: Classifier, decoded: Decoded, device: torch.device, watch: Watcher) -> np.ndarray:
    """N F: what the last stage of a net sees of all pictures."""
    watch.stage("reading features")
    fed = batches(
        decoded, np.arange(len(decoded)), preprocessing=classifier.preprocessing, batch_size=128, device=device
    )
    return features(classifier.model.to(device), fed, last_stage(classifier.model))


def _shares(classifier: Classifier, decoded: Decoded, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """N K: what a net says of some rows."""
    return shares_of(answered(classifier, decoded, rows, device).logits, several=classifier.several)


def _leaked(found: Cleaning, classifier: Classifier, own: OwnData, device: torch.device) -> Leaked | None:
    """The accuracy on the test with and without pictures that have a twin in training or validation."""
    test = own.ids("test")
    before = set(own.ids("train").tolist()) | set(own.ids("val").tolist())
    mixed = {row for group in found.leaks if before & set(group.rows) for row in group.rows}
    if not len(test) or not mixed & set(test.tolist()) or not classifier.class_names:
        return None
    said = answered(classifier, own.decoded, test, device)
    if classifier.several:
        assert own.decoded.targets is not None
        there = shares_of(said.logits, several=True) >= classifier.label_thresholds
        right = (there == (own.decoded.targets[test] > 0)).all(axis=1)
    else:
        right = said.predicted == own.scan.manifest.labels[test]
    twin = np.isin(test, list(mixed))
    return Leaked(
        split="test", right=int(right.sum()), samples=len(test), twins=int(twin.sum()),
        twins_right=int(right[twin].sum()),
    )  # fmt: skip
