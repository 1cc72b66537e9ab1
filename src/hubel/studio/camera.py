"""The page Camera: class cards that fill while a button is held, as a folder that any command can train on.

Frames that were taken in one go are nearly alike. They carry the name of their burst, and before the first training
each burst becomes a group, which never lies on both sides of a split: what is measured is then not what was learnt.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from hubel.data.sources import open_source
from hubel.errors import UsageError
from hubel.studio.asking import Asked, Route
from hubel.studio.jobs import Job
from hubel.studio.keeping import as_file, class_name, keep
from hubel.studio.places import PICTURES, Places
from hubel.verbs.edit import edit

BURST = re.compile(r"(burst[0-9a-z]{6,20})-[0-9a-f]{12}\.(png|jpg)")
TIME = "30s"
"""That the first training takes at most: somebody stands before the camera."""


def _set(places: Places, name: str) -> Path:
    """The folder of a set that is made here, in the first folder of the studio."""
    return places.inside(str(places.folders[0] / class_name(name)))


def cards(asked: Asked) -> dict[str, Any]:
    """The classes of a set, and how many pictures each has."""
    folder = _set(asked.studio.places, asked.word("set", "camera"))
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {
        "folder": asked.studio.places.spoken(folder),
        "classes": [
            {"name": each.name, "pictures": sum(inner.suffix in PICTURES for inner in each.iterdir())}
            for each in found
            if each.is_dir() and not each.name.startswith(".")
        ],
    }  # fmt: skip


def record(asked: Asked) -> dict[str, Any]:
    """One frame of a burst, the body, for a class of a set; both are made if need be."""
    burst = asked.word("burst")
    if not re.fullmatch(r"burst[0-9a-z]{6,20}", burst):
        raise UsageError(f"{burst[:40]!r} is no name of a burst")
    folder = _set(asked.studio.places, asked.word("set", "camera")) / class_name(asked.word("label"))
    return {"file": asked.studio.places.spoken(keep(folder, *as_file(asked.body, stem=burst)))}


def forget(asked: Asked) -> dict[str, Any]:
    """Remove the last burst of a class that was recorded here; nothing else can be removed."""
    said = asked.said
    folder = _set(asked.studio.places, str(said.get("set", "camera"))) / class_name(str(said.get("label", "")))
    by_burst: dict[str, list[Path]] = defaultdict(list)
    for path in folder.iterdir() if folder.is_dir() else ():
        if found := BURST.fullmatch(path.name):
            by_burst[found[1]].append(path)
    if not by_burst:
        raise UsageError("no burst of this class was recorded here")
    last = max(by_burst, key=lambda burst: max(path.stat().st_mtime_ns for path in by_burst[burst]))
    for path in by_burst[last]:
        path.unlink()
    return {"removed": len(by_burst[last])}


def train(asked: Asked) -> Job:
    """Bursts become groups, and a training begins that is over within a minute."""
    places = asked.studio.places
    folder = _set(places, str(asked.said.get("set", "camera")))
    source = places.source(str(folder))
    manifest = open_source(source)
    known = {path: str(group) for path, group in zip(manifest.paths or (), _groups(manifest), strict=True)}
    bursts: dict[str, list[str]] = defaultdict(list)
    for path in manifest.paths or ():
        found = BURST.fullmatch(Path(path).name)
        if found and known[path] != found[1]:
            bursts[found[1]].append(path)
    for burst, paths in bursts.items():
        edit(source, "group", *paths, burst, verbose=False)
    words = ["train", source, "--time", TIME]
    if places.spoken(places.runs) != "runs":
        words += ["--out", str(places.runs)]
    return asked.studio.jobs.start(words)


def _groups(manifest: Any) -> list[str]:
    return [""] * len(manifest) if manifest.groups is None else [str(group) for group in manifest.groups]


ROUTES = [
    Route("cards", cards), Route("record", record, "POST"), Route("forget", forget, "POST"),
    Route("train", train, "POST"),
]  # fmt: skip
