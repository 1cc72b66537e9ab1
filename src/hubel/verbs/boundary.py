"""Boundary: what a run on two numbers answers in the plane, with the samples it was measured on."""

from __future__ import annotations

from pathlib import Path

from hubel.deploy.points import measure_plane
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.figures.theme import Figure
from hubel.records.samples import samples_of
from hubel.report.drawings.points import draw_plane
from hubel.watching import SILENT, Watcher


@shows_progress
def boundary(run: str | Path, *, split: str = "test", verbose: bool | None = None, watch: Watcher = SILENT) -> Figure:
    """The plane of a run's two features in the colours of its classes, with the samples of a `split`.

    Raises UsageError for a run on another number of features, ArtefactError for one on pictures or on a number.
    """
    samples = samples_of(run, split=split, points=True, watch=watch)
    if samples.classifier.preprocessing is not None:
        raise UsageError(
            f"a boundary is drawn of runs on two numbers, and {run} takes pictures",
            hint="for example of a run on moons or spirals",
        )
    found, points, known = measure_plane(samples.classifier, samples.pixels), samples.pixels, samples.classifier.columns
    axes = ("first number", "second number")
    if known is not None:  # in the units of the table
        points, axes = known.unscaled(points), (known.features[0], known.features[1])
        found = found.told(known)
    names = samples.classifier.class_names
    return draw_plane(found, points, samples.labels, names, name=Path(run).name, axes=axes)
