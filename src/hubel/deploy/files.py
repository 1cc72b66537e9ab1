"""An exported file where a run could stand: is one meant, what may not be asked of it, and opened whatever its task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hubel.deploy.shipped import ANSWERS_VERSION, MOST_BYTES, Shipped, opened_model
from hubel.deploy.shipped_answers import ShippedAnswers
from hubel.errors import UsageError
from hubel.store import read_regular, shown

SUFFIX = ".onnx"


def is_shipped(run: object) -> bool:
    """Is an exported file meant, where a run could stand?

    >>> is_shipped("photos.onnx"), is_shipped("runs/photos-1")
    (True, False)
    """
    return isinstance(run, (str, Path)) and str(run).lower().endswith(SUFFIX)


def open_file(path: str | Path, *, threads: int = 0) -> Shipped | ShippedAnswers:
    """An exported file of any task. Raises ArtefactError for what is missing, damaged or somebody else's."""
    return opened_file(read_shipped(path), name=shown(str(path)), threads=threads)


def read_shipped(path: str | Path) -> bytes:
    """The bytes of an exported file. Raises ArtefactError for what is missing or too large to be one."""
    return read_regular(path, limit=MOST_BYTES)


def opened_file(data: bytes, *, name: str, threads: int = 0) -> Shipped | ShippedAnswers:
    """The same of its bytes."""
    _, says, _ = opened_model(data, name)
    kind = ShippedAnswers if says["version"] == ANSWERS_VERSION else Shipped
    return kind(data, name=name, threads=threads)


def refuse_settings(path: str, settings: Mapping[str, tuple[object, object]]) -> None:
    """Raise UsageError where something is asked of a file that it has in it: flag -> (what came, what is usual)."""
    for flag, (given, usual) in settings.items():
        if given != usual and not (flag == "--device" and given == "cpu"):
            raise UsageError(
                f"{flag} is for a run; {shown(path)} has its weights and its views in it, and answers on the CPU",
                hint=f"leave {flag} out",
            )
