"""The page Data: what is in a data set and what is wrong with it, its pictures, and edits that touch no file of it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hubel.data.decode import read_images, read_whole
from hubel.data.editing import ACTIONS, require_files
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import SOURCES, edit_log
from hubel.data.splits import NAMES, split
from hubel.errors import DataError, HubelError, UsageError
from hubel.studio.asking import Asked, Route, Sent
from hubel.studio.jobs import spoken
from hubel.studio.seen import sent
from hubel.verbs.data import DataReport, scan
from hubel.verbs.edit import edit

SIDE = 96
"""Pixels of a picture in the grid."""
MOST = 400
"""Pictures that are told at once."""
PROBLEMS = 200


@dataclass(frozen=True)
class Listed:
    """A source as it was read."""

    report: DataReport
    parts: np.ndarray
    """N: the split of each sample, 0 to 2, by the seed that a training takes if nobody says otherwise; 3 for none."""

    @property
    def manifest(self) -> Manifest:
        """The samples that count."""
        return self.report._manifest


def _stamp(source: str) -> int:
    """Changes with every edit."""
    if source in SOURCES:
        return 0
    log = edit_log(Path(source).absolute(), os.path.realpath(source)).place
    try:
        return log.stat().st_size
    except OSError:
        return 0


def listed(asked: Asked, source: str, at: str = "") -> Listed:
    """A source read whole, kept until it is edited; `at` asks for it as it was read before."""
    stamp = int(at) if at.isascii() and at.isdigit() else _stamp(source)

    def look() -> Listed:
        report = scan(source, verbose=False)
        parts = np.full(len(report._manifest), 3, np.int8)
        drawn = split(report._manifest, val=0.1, test=0.1, seed=0)
        for number, name in enumerate(NAMES):
            parts[drawn.ids(name)] = number
        return Listed(report, parts)

    return asked.studio.keep(("data", source, stamp), look)


def about(asked: Asked) -> dict[str, Any]:
    """Counts by class and split, what is wrong, what a net would see."""
    source = asked.studio.places.source(asked.word("source"))
    found = listed(asked, source)
    report = found.report
    sight = report.preprocessing
    return {
        "source": source, "at": _stamp(source), "text": str(report).splitlines()[0], "kind": report.summary.kind,
        "classes": list(report.summary.class_names), "several": found.manifest.several,
        "samples": report.summary.samples,
        "counts": report.summary.split_counts, "sizes": report.summary.sizes[:5],
        "formats": report.summary.formats, "fixed": _fixed(found.manifest),
        "sight": None if sight is None else [sight.channels, sight.height, sight.width],
        "problems": [asdict(problem) for problem in report.problems[:PROBLEMS]],
        "more_problems": max(0, len(report.problems) - PROBLEMS), "command": spoken(["data", source]),
        "clean": spoken(["clean", source]),
    }  # fmt: skip


def _fixed(manifest: Manifest) -> str:
    """Why labels are not edited, in words; "" where they are."""
    try:
        require_files(manifest)
    except HubelError as error:
        return f"{error.what}: {error.hint}"
    return ""


def rows(asked: Asked) -> dict[str, Any]:
    """Samples of a class and a split, from one place on: their numbers, names and classes."""
    found = listed(asked, asked.studio.places.source(asked.word("source")), asked.query.get("at", ""))
    manifest = found.manifest
    keep = np.ones(len(manifest), bool)
    if (word := asked.query.get("class", "")) != "":
        keep &= _of(manifest, asked.number("class", least=0))
    if (word := asked.query.get("split", "")) in NAMES:
        keep &= found.parts == NAMES.index(word)
    if word := asked.query.get("find", "").casefold():
        keep &= np.array([word in manifest.name(row).casefold() for row in range(len(manifest))])
    ids = np.flatnonzero(keep)
    first, count = asked.number("from", 0), asked.number("count", 200, least=1, most=MOST)
    shown = ids[first : first + count]
    paths = manifest.paths
    return {
        "total": len(ids), "from": first, "ids": shown, "labels": _labels(manifest, shown),
        "names": [manifest.name(int(row)) if paths is not None else f"sample {row}" for row in shown],
        "splits": [NAMES[part] if part < 3 else "" for part in found.parts[shown].tolist()],
    }  # fmt: skip


def _of(manifest: Manifest, number: int) -> np.ndarray:
    """N, bool: has the sample that label? Where it may have several, one more than there are labels means none."""
    if not manifest.several or manifest.targets is None:
        return np.asarray(manifest.labels) == number
    there = manifest.targets > 0
    return np.asarray(there[:, number] if number < there.shape[1] else ~there.any(axis=1))


def _labels(manifest: Manifest, shown: np.ndarray) -> Any:
    """Of some samples the number of their label; or all numbers of each, where it may have several."""
    if not manifest.several or manifest.targets is None:
        return manifest.labels[shown]
    return [np.flatnonzero(row) for row in manifest.targets[shown]]


def tile(asked: Asked) -> Sent:
    """A sample, small and whole, or, with `as=net`, as a net would get it."""
    found = listed(asked, asked.studio.places.source(asked.word("source")), asked.query.get("at", ""))
    manifest, sight = found.manifest, found.report.preprocessing
    row = asked.number("id")
    if sight is None:
        raise UsageError("points have no picture")
    if row >= len(manifest):
        raise UsageError(f"the data have samples 0 to {len(manifest) - 1}, got {row}")
    wide = asked.number("side", SIDE, least=16, most=1024)
    if asked.query.get("as") == "net":
        return sent(_fitted(manifest, row, sight))
    if manifest.arrays is not None or max(max(size[:2]) for size in found.report.summary.sizes) <= SIDE:
        return sent(next(read_whole(manifest, np.array([row]), sight)))
    return sent(_fitted(manifest, row, replace(sight, height=wide, width=wide, fit="pad", channels=3)))


def _fitted(manifest: Manifest, row: int, sight: Preprocessing) -> np.ndarray:
    if manifest.arrays is not None:
        return sight.array(manifest.arrays[row])
    images, _, problems = read_images([os.path.join(manifest.root, manifest.files[row])], sight)
    if problems:
        raise DataError(f"{manifest.name(row)} cannot be read any more: {problems[0].reason}")
    return images[0]


def change(asked: Asked) -> dict[str, Any]:
    """One edit, as `hubel edit` knows them; a line in the log beside the data, and no file is touched."""
    said = asked.said
    source = asked.studio.places.source(str(said.get("source", "")))
    words = said.get("words", [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UsageError("words must be a list of texts")
    do = str(said.get("do", ""))
    if do not in ACTIONS:
        raise UsageError(f"{do[:40]!r} is no edit", hint=", ".join(ACTIONS))
    new = said.get("new_class") is True
    found = edit(source, do, *words, new_class=new, verbose=False)
    return {
        "sentence": found.sentence, "made": [one.id for one in found.made], "file": found.place,
        "log": [{"id": one.id, "text": one.sentence, "state": found.state(one)} for one in found.log[-30:]],
        "command": spoken(["edit", source, do, *words, *(["--new-class"] if new else [])]),
    }  # fmt: skip


ROUTES = [
    Route("about", about), Route("rows", rows), Route("tile", tile), Route("edit", change, "POST"),
]  # fmt: skip
