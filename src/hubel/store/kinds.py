"""What a folder holds, told by its names alone: nothing is loaded to say so."""

from __future__ import annotations

import os

DETECTOR = "detector.json"
"""What marks the folder of a detector (`hubel anomaly`)."""


STEP_DETECTOR = "hubel-step-detector"
"""The format of a detector of strange steps, as its file says it near its beginning."""
_HEAD = 4096


def is_detector(place: str | os.PathLike[str]) -> bool:
    """Is this the folder of a detector?"""
    try:
        return os.path.isfile(os.path.join(os.fspath(place), DETECTOR))
    except (ValueError, TypeError):
        return False


def judges_steps(place: str | os.PathLike[str]) -> bool:
    """Is this the folder of a detector of strange steps, and not of strange pictures?"""
    if not is_detector(place):
        return False
    try:
        with open(os.path.join(os.fspath(place), DETECTOR), "rb") as file:
            return f'"{STEP_DETECTOR}"'.encode() in file.read(_HEAD)
    except OSError:
        return False
