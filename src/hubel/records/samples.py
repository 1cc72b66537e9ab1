"""A part of a data set, decoded for a classifier: a split of the run's own data, or other data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hubel import runtime
from hubel.checkpoint import Classifier, check_classes
from hubel.data.batches import batches
from hubel.data.decode import Decoded, decode, scaled
from hubel.data.keeping import prepare as scan_and_decode
from hubel.data.kinds import require_all_taken
from hubel.data.manifest import Manifest
from hubel.data.scan import conclude
from hubel.data.sources import open_source
from hubel.data.splits import NAMES
from hubel.errors import DataError, UsageError, unknown
from hubel.inference import features, predict
from hubel.records.ledger import find_run
from hubel.records.nets import classifier_of, last_stage
from hubel.records.other_data import renumbered
from hubel.records.own_data import NO_PICTURES, own_data, reading_of
from hubel.types import Batch
from hubel.watching import SILENT, Watcher

POINTS = "points"
"""In place of a stage: where the answers of a net lie that answers with places."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """A part of a data set, decoded for a classifier."""

    classifier: Classifier
    decoded: Decoded
    manifest: Manifest
    rows: np.ndarray
    """N rows of the manifest that are looked at."""
    device: torch.device

    @property
    def labels(self) -> np.ndarray:
        """N class numbers."""
        return np.asarray(self.decoded.labels[self.rows])

    @property
    def targets(self) -> np.ndarray | None:
        """N K of 0 and 1 where samples may have several labels, else None."""
        if not self.manifest.several:
            return None
        assert self.decoded.targets is not None
        return np.asarray(self.decoded.targets[self.rows])

    @property
    def pixels(self) -> np.ndarray:
        """N C H W uint8; N F numbers of points."""
        return np.ascontiguousarray(self.decoded.images[self.rows])

    def batches(self, size: int = 128) -> Iterator[Batch]:
        """The samples in order, normalised."""
        return batches(
            self.decoded, self.rows, preprocessing=self.classifier.preprocessing, batch_size=size, device=self.device
        )

    def features(self, stage: str | None = None, of: Iterable[Batch] | None = None) -> np.ndarray:
        """N F: what comes out of a stage, averaged over the places; the last stage unless one is named.

        POINTS in its place: where the answers lie, of a net that answers with places. `of`: other samples than these.
        """
        net, reading = self.classifier, self.batches() if of is None else of
        if stage == POINTS and net.placing is not None:
            return predict(net.model, reading, forward=net.placing).logits
        return features(net.model, reading, stage or last_stage(net.model))

    def name(self, row: int) -> str:
        """What a row of the manifest is called."""
        return self.manifest.name(row)


def samples_of(
    run: str | Path | Classifier,
    data: str | Path | None = None,
    *,
    split: str = "train",
    limit: int | None = None,
    device: str = "auto",
    seed: int = 0,
    judged: bool = False,
    points: bool = False,
    several: bool = False,
    watch: Watcher = SILENT,
) -> Samples:
    """A `split` of the run's data, or all of other `data`; of more than `limit` samples a random part, by `seed`.

    Classes of other data are numbered as the net numbers them, where it knows them all. `judged`: what the net says is
    held against the labels; other data with classes it does not know then raise ArtefactError. `points`: a run on
    points will do, too; `several`: one that says several labels, whose data are read by label.
    """
    classifier, _ = classifier_of(run, points=points, answers=judged, several=several)
    target = runtime.pick_device(device)
    classifier.model.to(target)
    if data is not None:
        folder = None if isinstance(run, Classifier) else find_run(run)
        reading = reading_of(folder, str(data)) | ({"lists": True} if classifier.several else {})
        listed = open_source(str(data), **reading, progress=watch.progress)
        if classifier.columns is not None:
            raise UsageError("a run on a table is looked into on its own rows", hint="leave the data out")
        if (listed.kind == "points") != (classifier.preprocessing is None):
            raise DataError(
                f"{data} and the run are not of one kind: one has pictures, the other points",
                hint="leave the data out, or give data of the run's kind",
            )
        if classifier.preprocessing is None:
            scan = conclude(listed, None)
            decoded = decode(scan.manifest, NO_PICTURES)
            decoded = decoded if classifier.columns is None else scaled(decoded, classifier.columns)
        else:
            scan, decoded = scan_and_decode(listed, classifier.preprocessing, progress=watch.progress)
            require_all_taken(scan, classifier.preprocessing)
        if set(scan.manifest.class_names) <= set(classifier.class_names):
            scan, decoded = renumbered(scan, decoded, classifier.class_names)
        elif judged and not classifier.method:
            check_classes(classifier.class_names, scan.manifest.class_names, what=str(data))
        rows, manifest = np.arange(len(scan.manifest)), scan.manifest
    else:
        if isinstance(run, Classifier):
            raise UsageError(
                f"a classifier alone ({run.spec.architecture}) does not know its data",
                hint="give data=, or the run's folder",
            )
        if split not in NAMES:
            raise unknown("split", split, NAMES)
        own = own_data(find_run(run), classifier, watch)
        rows, manifest, decoded = own.splits.ids(split), own.scan.manifest, own.decoded
    if not len(rows):
        raise DataError(f"there are no samples in the {split} split", hint="choose another one, or give data")
    if limit is not None and len(rows) > limit:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:limit])
    return Samples(classifier=classifier, decoded=decoded, manifest=manifest, rows=rows, device=target)
