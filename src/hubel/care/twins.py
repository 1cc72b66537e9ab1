"""Twins: pictures that are the same, or nearly: equal bytes, equal pixels, or cropped, smaller, brighter, mirrored.

Equal bytes are told by their digest. Everything else is compared as grey pictures of 32 x 32 (`grey32`), in two steps:

1. Candidates. Each picture averaged to 8 x 8, without its mean and of length 1, against all others and their mirror
   images: all N² products, in blocks, so nothing is missed by an index. The nearest few go on.
2. Proof. Of a pair, windows of 100, 95 and 90 % of one picture, at nine places, are laid over the whole other one, and
   the other way round; where that nearly fits, eight sizes at 25 places. What counts is the best correlation of the
   pixels and, at the same place, of their edges: two skies look alike, but their edges do not agree.

Letters: N pictures, P pairs, W windows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

SIDE = 32
"""Pixels of a side at which pictures are compared."""
COARSE, FINE = 8, 16
NEAREST = 6
"""Candidates that each picture has among the others, and as many among their mirror images."""
CANDIDATE = 0.7
"""The least correlation of 8 x 8 averages that makes a pair a candidate."""
ALIKE, EDGES = 0.95, 0.85
"""The least correlation of pixels, and of edges, of two that are taken for the same picture."""
DRAWN = 0.4
"""The share of a picture that is of one level from which it counts as a drawing: digits, scans, products on white."""
ALIKE_DRAWN, EDGES_DRAWN = 0.985, 0.95
"""The same of drawings, of which two of one kind are alike anyway."""
NEARLY = 0.8
"""The correlation of pixels from which finer windows are tried: half a pixel of 32 may cost a tenth of it."""
FLAT = 3.0
"""Deviation of the levels below which a picture shows nothing that could be compared."""
_SCORES = 1 << 22
"""Likenesses that are sorted at once: some 70 MB."""
_PAIRS = 4096


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two pictures that are taken for the same."""

    first: int
    second: int
    kind: str
    """"bytes", "pixels", "near" or "mirrored"."""
    score: float
    """Correlation of the pixels where they fit best; 1 for equal ones."""


@dataclass(frozen=True, kw_only=True)
class Twins:
    """A group of pictures that are the same."""

    rows: tuple[int, ...]
    """The one to keep first: the largest in pixels, then in bytes."""
    kind: str
    """The weakest kind that holds the group together."""
    score: float
    """The lowest of the pairs that hold it together."""
    splits: tuple[str, ...]
    """Parts of the split that it lies in; more than one is a leak."""
    labels: tuple[str, ...]
    """Different classes that its pictures have; more than one is a contradiction."""


def grey32(images: np.ndarray) -> np.ndarray:
    """Pictures N C 32 32 uint8 as N 32 32 float32 grey levels (ITU-R BT.601 weights for colour)."""
    if images.shape[1] == 1:
        return images[:, 0].astype(np.float32)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.concatenate(
        [
            np.einsum("nchw,c->nhw", images[i : i + 4096].astype(np.float32), weights)
            for i in range(0, len(images), 4096)
        ]
        or [np.zeros((0, SIDE, SIDE), np.float32)]
    )


