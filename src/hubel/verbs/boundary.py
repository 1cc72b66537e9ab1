"""Boundary: what a run on two numbers answers in the plane, with the samples it was measured on."""

from __future__ import annotations

from pathlib import Path

from hubel.deploy.points import Plane, measure_plane
from hubel.errors import UsageError
from hubel.figures.plane import plane
from hubel.figures.theme import Figure
from hubel.records.samples import Samples, samples_of
from hubel.watching import SILENT, Watcher


def boundary(run: str | Path, *, split: str = "test", watch: Watcher = SILENT) -> Figure:
    """The plane of a run's two features in the colours of its classes, with the samples of a `split`.

    Raises UsageError for a run on pictures, on another number of features, or on numbers as targets.
    """
    samples = samples_of(run, split=split, points=True, watch=watch)
    found = measure_plane(samples.classifier, samples.pixels)
    return draw_plane(found, samples, Path(run).name)


def draw_plane(found: Plane, samples: Samples, name: str) -> Figure:
    """The picture of a plane."""
    if not samples.classifier.class_names:
        raise UsageError("a boundary needs classes, and this run predicts a number")
    return plane(
        found.across, found.up, found.shares, samples.pixels, samples.labels, samples.classifier.class_names,
        title=f"What {name} answers", caption="Paler where the net is less sure; the points are the samples measured.",
    )  # fmt: skip
