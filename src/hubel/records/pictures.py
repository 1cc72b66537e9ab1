"""Pictures by the name of a file, or as samples of a source: `cat.jpg`, `digits:3`, `photos/:12`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hubel.data.choose import choose_preprocessing
from hubel.data.decode import decode, read_images
from hubel.data.given import way_out
from hubel.data.images import SUFFIXES
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import scan
from hubel.data.sources import open_source
from hubel.data.splits import limited
from hubel.errors import DataError
from hubel.records.own_data import reading_of


def read(
    data: str, preprocessing: Preprocessing | None, *, count: int = 1, smallest: int = 1, run: Path | None = None
) -> tuple[np.ndarray, torch.Tensor | None, Preprocessing, tuple[str, ...]]:
    """Pictures B C H W uint8, labels if known, the geometry they were read with, and the class names.

    `run` is the folder of a run that they are shown to: a table is read as the one that it was trained on.
    """
    if Path(data).suffix.lower() in SUFFIXES and Path(data).is_file():
        side = max(64, smallest)
        chosen = preprocessing or Preprocessing(height=side, width=side)
        pixels, _, problems = read_images([data], chosen)
        if problems:
            hint = way_out(problems[0], "open it in a viewer, and save it again as PNG")
            raise DataError(f"{data}: {problems[0].reason}", hint=hint, reason=problems[0].reason)
        return pixels, None, chosen, ()
    source, _, place = data.rpartition(":")
    if not (place.isascii() and place.isdigit() and source):
        source, place = data, ""
    manifest = open_source(source, **reading_of(run, source))
    first, last = int(place[:18] or 0), len(manifest) - 1
    if first > last:
        raise DataError(f"{source} has samples 0 to {last}, got {place}", hint=f"for example {source}:0")
    if manifest.kind == "points":
        raise DataError(f"{source} holds points, not pictures", hint="for example digits:3")
    rows = np.arange(first, min(first + count, len(manifest)))
    if manifest.kind == "files" and not place and count > 1:
        # Files are listed class by class: the first of them would be of the first classes only.
        rows = limited(np.arange(len(manifest)), _strata(manifest), count)
    wanted = manifest.select(rows)
    if wanted.kind == "files":
        # Picked out of a set, they are no set of their own: they may be of one class.
        wanted = scan(wanted, partial=True).manifest
    chosen = preprocessing or choose_preprocessing(wanted)
    if min(chosen.height, chosen.width) < smallest:
        chosen = Preprocessing(height=smallest, width=smallest, channels=chosen.channels, fit=chosen.fit)
    decoded = decode(wanted, chosen)
    return np.ascontiguousarray(decoded.images), torch.from_numpy(wanted.labels.copy()), chosen, manifest.class_names


def one_picture(name: str, preprocessing: Preprocessing, *, run: Path | None = None) -> np.ndarray:
    """C H W uint8: the picture of a file, or a sample of a source. Raises DataError where there is none."""
    path = Path(name)
    if not path.exists() and ":" not in name:
        raise DataError(f"there is no picture {name}", hint='give a file, or a sample of a source: "digits:3"')
    if path.is_dir():
        raise DataError(f"{name} is a folder, and one picture is needed", hint="give a file in it")
    try:
        found: np.ndarray = read(name, preprocessing, run=run)[0][0]
    except DataError as error:
        hint = error.hint or "save it again from where it came, smaller than 64 megapixels, or give another picture"
        raise DataError(error.what, hint=hint) from error
    return found


def _strata(manifest: Manifest) -> np.ndarray:
    """What a fair sample has some of: classes, or fifths of the range of the numbers."""
    if not manifest.regression:
        return manifest.labels
    return np.argsort(np.argsort(manifest.labels, kind="stable")) * 5 // len(manifest)