def find_pairs(
    grey: np.ndarray, progress: Callable[[int, int], None] | None = None, *, between: np.ndarray | None = None
) -> list[Pair]:
    """Pairs of near twins among N 32 32 grey pictures, each once, the surest first.

    `between` N: only pairs of which it says different things are looked at.

    >>> noise = np.random.default_rng(0).normal(128, 40, (3, 32, 32)).astype(np.float32)
    >>> noise[2] = noise[0, :, ::-1] * 0.8
    >>> [(pair.first, pair.second, pair.kind) for pair in find_pairs(noise)]
    [(0, 2, 'mirrored')]
    """
    shown = np.flatnonzero(grey.reshape(len(grey), -1).std(axis=1) > FLAT) if len(grey) else np.zeros(0, int)
    if len(shown) < 2:
        return []
    pairs: dict[tuple[int, int], Pair] = {}
    drawn = drawings(grey)
    for mirrored in (False, True):
        first, second = _candidates(grey[shown], mirrored, progress)
        if between is not None:
            apart = between[shown[first]] != between[shown[second]]
            first, second = first[apart], second[apart]
        scores, edges = _prove(grey, shown[first], shown[second], mirrored)
        drawing = drawn[shown[first]] | drawn[shown[second]]
        alike = (scores >= np.where(drawing, ALIKE_DRAWN, ALIKE)) & (edges >= np.where(drawing, EDGES_DRAWN, EDGES))
        for row in np.flatnonzero(alike):
            key = (int(shown[first[row]]), int(shown[second[row]]))
            if key not in pairs or scores[row] > pairs[key].score:
                kind = "mirrored" if mirrored else "near"
                pairs[key] = Pair(first=key[0], second=key[1], kind=kind, score=float(scores[row]))
    return sorted(pairs.values(), key=lambda pair: (-pair.score, pair.first, pair.second))


def equal_pairs(keys: Sequence[str], kind: str) -> list[Pair]:
    """Pairs with equal keys, each with the first of its kind."""
    first: dict[str, int] = {}
    found = []
    for row, key in enumerate(keys):
        other = first.setdefault(key, row)
        if other != row:
            found.append(Pair(first=other, second=row, kind=kind, score=1.0))
    return found


def grouped(
    pairs: Sequence[Pair], rank: Callable[[int], tuple[float, ...]], splits: Sequence[str], labels: Sequence[str]
) -> list[Twins]:
    """Groups of pictures that pairs join, leaks first, then contradictions, then the largest.

    `rank` says how much a row is worth keeping; `splits` and `labels` are those of all rows, "" where there are none.
    """
    parent: dict[int, int] = {}

    def find(row: int) -> int:
        parent.setdefault(row, row)
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    held: dict[int, list[Pair]] = defaultdict(list)
    joining = []
    for pair in pairs:  # the surest come first, so that a group hangs together as firmly as it can
        one, other = find(pair.first), find(pair.second)
        if one != other:
            parent[other] = one
            joining.append(pair)
    for pair in joining:
        held[find(pair.first)].append(pair)
    members: dict[int, list[int]] = defaultdict(list)
    for row in list(parent):
        members[find(row)].append(row)
    order = ("bytes", "pixels", "near", "mirrored")
    groups = [
        Twins(
            rows=tuple(sorted(rows, key=lambda row: (tuple(-value for value in rank(row)), row))),
            kind=max((pair.kind for pair in held[root]), key=order.index),
            score=min(pair.score for pair in held[root]),
            splits=tuple(sorted({splits[row] for row in rows} - {""})),
            labels=tuple(sorted({labels[row] for row in rows} - {""})),
        )
        for root, rows in members.items()
    ]
    return sorted(groups, key=lambda group: (-len(group.splits), -len(group.labels), -len(group.rows), group.rows))


