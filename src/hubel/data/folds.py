"""Folds, of which each is the test once, and nested parts of the training pictures: functions of the data and a seed.

As in `hubel.data.splits`, copies of one picture and samples of one group stay together, and the order comes from
SHA-256 of (seed, contents).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hubel.data.manifest import Manifest
from hubel.data.splits import Splits, copies_of, kept_together, straddling, strata_of
from hubel.errors import DataError, UsageError
from hubel.words import plural

FULL = 1.5
"""How much more than its share of the pictures one group may bring into a fold."""


def folds_of(manifest: Manifest, count: int, *, seed: int = 0) -> np.ndarray:
    """N: the fold of each row, from 0; -1 for rows that are given as a test, which no fold takes, and their copies.

    Every class is spread over the folds as evenly as groups allow: the largest groups first, each into the fold that
    has the least of its classes. Raises UsageError for less than two folds; DataError where a class is in fewer groups
    than there are folds, so that a fold would have nothing of it to test, and where one group alone fills a fold.

    >>> from hubel.data.sources import open_source
    >>> fold = folds_of(open_source("digits"), 5)
    >>> np.bincount(fold).tolist()
    [360, 359, 360, 359, 359]
    """
    if count < 2:
        raise UsageError(f"folds must be at least 2, got {count}", hint="--folds 5 is usual")
    copies, given = copies_of(manifest), manifest.given_split
    apart = given == "test"
    if apart.any():
        apart |= straddling(np.where(apart, "test", ""), copies)
    rows = np.flatnonzero(~apart)
    units = kept_together(rows, copies, manifest.groups)
    strata = strata_of(manifest)
    _check(manifest, units, strata, len(rows), count)
    totals = np.maximum(1, np.bincount(strata[rows], minlength=int(strata.max(initial=0)) + 1))
    inside = np.zeros((count, len(totals)))
    sizes = np.zeros(count)
    fold = np.full(len(manifest), -1, np.int64)
    for unit in sorted(units, key=lambda unit: (-len(unit), _key(seed, "fold", copies, unit))):
        classes, brought = np.unique(strata[unit], return_counts=True)
        overlap = (inside[:, classes] / totals[classes]) @ (brought / totals[classes])
        chosen = int(np.lexsort((sizes, overlap.round(12)))[0])
        inside[chosen, classes] += brought
        sizes[chosen] += len(unit)
        fold[unit] = chosen
    return fold


def folded(manifest: Manifest, count: int, number: int, *, val: float, seed: int = 0) -> Splits:
    """The split whose test is fold `number` (from 1) of `count`; `val` is the share of all that is kept to choose by.

    What the source gives as a test is left out, so that it is there for a last word. Raises as `folds_of`.

    >>> from hubel.data.sources import open_source
    >>> parts = folded(open_source("digits"), 5, 1, val=0.1)
    >>> len(parts.train), len(parts.val), len(parts.test)
    (1257, 180, 360)
    """
    fold = folds_of(manifest, count, seed=seed)
    copies, strata = copies_of(manifest), strata_of(manifest)
    rest = np.flatnonzero((fold >= 0) & (fold != number - 1))
    units = kept_together(rest, copies, manifest.groups)
    by_class: dict[int, list[list[int]]] = {}
    for unit in sorted(units, key=lambda unit: _key(seed, f"val {number}", copies, unit)):
        by_class.setdefault(int(np.bincount(strata[unit]).argmax()), []).append(unit)
    chosen: list[int] = []
    owed = 0.0
    for label in sorted(by_class):
        waiting = by_class[label]
        taken, wanted = 0, val * sum(map(len, waiting)) * count / (count - 1) + owed
        while len(waiting) > 1 and taken + len(waiting[0]) / 2 < wanted:
            unit = waiting.pop(0)
            chosen += unit
            taken += len(unit)
        owed = wanted - taken
    validation = np.sort(np.array(chosen, dtype=np.int64))
    return Splits(
        train=np.setdiff1d(rest, validation),
        val=validation,
        test=np.flatnonzero(fold == number - 1),
        dropped=np.flatnonzero(fold < 0),
        manifest_digest=manifest.digest,
        seed=seed,
    )


def thinned(splits: Splits, manifest: Manifest, share: float, *, seed: int = 0) -> Splits:
    """The same split with `share` of each class to learn from, one picture at least; a smaller part lies in a larger.

    >>> from hubel.data.sources import open_source
    >>> from hubel.data.splits import split
    >>> digits = open_source("digits")
    >>> half, quarter = (thinned(split(digits), digits, share) for share in (0.5, 0.25))
    >>> len(half.train), len(quarter.train), set(quarter.train) <= set(half.train)
    (718, 358, True)
    """
    copies, strata = copies_of(manifest), strata_of(manifest)
    kept: list[int] = []
    for label in np.unique(strata[splits.train]):
        rows = splits.train[strata[splits.train] == label].tolist()
        rows.sort(key=lambda row: _key(seed, "part", copies, [row]))
        kept += rows[: max(1, round(share * len(rows)))]
    train = np.sort(np.array(kept, dtype=np.int64))
    left = np.setdiff1d(splits.train, train)
    return replace(splits, train=train, dropped=np.sort(np.concatenate([splits.dropped, left])))


def _key(seed: int, what: str, copies: Sequence[str], unit: Sequence[int]) -> bytes:
    text = f"{seed}\0{what}\0{min(copies[row] for row in unit)}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _spread_over(manifest: Manifest, units: list[list[int]], strata: np.ndarray) -> np.ndarray:
    """In how many units each class is; of data without classes, how many there are."""
    if _classless(manifest):
        return np.array([len(units)])
    found = np.zeros(manifest.num_classes, np.int64)
    for unit in units:
        found[np.unique(strata[unit])] += 1
    return found


def _check(manifest: Manifest, units: list[list[int]], strata: np.ndarray, samples: int, count: int) -> None:
    """Refuse more folds than the data can fill."""
    if len(units) < count:
        raise DataError(
            f"{count} folds need {count} pictures or groups that stay together, and there are {len(units)}",
            hint=f"--folds {len(units)}" if len(units) > 1 else "one group holds everything: group them more finely",
        )
    largest = max(units, key=len)
    if len(largest) > FULL * samples / count:
        name = "" if manifest.groups is None else str(manifest.groups[largest[0]])
        most = min(int(FULL * samples / len(largest)), *_spread_over(manifest, units, strata))
        raise DataError(
            f"{f'the group {name!r}' if name else 'one group of pictures'} holds {len(largest):,} of "
            f"{plural(samples, 'picture')}, and a fold of {count} has {samples / count:.0f}: it would fill one alone",
            hint=f"--folds {most}" if most > 1 else "group the pictures more finely, or train once: hubel train DATA",
        )
    if _classless(manifest):
        return
    found = _spread_over(manifest, units, strata)
    least = int(np.argmin(found))
    if found[least] < count:
        pictures = int((manifest.labels == least).sum())
        stays = "stays" if found[least] == 1 else "stay"
        where = "" if pictures == found[least] else f", in {plural(int(found[least]), 'group')} that {stays} together"
        mend = "group them more finely" if pictures >= count else "more pictures of it"
        raise DataError(
            f"the class {manifest.class_names[least]!r} has {plural(pictures, 'picture')}{where}: too few for {count} "
            "folds, of which each must test it",
            hint=f"--folds {found[least]}, or {mend}" if found[least] > 1 else mend,
        )


def _classless(manifest: Manifest) -> bool:
    """Is it no class that a sample as a whole has: numbers, masks, nothing?"""
    return manifest.regression or manifest.masks is not None or not manifest.labelled
