"""What several pages look at: the net of a run and the data it was trained on, read once for all who ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hubel.checkpoint import Classifier
from hubel.errors import UsageError
from hubel.figures.images import picture
from hubel.records.nets import load
from hubel.records.own_data import OwnData, own_data
from hubel.studio.asking import Asked, Sent
from hubel.studio.state import Studio


def stamp(folder: Path) -> int:
    """Changes whenever the weights of a run do."""
    try:
        return (folder / "weights" / "best.json").stat().st_mtime_ns
    except OSError:
        return 0


def net(studio: Studio, folder: Path) -> Classifier:
    """The classifier of a run, as long as its weights are those on the disk."""
    return studio.keep(("net", folder, stamp(folder)), lambda: load(folder))


def own(studio: Studio, folder: Path) -> OwnData:
    """The data that a run was trained and measured on."""
    return studio.keep(("own", folder, stamp(folder)), lambda: own_data(folder, net(studio, folder)))


def row_of(asked: Asked, data: OwnData) -> int:
    """The sample that the address names by its number."""
    number = asked.number("id")
    if number >= len(data.decoded):
        raise UsageError(f"the data have samples 0 to {len(data.decoded) - 1}, got {number}")
    return number


def sent(pixels: np.ndarray, alt: str = "") -> Sent:
    """A picture, drawn anew: never a file as somebody wrote it."""
    drawn = picture(np.ascontiguousarray(pixels), alt=alt)
    return Sent(drawn.data, f"image/{drawn.kind}")
