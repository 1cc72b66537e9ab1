"""The data that a run was trained on, read again through its checkpoint.

Size, fit, channels and statistics come from the weights' own manifest, the parts from split.json, and config.yaml only
says which data it is: whatever else somebody writes into it later, a picture looks to the net as it did in training.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hubel.checkpoint import Classifier, check_classes
from hubel.data.changes import Edit
from hubel.data.decode import Decoded, decode, scaled
from hubel.data.keeping import prepare_kept
from hubel.data.manifest import Manifest, printable
from hubel.data.one_picture import open_picture
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan, conclude
from hubel.data.series import is_table, open_series
from hubel.data.sources import FLAGS, SOURCES, is_there, moved, open_source
from hubel.data.splits import Splits
from hubel.data.unlabelled import TURNS, UNNAMED, Known, open_pictures, set_aside
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.recipes.schema import Recipe, compose, read_file
from hubel.records.folder import began_with, edits_of
from hubel.store import RunStore
from hubel.watching import SILENT, Watcher
from hubel.words import plural

MASKED = ("segment",)
"""Tasks that learn masks."""
LISTS = ("multilabel",)
"""Tasks whose labels are lists in a table's cells."""
ANY_CLASSES = ("embed",)
"""Tasks whose answers are measured on any classes, learnt or not."""
ANY_PICTURES = ("reconstruct",)
"""Tasks that any pictures will do for, in class folders or not."""
SERIES = ("sequence",)
"""Tasks for which a table holds rows in the order of time."""
ONE_PICTURE = ("field",)
"""Tasks that learn the pixels of one picture file."""
Decided = Sequence[Edit]
"""Edits, in their order."""
NO_PICTURES = Preprocessing(height=1, width=1)
"""What `decode` is given for points, which it passes through."""


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """What a run was trained and measured on, decoded as its net takes it."""

    scan: Scan
    decoded: Decoded
    splits: Splits
    added: int = 0
    """Samples that the data have got since; they are none of these."""

    def ids(self, split: str) -> np.ndarray:
        """Rows of a split."""
        return self.splits.ids(split)

    @property
    def left_out(self) -> np.ndarray:
        """Rows that it was tested on; where there is no test part, those of validation."""
        return self.ids("test") if len(self.ids("test")) else self.ids("val")


def open_data(recipe: Recipe, watch: Watcher = SILENT, *, edits: Decided | None = None) -> Manifest:
    """The source that a recipe names, as it says that it is to be read. Raises as `open_source`, which knows `edits`.

    Where it learns without labels, all of its pictures; labels are set aside by `bared`, once they have been read.
    """
    part = recipe.data
    if recipe.train.task in ONE_PICTURE:
        return _one_picture(recipe)
    if recipe.train.task in SERIES and is_table(part.data):
        return _series(recipe)
    opened = open_pictures if without_classes(recipe) else open_source
    more: dict[str, Any] = {"lists": True} if recipe.train.task in LISTS else {}
    if opened is open_source and recipe.train.task is not None:
        more["masks"] = recipe.train.task in MASKED
    return opened(
        part.data, data_dir=part.data_dir, data_root=part.data_root, columns=part.columns, images=part.images,
        follow_links=part.follow_links, edits=edits, progress=watch.progress, **more,
    )  # fmt: skip


def _one_picture(recipe: Recipe) -> Manifest:
    """The pixels of the picture file that a recipe names. Raises UsageError for what is said of folders and tables."""
    part = recipe.data
    for name, value in (("columns", part.columns), ("images", part.images), ("follow_links", part.follow_links)):
        if value:
            raise UsageError(f"{FLAGS[name]} has no meaning for one picture", hint=f"leave {FLAGS[name]} out")
    place = part.data if part.data_root is None else moved(part.data, part.data_root)
    return open_picture(
        place, img_size=part.img_size, channels=part.in_chans, fit=part.fit, interpolation=part.interpolation
    )


def _series(recipe: Recipe) -> Manifest:
    """The series of a table that a recipe names. Raises UsageError for what is said of pictures."""
    part = recipe.data
    for name, value in (("images", part.images), ("follow_links", part.follow_links)):
        if value:
            raise UsageError(f"{FLAGS[name]} has no meaning for a table of series", hint=f"leave {FLAGS[name]} out")
    place = part.data if part.data_root is None else moved(part.data, part.data_root)
    val = 0.1 if part.val_fraction is None else part.val_fraction
    return open_series(place, columns=part.columns, val=val, test=part.test_fraction)


def without_classes(recipe: Recipe) -> bool:
    """Does a recipe take pictures of which no class is known, too?"""
    return recipe.pretext.method is not None or recipe.train.task in ANY_PICTURES


def reads_otherwise(before: Recipe, after: Recipe) -> bool:
    """Are data that were opened before their task was chosen to be opened again for it?"""
    return after.train.task in (*LISTS, *ANY_PICTURES) and before.train.task != after.train.task


def bared(recipe: Recipe, scan: Scan, decoded: Decoded) -> tuple[Scan, Decoded, Known | None]:
    """What a recipe learns from: without labels, and the labels, where it learns without; else as it came."""
    if recipe.pretext.method is None:
        return scan, decoded, None
    return set_aside(scan, decoded, TURNS if recipe.pretext.method == "rotation" else UNNAMED)


