"""What stands beside `hubel anomaly`: its methods by name, and pictures of where something is strange."""

from __future__ import annotations

import re
from pathlib import Path

from hubel.anomalies.detecting import full_size
from hubel.anomalies.methods import METHODS, Method
from hubel.anomalies.sighting import Sightings
from hubel.anomalies.steps import STEP_METHODS
from hubel.errors import UsageError
from hubel.report.drawings.anomalies import draw_sighting
from hubel.store import RunStore


def list_methods() -> dict[str, Method]:
    """All methods by name, the cheap ones first."""
    return {name: METHODS.get(name) for name in METHODS}


def list_step_methods() -> dict[str, str]:
    """Methods for tables and signals by name, and what they are called."""
    return {name: method.title for name, method in STEP_METHODS.items()}


def save_maps(found: Sightings, folder: str | Path) -> list[Path]:
    """Draw each picture beside where it is strange, into a folder that is made if need be; returns the paths.

    Files are numbered, the strangest first, as the names of two pictures may be alike. Raises UsageError for a folder
    that holds something already.
    """
    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(f"--out must name a new or an empty folder, got {str(folder)!r}", hint="--out maps")
    place.mkdir(parents=True, exist_ok=True)
    store, written = RunStore(place), []
    for number, one in enumerate(sorted(found, key=lambda sighting: -sighting.score), 1):
        assert one.pixels is not None
        map_ = None if one.map is None else full_size(one.map[None], *one.pixels.shape[1:])[0]
        drawing = draw_sighting(one.pixels, map_, None, name=one.name)
        name = f"{number:04d}-{re.sub(r'[^A-Za-z0-9._-]+', '-', Path(one.name).stem)[:60]}.{drawing.kind}"
        store.write_bytes(name, drawing.data)
        written.append(place / name)
    return written
