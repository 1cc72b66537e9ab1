"""Pictures that arrive in a folder one after the other: each is named once, when it is whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

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
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[str]]:
    """Paths of pictures below `folder` that are new, oldest first, and [] where a look finds none; without end.

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
                f"there is no folder {folder!r} for pictures to arrive in" if not told else f"{folder!r} is gone",
                hint="make it first; pictures that arrive in it are looked at",
            )
        found = Found(follow=follow_links)
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