def placed(folder: Path, recipe: Recipe, data_root: str | Path | None = None) -> Recipe:
    """The recipe of the run in `folder` with its data as they are found from here.

    They lie in `data_root` or the environment's HUBEL_DATA_ROOT if they moved, else where they lay when the run began,
    whatever folder that was begun in, else where the recipe says; its teacher lies where it lay then.
    """
    part, named = recipe.data, recipe.data.data in SOURCES
    began = _began_in(folder)
    said = {"teacher": recipe.distillation.teacher}
    said |= {} if named else {name: getattr(part, name) for name in ("data", "data_root", "images")}
    places = {
        name: place
        for name, where in said.items()
        if where and is_there(place := os.path.join(began, os.path.expanduser(where)))
    }
    # A place that is said for a named set is refused where the set is opened.
    root = data_root if named else data_root or os.environ.get("HUBEL_DATA_ROOT")
    return recipe.change(**places | ({"data_root": str(root)} if root else {})) if places or root else recipe


def reading_of(folder: Path | None, data: str, said: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """How data that are named beside the run in `folder` are read: as `said`, else as those that it was trained on.

    The result are arguments for `open_source`. A table has the columns of the run's own one; only that one itself also
    has its folder of images.
    """
    said = dict(said or {})
    if folder is None or any(said.values()) or data in SOURCES or not (folder / "config.yaml").is_file():
        return said
    part = placed(folder, compose(read_file(folder / "config.yaml"))).data
    if not is_table(data):
        alike = data.casefold().endswith(".parquet") and not is_table(part.data)
        return {"follow_links": part.follow_links} | ({"columns": part.columns} if alike else {})
    own = os.path.realpath(os.path.expanduser(data)) == os.path.realpath(os.path.expanduser(part.data))
    return {"columns": part.columns, "images": part.images if own else None, "follow_links": part.follow_links}


def _began_in(folder: Path) -> str:
    """The folder that a run was begun in, "" where it does not say."""
    store = RunStore.open(folder)
    try:
        said = store.read_json("env.json").get("folder", "") if store.exists("env.json") else ""
    except (ArtefactError, AttributeError):  # where it began is a help, no more
        return ""
    return said if isinstance(said, str) else ""


def find_again(recipe: Recipe, watch: Watcher = SILENT, *, edits: Decided | None = None) -> Manifest:
    """The source of a run's `placed` recipe with its own `edits`; DataError, with the way out, where it is gone."""
    try:
        return open_data(recipe, watch, edits=edits)
    except UsageError as error:
        if recipe.data.data in SOURCES:
            raise
        place = recipe.data.data_root or recipe.data.data
        gone = not recipe.data.data_root and not is_there(os.path.expanduser(place))
        what = f"there is no {printable(place)}, neither here nor where it began" if gone else error.what
        raise DataError(
            f"the data of the run cannot be found: {what}",
            hint=f"--data-root FOLDER, or HUBEL_DATA_ROOT, says where {printable(Path(place).name)} lies now; "
            "other data: hubel evaluate RUN DATA",
        ) from None


def own_data(
    folder: Path, classifier: Classifier, watch: Watcher = SILENT, *, data_root: str | Path | None = None
) -> OwnData:
    """The data of the run in `folder`, after a check that neither samples nor split have changed since.

    Samples that were only added are left out, and told to `watch`: what is measured stays what it was.

    `data_root` says where they lie now, if they moved. Raises ArtefactError where the folder does not say which data it
    was and for published weights, DataError where they are gone or changed.
    """
    entry = classifier.published
    if entry is not None:
        raise ArtefactError(
            f"the pictures that {entry.model} was trained on, {entry.trained_on}, are not here",
            hint=f"name others: hubel evaluate {entry.model} DATA",
        )
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
    listed = find_again(placed(folder, recipe, data_root), watch, edits=edits_of(store))
    scan, decoded = _read(listed, classifier, recipe, watch)
    added = 0
    if scan.manifest.digest != splits.manifest_digest and (known := began_with(store, listed)) is not None:
        count = len(scan.manifest)
        scan, decoded = _read(known, classifier, recipe, watch)
        added = count - len(scan.manifest)
        watch.remark(f"the data have got {plural(added, 'sample')} since this run began: left out here")
    splits.verify(scan.manifest)
    check_classes(classifier.class_names, scan.manifest.class_names)
    return OwnData(scan=scan, decoded=decoded, splits=splits, added=added)


def _check_columns(listed: Manifest, classifier: Classifier) -> None:
    """Raise DataError where rows are read with other columns than the net has seen."""
    if listed.columns is None or classifier.columns is None:
        return
    found, seen = ([printable(column.name) for column in each.columns] for each in (listed.columns, classifier.columns))
    if seen != found:
        other = ", ".join(name for name in seen if name not in found) or "others"
        raise DataError(
            f"{printable(listed.source)} is read with the columns {', '.join(found)}; the net saw {', '.join(seen)}",
            hint=f"{other}: a column that says the same in every row is left out now; train again, or name the table: "
            "hubel evaluate RUN TABLE",
        )


def _read(listed: Manifest, classifier: Classifier, recipe: Recipe, watch: Watcher) -> tuple[Scan, Decoded]:
    """Samples that were listed, as the net takes them."""
    if classifier.preprocessing is None:
        scan = conclude(listed, None)
        _check_columns(listed, classifier)
        decoded = decode(scan.manifest, NO_PICTURES)
        return scan, decoded if classifier.columns is None else scaled(decoded, classifier.columns)
    keep = recipe.data.cache if recipe.data.cache == "none" else None  # of another disk or memory the run knew nothing
    scan, decoded, _ = prepare_kept(
        listed, classifier.preprocessing, keep=keep, workers=recipe.data.workers, progress=watch.progress,
        partial=without_classes(recipe),
    )  # fmt: skip
    scan, decoded, _ = bared(recipe, scan, decoded)
    return scan, decoded
