"""Labelled pictures by which features are measured: some to fit linear classifiers to, others to judge them by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hubel.assembly.prepare import Prepared
from hubel.data.decode import Decoded
from hubel.data.keeping import prepare as scan_and_decode
from hubel.data.manifest import Manifest
from hubel.data.splits import limited, split
from hubel.data.unlabelled import open_probe, some_of
from hubel.errors import DataError
from hubel.watching import Watcher

FITTED, JUDGED = 2_000, 1_000
"""Labelled pictures at most to which a linear classifier is fitted, and by which it is judged."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Labelled pictures to fit linear classifiers to, and others to judge them by."""

    manifest: Manifest
    """With labels and contents known."""
    decoded: Decoded
    """As the net takes them."""
    class_names: tuple[str, ...]
    labels: np.ndarray
    fitted: np.ndarray
    judged: np.ndarray
    name: str


def labelled(prepared: Prepared, watch: Watcher) -> Labelled | None:
    """Those of `probe_data`, else those that were set aside, else None."""
    recipe, known, seed = prepared.recipe, prepared.known, prepared.recipe.data.split_seed
    assert prepared.preprocessing is not None
    if recipe.pretext.probe_data is not None:
        listed = open_probe(recipe.pretext.probe_data)
        scan, decoded = scan_and_decode(
            listed, prepared.preprocessing, workers=recipe.data.workers, progress=watch.progress
        )
        manifest = scan.manifest
        # A given validation part is judged by; else a test is left alone, which a net may be measured on later.
        given = bool((manifest.given_split == "val").any())
        parts = split(manifest, val=0.2, test=0.0 if given else 0.1, seed=seed)
        rows, judged, labels, names = parts.train, parts.val, manifest.labels, manifest.class_names
    elif known is not None:
        labels, names, manifest, decoded = known.labels, known.class_names, prepared.manifest, prepared.decoded
        rows, judged = (part[labels[part] >= 0] for part in (prepared.splits.train, prepared.splits.val))
    else:
        return None
    if min(len(rows), len(judged)) < 10:
        raise DataError(
            f"{len(rows)} labelled pictures to fit a classifier to and {len(judged)} to judge it are too few",
            hint="10 of each would do (--val-fraction, or other pictures: --probe FOLDER)",
        )
    return Labelled(
        manifest=manifest, decoded=decoded, class_names=names, labels=labels,
        fitted=limited(rows, labels[rows], FITTED),
        judged=some_of(judged, JUDGED, seed=seed),
        name=recipe.pretext.probe_data or recipe.data.data,
    )  # fmt: skip
