"""Bursts: pictures of one scene, one after the other, which must not lie on both sides of a split.

Three signs, each of two pictures that follow each other: the camera took them within moments, by the time in their
files; their names count on (IMG_0012, IMG_0013) and they look nearly alike; or they are twins. What is joined by such
steps is one burst. Names alone say nothing: whole data sets are numbered.

Letters: N pictures.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hubel.care.twins import Twins, drawings, likeness
from hubel.data.moments import Moment

GAP = 2.0
"""Seconds between two pictures of a burst."""
LIKE_TIMED, LIKE_COUNTED = 0.4, 0.85
"""The least correlation of pixels of two pictures that follow each other by time, and by number."""
EDGES_COUNTED = 0.5
"""The least correlation of the edges of two that follow each other by number."""
STEP = 2
"""How far numbers of two pictures that follow each other may be apart: one may have been thrown away."""
CROWD = 40
"""Pictures of one second from which on the time is taken for that of a copy or a scan, and says nothing."""
_NUMBER = re.compile(r"^(.*?)(\d{1,12})(\D*)$")


@dataclass(frozen=True, kw_only=True)
class Burst:
    """Pictures of one scene."""

    rows: tuple[int, ...]
    """In the order in which they were taken, or of their names."""
    signs: tuple[str, ...]
    """What joins them: time, number, twins."""
    splits: tuple[str, ...]
    """Parts of the split that it lies in."""


def numbered(name: str) -> tuple[str, int] | None:
    """A name without its last number, and that number; None for a name without.

    >>> numbered("film-1/IMG_0012.jpg"), numbered("cat.png")
    (('film-1/IMG_#.jpg', 12), None)
    """
    folder, slash, base = name.rpartition("/")
    stem, dot, ending = base.rpartition(".")
    found = _NUMBER.match(stem if dot else base)
    if found is None:
        return None
    return f"{folder}{slash}{found[1]}#{found[3]}{dot}{ending if dot else ''}", int(found[2])


def find_bursts(
    names: Sequence[str],
    grey: np.ndarray,
    moments: Mapping[int, Moment],
    twins: Sequence[Twins],
    splits: Sequence[str],
    *,
    small: np.ndarray | None = None,
) -> list[Burst]:
    """Bursts among pictures called `names`, N 32 32 grey levels; those across the split first, then the longest.

    `moments` of the rows that know theirs; `splits` is the part of each row, "" for none. Of `small` pictures (N,
    whether) numbers say nothing, since all of a kind look alike.
    """
    parent = list(range(len(names)))
    signs: dict[tuple[int, int], str] = {}

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(one: int, other: int, sign: str) -> None:
        signs.setdefault((min(one, other), max(one, other)), sign)
        parent[find(other)] = find(one)

    for first, second in _like(_timed(moments), grey, LIKE_TIMED, 0.0):
        join(first, second, "time")
    unclear = drawings(grey) if small is None else drawings(grey) | small
    counted = [pair for pair in _counted(names) if not unclear[list(pair)].any()]
    for first, second in _like(counted, grey, LIKE_COUNTED, EDGES_COUNTED):
        join(first, second, "number")
    for group in twins:
        for row in group.rows[1:]:
            join(group.rows[0], row, "twins")
    members: dict[int, list[int]] = defaultdict(list)
    for row in range(len(names)):
        members[find(row)].append(row)
    held: dict[int, set[str]] = defaultdict(set)
    for (one, _), sign in signs.items():
        held[find(one)].add(sign)

    def order(row: int) -> tuple[float, str, int]:
        stem, number = numbered(names[row]) or (names[row], 0)
        return (moments[row].seconds if row in moments else float("inf"), stem, number)

    found = [
        Burst(
            rows=tuple(sorted(rows, key=order)),
            signs=tuple(sorted(held[root])),
            splits=tuple(sorted({splits[row] for row in rows} - {""})),
        )
        for root, rows in members.items()
        if len(rows) > 1 and held[root] != {"twins"}  # twins stay together anyway, and are told as such
    ]
    return sorted(found, key=lambda burst: (-len(burst.splits), -len(burst.rows), burst.rows))


def _timed(moments: Mapping[int, Moment]) -> list[tuple[int, int]]:
    """Pairs that one camera took within GAP of each other."""
    shared = Counter((moment.camera, int(moment.seconds)) for moment in moments.values())
    by_camera: dict[str, list[int]] = defaultdict(list)
    for row, moment in moments.items():
        if shared[moment.camera, int(moment.seconds)] <= CROWD:
            by_camera[moment.camera].append(row)
    pairs = []
    for rows in by_camera.values():
        rows.sort(key=lambda row: (moments[row].seconds, row))
        pairs += [
            (one, other)
            for one, other in itertools.pairwise(rows)
            if moments[other].seconds - moments[one].seconds <= GAP
        ]
    return pairs


def _counted(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs whose names count on."""
    by_stem: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row, name in enumerate(names):
        found = numbered(name)
        if found is not None:
            by_stem[found[0]].append((found[1], row))
    pairs = []
    for entries in by_stem.values():
        entries.sort()
        pairs += [(one, other) for (low, one), (high, other) in itertools.pairwise(entries) if high - low <= STEP]
    return pairs


def _like(pairs: Sequence[tuple[int, int]], grey: np.ndarray, least: float, edges: float) -> list[tuple[int, int]]:
    """Pairs that look alike."""
    if not pairs:
        return []
    first, second = np.array(pairs).T
    pixels, outlines = likeness(grey, first, second)
    kept = (pixels >= least) & (outlines >= edges)
    return [pair for pair, keep in zip(pairs, kept.tolist(), strict=True) if keep]
