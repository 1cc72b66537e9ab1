"""The data in figures: what a report and `hubel data` tell about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from hubel.data.scan import Scan
from hubel.data.splits import NAMES, Splits
from hubel.views import Viewed


@dataclass(frozen=True, kw_only=True)
class Summary(Viewed):
    """Plain data about the usable samples."""

    source: str
    kind: str
    """"files", "arrays" or "points"."""
    samples: int
    listed: int
    """Before bad files were left out."""
    left_out: dict[str, int]
    """Kind of problem -> number of files that are not used."""
    warnings: dict[str, int]
    """Kind of oddity -> how many; these files are used."""
    class_names: tuple[str, ...]
    class_counts: tuple[int, ...]
    """Samples per class, in the order of the names; empty in regression."""
    split_counts: dict[str, tuple[int, ...]]
    """Split -> samples per class (regression: one number); empty where no split was given to `describe`."""
    target_range: tuple[float, float, float] | None
    """Regression: smallest, mean and largest target."""
    sizes: tuple[tuple[int, int, int], ...]
    """(width, height, how many), most frequent first."""
    modes: dict[str, int]
    """Pillow's mode -> how many."""
    formats: dict[str, int]
    """File format -> how many."""
    features: int
    """Numbers per sample for points, else 0."""
    digest: str
    """Of the manifest."""


def describe(scan: Scan, splits: Splits | None = None) -> Summary:
    """Count what a scan found.

    >>> from hubel.data.scan import scan
    >>> from hubel.data.sources import open_source
    >>> about = describe(scan(open_source("digits")))
    >>> about.samples, about.class_counts[:3], about.sizes
    (1797, (178, 182, 177), ((8, 8, 1797),))
    """
    manifest = scan.manifest

    def counts(rows: np.ndarray) -> tuple[int, ...]:
        if manifest.regression:
            return (len(rows),)
        return tuple(np.bincount(manifest.labels[rows], minlength=manifest.num_classes).tolist())

    looks = Counter(scan.looks)  # few different ones, however many pictures
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for look, count in looks.items():
        sizes[look.width, look.height] += count
        modes[look.mode] += count
        formats[look.format] += count
    targets = manifest.labels
    return Summary(
        source=manifest.source,
        kind=manifest.kind,
        samples=len(manifest),
        listed=scan.listed,
        left_out=dict(Counter(problem.kind for problem in scan.problems if problem.left_out)),
        warnings=dict(Counter(problem.kind for problem in scan.problems if not problem.left_out)),
        class_names=manifest.class_names,
        class_counts=() if manifest.regression else counts(np.arange(len(manifest))),
        split_counts={} if splits is None else {name: counts(splits.ids(name)) for name in NAMES},
        target_range=(
            (float(targets.min()), float(targets.mean()), float(targets.max())) if manifest.regression else None
        ),
        sizes=tuple((width, height, count) for (width, height), count in sizes.most_common()),
        modes=dict(modes.most_common()),
        formats=dict(formats.most_common()),
        features=manifest.arrays.shape[1] if manifest.kind == "points" and manifest.arrays is not None else 0,
        digest=manifest.digest,
    )
