"""What is in a data source, and what is wrong with it: the question before the first training run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hubel.data.afar import reading_over
from hubel.data.augment import build_augment
from hubel.data.choose import check_levels, choose_preprocessing
from hubel.data.glimpses import glimpses, varied
from hubel.data.scan import scan as scan_manifest
from hubel.data.series import holds_series, is_table, open_series
from hubel.data.sources import SOURCES, open_as_learnt
from hubel.data.splits import split, unmeasured
from hubel.data.summary import describe
from hubel.faces.progress import shows_progress
from hubel.report.data import DataFacts
from hubel.watching import SILENT, Watcher

if TYPE_CHECKING:
    from hubel.figures.theme import Figure

__all__ = ["SOURCES", "DataReport", "scan"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DataReport(DataFacts):
    """The answer: counts, problems file by file, and what a net would see."""

    def sheet(self) -> Figure:
        """A contact sheet of what the net really sees: up to 12 pictures of up to 20 classes, evenly spread."""
        from hubel.figures.contact_sheet import contact_sheet

        p, manifest = self.pictures(), self._manifest
        rows = glimpses(manifest, p)
        size = f"{p.width}x{p.height} pixels, {'grey' if p.channels == 1 else 'colour'}"
        if {size[:2] for size in self.summary.sizes} != {(p.width, p.height)}:
            size += f", fit by {p.fit}"
        some = "" if len(rows) >= manifest.num_classes else f" ({len(rows)} of {manifest.num_classes} classes)"
        return contact_sheet(rows, title=f"{os.path.basename(manifest.source)} as the net sees it: {size}{some}")

    def augmented(self, augment: str, *, seed: int = 0) -> Figure:
        """A contact sheet of one picture of up to 20 classes: as the net sees it, then as varied in the first epochs.

        `augment` is a chain as in a recipe ("flip,rotate=15"); raises UnknownName and UsageError like `build_augment`.
        """
        from hubel.figures.contact_sheet import contact_sheet

        build_augment(augment)  # a name that is none is told first
        rows = varied(self._manifest, self.pictures(), augment, seed=seed)
        return contact_sheet(rows, title=f"{os.path.basename(self._manifest.source)} as it is, then with {augment}")


@shows_progress
def scan(
    source: str | os.PathLike[str],
    *,
    data_dir: str | None = None,
    img_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    fit: str = "auto",
    val: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    cache_dir: str | None = None,
    workers: int | None = None,
    on: str = "here",
    columns: Mapping[str, str] | None = None,
    images: str | Path | None = None,
    follow_links: bool = False,
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> DataReport:
    """List a source, read every file to its last byte, and say what there is.

    `columns`, `images`, `follow_links` and `data_root` say how it is read (`hubel.data.sources.open_source`).
    `on`: where many files are read, "here", "local" (a cluster of Ray started here), "ray://HOST:PORT" or "HOST:PORT"
    (extra `cluster`); all machines must see them, by the same path. `verbose` shows progress; None does where somebody
    looks, in a terminal or a notebook.

    Raises UsageError for a source that does not exist, DataError for one from which nothing can be learned.

    >>> report = scan("digits", val=0.2, test=0.2)
    >>> report.summary.samples, report.problems, report.preprocessing.shape
    (1797, (), (1, 8, 8))
    """
    watch.stage("reading the data")
    path = Path(source).expanduser()
    if path.is_file() and is_table(str(path)) and not images and holds_series(path, columns or {}):
        listed = open_series(path, columns=columns, val=val, test=test)
    else:
        listed = open_as_learnt(
            source, data_dir=data_dir, data_root=data_root, columns=columns, images=images, follow_links=follow_links,
            progress=watch.progress,
        )  # fmt: skip
    with reading_over(on, watch):
        found = scan_manifest(listed, cache_dir=cache_dir, workers=workers, progress=watch.progress)
    manifest = found.manifest
    preprocessing = None
    if manifest.kind != "points":
        preprocessing = choose_preprocessing(manifest, img_size=img_size, channels=channels, fit=fit)
        found = check_levels(found, preprocessing.levels)
    parts = split(manifest, val=val, test=test, seed=seed)
    return DataReport(
        summary=describe(found, parts),
        problems=(*found.problems, *unmeasured(parts, manifest, val=val, test=test)),
        preprocessing=preprocessing,
        given_splits=tuple(name for name in ("train", "val", "test") if (manifest.given_split == name).any()),
        _manifest=manifest,
    )
