"""Pictures of any kind through a detector, a batch at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubel.anomalies.artefact import Detector
from hubel.anomalies.sighting import Sighting, Sightings, sight
from hubel.data.given import read_given, spread, way_out
from hubel.data.manifest import Problem
from hubel.data.shards import pictures_inside
from hubel.errors import DataError
from hubel.watching import SILENT, Watcher
from hubel.words import plural


def sightings(
    detector: Detector, pictures: Any, *, batch_size: int = 64, follow_links: bool = False, watch: Watcher = SILENT
) -> Sightings:  # fmt: skip
    """What a detector says of pictures (all that `hubel.predict` takes): score, verdict, map.

    Unreadable files are named in `.problems`. Raises DataError where none can be read, ArtefactError, UsageError.
    """
    problems: list[Problem] = []

    def inside(folder: Path) -> list[Path]:
        paths, odd = pictures_inside(str(folder), follow=follow_links)
        problems.extend(odd)
        return [Path(path) for path in paths]

    items = list(spread(pictures, inside))
    found: list[Sighting] = []
    for start in range(0, len(items), batch_size):
        names, images, bad = read_given(items[start : start + batch_size], detector.preprocessing, first=start)
        problems += bad
        found += sight(detector, names, images) if len(images) else []
        watch.progress(min(start + batch_size, len(items)), len(items))
    if not found:
        usual = "give files or folders: hubel predict DETECTOR new/"
        first = f"; first: {problems[0].path}: {problems[0].reason}" if problems else ""
        raise DataError(
            f"none of {plural(max(len(items), len(problems)), 'picture')} can be read{first}",
            hint=way_out(problems[0], usual) if problems else usual,
            reason=problems[0].reason if len(problems) == 1 else "",
        )
    answer = Sightings(found)
    answer.problems = tuple(problems)
    return answer
