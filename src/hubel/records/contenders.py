"""Classifiers of pictures that are to be measured on the same pictures of their own data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier
from hubel.checkpoint import load as load_checkpoint
from hubel.data.splits import NAMES
from hubel.errors import ArtefactError, DataError, UsageError, unknown
from hubel.records.ledger import find_run
from hubel.records.own_data import OwnData, own_data
from hubel.watching import SILENT, Watcher

Runs = str | PathLike[str] | Sequence[str | PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A run's net and its data."""

    title: str
    """Its folder's name; its whole path where two would be called alike."""
    net: Classifier
    own: OwnData

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """What its data say of some rows: N class numbers, or N K of 0 and 1 where several labels may hold."""
        manifest = self.own.scan.manifest
        known = manifest.targets if manifest.several else manifest.labels
        assert known is not None
        return np.asarray(known[rows])


def open_contenders(
    runs: Runs,
    split: str,
    *,
    data_root: str | Path | None = None,
    watch: Watcher = SILENT,
) -> tuple[tuple[Contender, ...], np.ndarray]:
    """The runs (or the one), and the rows that all of them have in their `split`, in rising order.

    Raises UsageError for no run and for runs of other data or classes, ArtefactError for what is no classifier of
    pictures or knows one class, DataError for a split without samples.
    """
    runs = [runs] if isinstance(runs, (str, PathLike)) else runs
    if not runs:
        raise UsageError("a run is needed, got none", hint="hubel runs lists what there is")
    if split not in NAMES:
        raise unknown("split", split, NAMES)
    folders = [find_run(run) for run in runs]
    nets = [_classifier(folder) for folder in folders]
    short = [folder.name for folder in folders]
    found = tuple(
        Contender(
            title=str(folder) if short.count(folder.name) > 1 else folder.name,
            net=net,
            own=own_data(folder, net, watch, data_root=data_root),
        )
        for folder, net in zip(folders, nets, strict=True)
    )
    return found, _shared(found, split)


def _classifier(folder: Path) -> Classifier:
    net = load_checkpoint(folder)
    net.require_answers(several=True)
    if net.preprocessing is None or not net.class_names or net.method:
        without = "pictures without labels" if net.class_names else "pictures with a number each"
        what = net.material if net.preprocessing is None else without
        raise ArtefactError(
            f"only classifiers of pictures are measured on spoilt pictures, and {folder.name} learnt from {what}",
            hint="hubel runs lists what there is",
        )
    if len(net.class_names) < 2:
        raise ArtefactError(
            f"{folder.name} knows one class, {net.class_names[0]!r}, and is right whatever it is shown",
            hint="train it on two classes or more",
        )
    return net


def _shared(contenders: Sequence[Contender], split: str) -> np.ndarray:
    first, *others = contenders
    rows = first.own.ids(split)
    for other in others:
        here, there = first.own.scan.manifest, other.own.scan.manifest
        if here.class_names != there.class_names or here.digest != there.digest:
            raise UsageError(
                "runs are laid beside each other on the same pictures, and "
                f"{other.title} has other {'data' if here.class_names == there.class_names else 'classes'} than "
                f"{first.title}",
                hint="measure each by itself: hubel robust RUN",
            )
        rows = np.intersect1d(rows, other.own.ids(split))
    if not len(rows):
        raise DataError(
            f"{'the runs share' if others else 'the run has'} no samples in the {split} split",
            hint="take another part: --split val, or train with --test-fraction 0.1",
        )
    return np.sort(rows)
