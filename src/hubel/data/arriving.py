"""Pictures, sounds or signals that arrive in a folder one after the other: each is named once, when it is whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from hubel.data.images import SUFFIXES
from hubel.data.walk import Found, walk
from hubel.errors import DataError

EVERY = 0.5
"""Seconds between two looks at the folder."""


def arriving(
    folder: str,
    *,
    idle: float | None = None,
    every: float | None = None,
    follow_links: bool = False,
    suffixes: frozenset[str] | None = None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[str]]:
    """Paths of files below `folder` that end like `suffixes` (pictures, if nobody says otherwise) and are new, oldest
    first, and [] where a look finds none; without end.

    A file is whole when its size and its times were the same at two looks, and it is not empty; one that is written
    anew counts as new. With `idle`, it ends after so many seconds without a new picture. Raises DataError where there
    is no such folder, or it is gone.
    """
    told: dict[str, tuple[int, int, int]] = {}
    before: dict[str, tuple[int, int, int]] = {}
    last = now()
    while True:
        if not os.path.isdir(folder):
            raise DataError(
                f"there is no folder {folder!r} for files to arrive in" if not told else f"{folder!r} is gone",
                hint="make it first; what arrives in it is looked at; a table that grows ends in .csv, .tsv or .jsonl",
            )
        found = Found(follow=follow_links, suffixes=suffixes or SUFFIXES)
        walk(folder, "", found)
        here = dict(zip(found.paths, found.stats, strict=True))
        whole = [
            path for path, stat in here.items() if stat[0] > 0 and before.get(path) == stat and told.get(path) != stat
        ]
        before = here
        whole.sort(key=lambda path: (here[path][1], path))
        for path in whole:
            told[path] = here[path]
        if whole:
            last = now()
        yield [os.path.join(folder, path) for path in whole]
        waits = any(told.get(path) != stat and stat[0] > 0 for path, stat in here.items())
        if idle is not None and not waits and now() - last >= idle:
            return
        sleep(EVERY if every is None else every)
