"""Activations: the maps of a layer for one picture, strongest channels first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubel.checkpoint import Classifier
from hubel.features import units
from hubel.features.units import Activations
from hubel.records.nets import stage_name
from hubel.records.subjects import see_picture


def activations(
    run: str | Path | Classifier, picture: Any, stage: str | int | None = None, *, device: str = "auto"
) -> Activations:
    """The maps of a stage (by number, from 1 on) or layer (by name) for a picture; of the last stage unless given."""
    seen = see_picture(run, picture, device=device, answers=False)
    return units.activations(seen.model, seen.image, stage_name(seen.model, stage))
