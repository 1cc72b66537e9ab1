"""The data in figures: what a report and `hubel data` tell about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from hubel.data.manifest import Manifest
from hubel.data.scan import Scan
from hubel.data.sounds import FORMAT
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
    """Split -> samples per class (regression: one number; of several labels how many have each); empty where no split
    was given to `describe`.
    """
    split_samples: dict[str, int]
    """Split -> samples."""
    target_range: tuple[float, float, float] | None
    """Regression: smallest, mean and largest target."""
    sizes: tuple[tuple[int, int, int], ...]
    """(width, height, how many), most frequent first."""
    modes: dict[str, int]
    """Pillow's mode -> how many."""
    formats: dict[str, int]
    """File format -> how many."""
    features: int
    """Numbers per sample for points, numbers a step for series and signals, else 0."""
    unit: str
    """What a sample is called: picture, sound, point, row, series, signal, volume."""
    shape: tuple[int, ...]
    """Of a sample of points: F; of series and signals F and the longest T; of volumes D H W; () for pictures."""
    columns: tuple[str, ...]
    """Of rows and series what the net sees of each."""
    lengths: tuple[int, int, int] | None
    """Of series and signals: the fewest steps, the median, the most."""
    asked: str
    """Of series what is to be answered, in words; "" for all else."""
    digest: str
    """Of the manifest."""
    edits: int = 0
    """Of labels, pictures and classes, that are in force."""
    several: bool = False
    """May a sample have several of the classes, as its labels, or none?"""

    @property
    def word(self) -> str:
        """What a class is called: of several labels a label."""
        return "label" if self.several else "class"


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
        if manifest.targets is not None and manifest.targets.ndim == 2:
            return tuple(manifest.targets[rows].sum(0, dtype=np.int64).tolist())
        return tuple(np.bincount(manifest.labels[rows], minlength=manifest.num_classes).tolist())

    looks = Counter(scan.looks)  # few different ones, however many pictures
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for look, count in looks.items():
        sizes[look.width, look.height] += count
        modes[look.mode] += count
        formats[look.format] += count
    targets, points = manifest.labels, manifest.arrays if manifest.kind == "points" else None
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
        split_samples={} if splits is None else {name: len(splits.ids(name)) for name in NAMES},
        target_range=(
            (float(targets.min()), float(targets.mean()), float(targets.max())) if manifest.regression else None
        ),
        sizes=tuple((width, height, count) for (width, height), count in sizes.most_common()),
        modes=dict(modes.most_common()),
        formats=dict(formats.most_common()),
        features=0 if points is None else points.shape[1],
        unit="sound" if set(formats) == {FORMAT} else manifest.unit,
        shape=() if points is None else points.shape[1:],
        columns=() if manifest.columns is None else tuple(manifest.columns.features),
        lengths=None if points is None or points.ndim != 3 else _steps(points),
        asked=_asked(manifest),
        digest=manifest.digest,
        edits=len(manifest.edits or ()),
        several=manifest.several,
    )


def _steps(series: np.ndarray) -> tuple[int, int, int]:
    """The fewest steps of series N F T that are infinite behind their ends, the median, the most."""
    lengths = (~np.isposinf(series[:, 0])).sum(1)
    return int(lengths.min()), int(np.median(lengths)), int(lengths.max())


def _asked(manifest: Manifest) -> str:
    """What is to be answered of series."""
    targets, known = manifest.targets, manifest.columns
    if targets is None or targets.ndim != 3 or known is None:
        return ""
    if known.foretold:
        return f"the next step of {', '.join(column.name for column in known.answers)}"
    once = bool((np.isfinite(targets).any(2).sum(1) == 1).all())
    return f"{'a class' if manifest.class_names else known.answers[0].name} {'at the end' if once else 'at each step'}"
