"""The data that a run was trained on, read again through its checkpoint.

Size, fit, channels and statistics come from the weights' own manifest, the parts from split.json, and config.yaml only
says which data it is: whatever else somebody writes into it later, a picture looks to the net as it did in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier, check_classes
from hubel.data.decode import Decoded, decode
from hubel.data.decode import prepare as scan_and_decode
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan, conclude
from hubel.data.sources import open_source
from hubel.data.splits import Splits
from hubel.errors import ArtefactError
from hubel.recipes.schema import compose, read_file
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher

NO_PICTURES = Preprocessing(height=1, width=1)
"""What `decode` is given for points, which it passes through."""


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """What a run was trained and measured on, decoded as its net takes it."""

    scan: Scan
    decoded: Decoded
    splits: Splits

    def ids(self, split: str) -> np.ndarray:
        """Rows of a split."""
        return self.splits.ids(split)


def own_data(folder: Path, classifier: Classifier, watch: Watcher = SILENT) -> OwnData:
    """The data of the run in `folder`, after a check that neither samples nor split have changed since.

    Raises ArtefactError where the folder does not say which data it was, DataError where they are gone or changed.
    """
    store = RunStore.open(folder)
    for name in ("config.yaml", "split.json"):
        if not store.exists(name):
            raise ArtefactError(
                f"{folder} does not say which data it was trained on: it has no {name}",
                hint=f"name the data: hubel evaluate {folder} DATA",
            )
    recipe = compose(read_file(folder / "config.yaml"))
    splits = Splits.from_dict(store.read_json("split.json", limit=1 << 30))
    watch.stage("reading the data")
    listed = open_source(recipe.data.data, data_dir=recipe.data.data_dir, progress=watch.progress)
    if classifier.preprocessing is None:
        scan = conclude(listed, None)
        decoded = decode(scan.manifest, NO_PICTURES)
    else:
        scan, decoded = scan_and_decode(
            listed, classifier.preprocessing, workers=recipe.data.workers, progress=watch.progress
        )
    splits.verify(scan.manifest)
    check_classes(classifier.class_names, scan.manifest.class_names)
    return OwnData(scan=scan, decoded=decoded, splits=splits)
