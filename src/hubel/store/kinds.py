"""What a folder holds, told by its names alone: nothing is loaded to say so."""

from __future__ import annotations

import os

DETECTOR = "detector.json"
"""What marks the folder of a detector (`hubel anomaly`)."""


def is_detector(place: str | os.PathLike[str]) -> bool:
    """Is this the folder of a detector?"""
    try:
        return os.path.isfile(os.path.join(os.fspath(place), DETECTOR))
    except (ValueError, TypeError):
        return False
