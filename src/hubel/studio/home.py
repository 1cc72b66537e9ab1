"""The first page: what could be trained on, and what runs now. It loads no torch."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from hubel.data.sources import SOURCES
from hubel.studio.asking import Asked, Route


def about(asked: Asked) -> dict[str, Any]:
    """What this studio is."""
    places = asked.studio.places
    return {
        "version": version("hubel"), "warm": asked.studio.warm.is_set(), "runs": places.spoken(places.runs),
        "folders": [places.spoken(folder) for folder in places.folders], "named": list(SOURCES),
    }  # fmt: skip


def sets(asked: Asked) -> list[Any]:
    """Data below the folders."""
    return list(asked.studio.places.sets())


def jobs(asked: Asked) -> list[Any]:
    """What runs, and what ran."""
    return list(asked.studio.jobs.all())


def look(asked: Asked) -> dict[str, Any]:
    """A path that somebody named, as a source."""
    return {"source": asked.studio.places.source(asked.word("path"))}


def stop(asked: Asked) -> Any:
    """End a job, as Ctrl-C does."""
    return asked.studio.jobs.stop(str(asked.said.get("job", "")))


ROUTES = [
    Route("about", about), Route("sets", sets), Route("jobs", jobs), Route("look", look),
    Route("stop", stop, "POST"),
]  # fmt: skip