def drawings(grey: np.ndarray) -> np.ndarray:
    """N: is much of the picture of one level?"""
    found = np.zeros(len(grey), bool)
    for row, levels in enumerate(grey.reshape(len(grey), -1).astype(np.uint8) // 4):
        found[row] = np.bincount(levels, minlength=64).max() > DRAWN * levels.size
    return found


def likeness(grey: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation of the pixels of each pair of rows, P, and that of the edges there, P."""
    return _prove(grey, first, second, mirrored=False)


# ---------------------------------------------------------------- the two steps


def _candidates(
    grey: np.ndarray, mirrored: bool, progress: Callable[[int, int], None] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (first < second) whose averages are alike: the nearest of each picture."""
    count = len(grey)
    step = SIDE // COARSE
    small = grey.reshape(count, COARSE, step, COARSE, step).mean(axis=(2, 4))
    others = _unit(small.reshape(count, -1))
    queries = _unit(small[:, :, ::-1].reshape(count, -1)) if mirrored else others
    nearest = min(NEAREST, count - 1)
    found: list[np.ndarray] = []
    block = max(1, _SCORES // count)
    for start in range(0, count, block):
        alike = queries[start : start + block] @ others.T
        rows = np.arange(len(alike))
        alike[rows, start + rows] = -2.0  # nobody is his own twin
        best = np.argpartition(-alike, nearest - 1, axis=1)[:, :nearest]
        kept = np.take_along_axis(alike, best, axis=1) >= CANDIDATE
        left, place = np.nonzero(kept)
        found.append(np.sort(np.stack([start + left, best[left, place]], axis=1), axis=1))
        if progress is not None:
            progress(min(count, start + block), count)
    pairs = np.unique(np.concatenate(found), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _unit(rows: np.ndarray) -> np.ndarray:
    """Rows without their mean, of length 1."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return (centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def _windows(scales: Sequence[float], places: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Matrices W 16 32 that average a window of a side to 16 places: for the rows, and for the columns."""
    boxes = [(scale, top, left) for scale in scales for top in places for left in places]
    boxes = list(dict.fromkeys(box if box[0] < 1 else (1.0, 0.0, 0.0) for box in boxes))
    rows = [_averaging(scale, top) for scale, top, _ in boxes]
    return np.stack(rows), np.stack([_averaging(scale, left) for scale, _, left in boxes])


def _averaging(scale: float, place: float) -> np.ndarray:
    """16 x 32: each row the average over its piece of a window that is `scale` of the side, with exact shares."""
    start, step = place * (1 - scale) * SIDE, scale * SIDE / FINE
    low = start + step * np.arange(FINE)[:, None]
    pixels = np.arange(SIDE)[None, :]
    overlap = np.minimum(low + step, pixels + 1) - np.maximum(low, pixels)
    return (np.clip(overlap, 0, None) / step).astype(np.float32)


def _prove(grey: np.ndarray, first: np.ndarray, second: np.ndarray, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation of the pixels of each pair, and that of the edges at the same place: P and P."""
    scores, edges = np.zeros(len(first), np.float32), np.zeros(len(first), np.float32)
    _lay(grey, first, second, mirrored, _windows((1.0, 0.95, 0.9), (0.0, 0.5, 1.0)), scores, edges)
    near = np.flatnonzero((scores >= NEARLY) & ((scores < ALIKE_DRAWN) | (edges < EDGES_DRAWN)))
    finer = _windows(np.linspace(0.985, 0.88, 8).tolist(), (0.0, 0.25, 0.5, 0.75, 1.0))
    best, firm = scores[near], edges[near]
    _lay(grey, first[near], second[near], mirrored, finer, best, firm)
    scores[near], edges[near] = best, firm
    return scores, edges


def _lay(
    grey: np.ndarray, first: np.ndarray, second: np.ndarray, mirrored: bool, windows: tuple[np.ndarray, np.ndarray],
    scores: np.ndarray, edges: np.ndarray,
) -> None:  # fmt: skip
    """Lay windows of one picture of each pair over the other, and the other way round: where a window fits better than
    `scores` P say, these and `edges` P are written anew."""
    whole = _averaging(1.0, 0.0)
    for start in range(0, len(first), _PAIRS):
        part = slice(start, start + _PAIRS)
        one, other = grey[first[part]], grey[second[part]]
        one = one[:, :, ::-1] if mirrored else one
        for window, against in ((one, other), (other, one)):
            flat = whole @ against @ whole.T
            target, target_edges = _unit(flat.reshape(len(flat), -1)), _unit(_edges(flat))
            for up, across in zip(*windows, strict=True):
                seen = up @ window @ across.T
                alike = np.einsum("pf,pf->p", _unit(seen.reshape(len(seen), -1)), target)
                better = alike > scores[part]
                if better.any():
                    firm = np.einsum("pf,pf->p", _unit(_edges(seen[better])), target_edges[better])
                    scores[part][better], edges[part][better] = alike[better], firm


def _edges(pictures: np.ndarray) -> np.ndarray:
    """Differences of neighbouring places, P 480."""
    down, right = np.diff(pictures, axis=1), np.diff(pictures, axis=2)
    return np.concatenate([down.reshape(len(down), -1), right.reshape(len(right), -1)], axis=1)
