"""Which samples are for learning, for choosing and for the final word: a function of the data and a seed.

Stratified by class; samples of one group and exact copies of one picture always stay together, so nothing that is
judged later was seen in training. No library's generator is used: order comes from SHA-256 of (seed, contents), so the
same data gives the same split on every machine and with every version, and adding a picture moves hardly any other.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubel.data.manifest import SPLIT_RANK, Manifest, Problem, array_digests
from hubel.errors import DAMAGED, DataError, UsageError
from hubel.words import plural

NAMES = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """Three disjoint sets of row numbers of one manifest, each in rising order."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    dropped: np.ndarray
    """Rows in none of the three: copies of a picture that a given split also has elsewhere, and what a fold or a part
    of the training pictures leaves out."""
    manifest_digest: str
    """Which manifest the row numbers belong to."""
    seed: int

    def ids(self, name: str) -> np.ndarray:
        """The rows of "train", "val" or "test"."""
        if name not in NAMES:
            raise UsageError(
                f"a split is one of {', '.join(NAMES)}, got {name!r}", hint="train, val or test, in lower case"
            )
        rows: np.ndarray = getattr(self, name)
        return rows

    @property
    def digest(self) -> str:
        """SHA-256 of who is where."""
        parts = hashlib.sha256(self.manifest_digest.encode())
        for name in NAMES:
            parts.update(name.encode() + self.ids(name).astype("<i8").tobytes())
        return parts.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        rows = {name: self.ids(name).tolist() for name in NAMES}
        return {
            "format": 1, "seed": self.seed, "manifest_digest": self.manifest_digest, "digest": self.digest, **rows,
            "dropped": self.dropped.tolist(),
        }  # fmt: skip

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Splits:
        """The inverse of `to_dict`; DataError when the stored digest does not fit the rows."""
        try:
            splits = Splits(
                **{name: np.array(values[name], dtype=np.int64).reshape(-1) for name in (*NAMES, "dropped")},
                manifest_digest=str(values["manifest_digest"]),
                seed=int(values["seed"]),
            )
            stored = values["digest"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"a split file must have rows, seed and digests: {error!r}", hint=DAMAGED) from None
        if stored != splits.digest:
            raise DataError(
                f"the split's rows do not fit its own digest {str(stored)[:12]!r}: the file was changed or damaged",
                hint=DAMAGED,
            )
        return splits

    def verify(self, manifest: Manifest) -> None:
        """Raise DataError unless `manifest` is the one that was split."""
        if manifest.digest != self.manifest_digest:
            raise DataError(
                f"the data of {manifest.source} is not what was split: digest {manifest.digest[:12]}, "
                f"expected {self.manifest_digest[:12]}",
                hint="files, labels or classes were changed since; train again, or restore the data",
            )


def split(manifest: Manifest, *, val: float = 0.1, test: float = 0.1, seed: int = 0) -> Splits:
    """Split a manifest; `val` and `test` are shares of what is divided, 0 for none.

    Splits that the source gives are kept as they are; only a missing one is taken out of the training part, but that a
    validation part given without a test part is the test, and a part of the training is chosen by: a test of a few
    pictures taken from the training would tell less, and what was chosen by would not be measured. A copy of a
    given test or validation picture is dropped from the parts before it. Raises UsageError for impossible shares and
    DataError when nothing is left to learn from.

    >>> from hubel.data.sources import open_source
    >>> parts = split(open_source("digits"), val=0.2, test=0.2, seed=7)
    >>> len(parts.train), len(parts.val), len(parts.test), parts.test[:4].tolist()
    (1079, 359, 359, [0, 9, 11, 19])
    """
    if not (0 <= val < 1 and 0 <= test < 1 and val + test < 1):
        raise UsageError(
            f"val and test must be shares from 0 and together below 1, got {val} and {test}",
            hint="0.1 for each is usual, 0 for none",
        )
    if not len(manifest):
        raise DataError(
            f"there is nothing to split: {manifest.source} has no usable sample",
            hint="hubel data DATA says what was left out, and why",
        )
    given = manifest.given_split.copy()
    strange = sorted(set(given.tolist()) - {*NAMES, ""})
    if strange:
        raise DataError(
            f"a given split must be one of {', '.join(NAMES)}, got {strange[0]!r}",
            hint="leave it empty where a sample may go anywhere",
        )
    if val_stands_for_test(manifest, test):
        given[given == "val"] = "test"
    has = {name: bool((given == name).any()) for name in NAMES}
    copies = copies_of(manifest)
    dropped = straddling(given, copies) if any(has.values()) else np.zeros(len(manifest), dtype=bool)
    part = np.where(given == "", "train", given)
    free = np.flatnonzero((part == "train") & ~dropped)
    shares = {name: share for name, share in (("test", test), ("val", val)) if not has[name] and share > 0}
    units = kept_together(free, copies, manifest.groups)
    for name, rows in _deal(manifest, units, shares, seed).items():
        part[rows] = name
    part[dropped] = ""
    found = {name: np.flatnonzero(part == name) for name in NAMES}
    if not len(found["train"]):
        raise DataError(
            f"the split leaves nothing to learn from of {plural(len(manifest), 'sample')}",
            hint="all samples are in one group, or are given as validation or test: lower the shares or add data",
        )
    return Splits(**found, dropped=np.flatnonzero(dropped), manifest_digest=manifest.digest, seed=seed)


def val_stands_for_test(manifest: Manifest, test: float) -> bool:
    """Is the given validation part measured as the test, since a test is asked for and none is given?"""
    given = set(manifest.given_split.tolist())
    return test > 0 and "val" in given and "test" not in given


def limited(rows: np.ndarray, labels: np.ndarray, limit: int) -> np.ndarray:
    """`limit` of the rows, taken in turn from every class, so that none is lost.

    >>> limited(np.arange(6), np.array([0, 0, 0, 0, 1, 1]), 4).tolist()
    [0, 1, 4, 5]
    """
    rank = np.zeros(len(rows), np.int64)
    for label in np.unique(labels):
        found = np.flatnonzero(labels == label)
        rank[found] = np.arange(len(found))
    return np.sort(rows[np.argsort(rank, kind="stable")[:limit]])


def _why_empty(manifest: Manifest) -> str:
    """Why a split has nothing in a part that was asked for, in words."""
    samples = plural(len(manifest), manifest.unit)
    groups = set() if manifest.groups is None else set(manifest.groups.tolist()) - {""}
    if groups:
        return f"{samples} in {plural(len(groups), 'group')}, which stay together"
    return f"{samples} {'is' if len(manifest) == 1 else 'are'} too few"


def unmeasured(splits: Splits, manifest: Manifest, *, val: float = 0.1, test: float = 0.1) -> list[Problem]:
    """What the split leaves unsaid though `val` and `test` ask for it: nothing to choose by or to test, or not of all
    classes, and classes of which nothing can be learned.
    """
    asked = {
        name: share > 0 or bool((manifest.given_split == name).any()) for name, share in (("val", val), ("test", test))
    }
    empty = [
        word for name, word in (("val", "choose by"), ("test", "test")) if asked[name] and not len(splits.ids(name))
    ]
    found = []
    if val_stands_for_test(manifest, test):
        reason = (
            "val is measured as the test, since no test part is given, and a part of train is chosen by; "
            "--test-fraction 0 chooses by val"
        )
        found.append(Problem("val", "layout", reason, left_out=False))
    if empty:
        reason = f"nothing was left to {' or to '.join(empty)}: {_why_empty(manifest)}"
        found.append(Problem("split", "not measured", reason, left_out=False))
    for name, word in (("train", "training"), ("val", "validation"), ("test", "test")):
        if not manifest.labelled or not len(splits.ids(name)):
            continue
        counts = np.bincount(manifest.labels[splits.ids(name)], minlength=manifest.num_classes)
        none = [manifest.class_names[label] for label in np.flatnonzero(counts == 0)]
        if none:
            listed = ", ".join(none[:5]) + (", …" if len(none) > 5 else "")
            have = "have" if len(none) > 1 else "has"
            reason = f"{len(none)} of {manifest.num_classes} classes {have} no {word} picture: {listed}"
            found.append(Problem("split", "not measured", reason, left_out=False))
    return found


def copies_of(manifest: Manifest) -> tuple[str, ...]:
    """What makes two samples the same: the digest of their contents."""
    if manifest.digests is not None:
        return manifest.digests
    if manifest.arrays is not None:
        return array_digests(manifest.arrays)
    assert manifest.paths is not None
    return manifest.paths


def straddling(given: np.ndarray, copies: tuple[str, ...]) -> np.ndarray:
    """Rows to drop: copies of a picture that also lies in a later split (test counts more than val, val than train)."""
    ranks = [SPLIT_RANK[name] for name in given.tolist()]
    highest: dict[str, int] = {}
    for copy, value in zip(copies, ranks, strict=True):
        highest[copy] = max(value, highest.get(copy, 0))
    return np.array([highest[copy] > value for copy, value in zip(copies, ranks, strict=True)], dtype=bool)


def kept_together(rows: np.ndarray, copies: tuple[str, ...], groups: np.ndarray | None) -> list[list[int]]:
    """Rows that must stay together: linked by equal contents or by an equal group, directly or through others."""
    parent = {int(row): int(row) for row in rows}

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[tuple[str, str], int] = {}
    for row in parent:
        keys = [("copy", copies[row])]
        if groups is not None and groups[row]:
            keys.append(("group", str(groups[row])))
        for key in keys:
            parent[find(row)] = find(first.setdefault(key, row))
    units: dict[int, list[int]] = defaultdict(list)
    for row in parent:
        units[find(row)].append(row)
    return list(units.values())


def _deal(manifest: Manifest, units: list[list[int]], shares: Mapping[str, float], seed: int) -> dict[str, list[int]]:
    """Give each split its share of every class, one unit after the other in an order drawn from (seed, contents)."""
    copies = copies_of(manifest)
    strata = strata_of(manifest)
    by_stratum: dict[int, list[tuple[bytes, list[int]]]] = defaultdict(list)
    for unit in units:
        votes = np.bincount(strata[unit])
        key = hashlib.sha256(f"{seed}\0{min(copies[row] for row in unit)}".encode("utf-8", "surrogateescape")).digest()
        by_stratum[int(votes.argmax())].append((key, unit))
    taken: dict[str, list[int]] = {name: [] for name in shares}
    owed = dict.fromkeys(shares, 0.0)
    for stratum in sorted(by_stratum):
        waiting = sorted(by_stratum[stratum])
        count = sum(len(unit) for _, unit in waiting)
        for name, share in shares.items():
            # What rounding withheld from one class is made up for in the next, so the totals come out right.
            wanted = share * count + owed[name]
            got = 0
            while len(waiting) > 1 and got + len(waiting[0][1]) / 2 < wanted:
                unit = waiting.pop(0)[1]
                taken[name] += unit
                got += len(unit)
            owed[name] = wanted - got
    return taken


def strata_of(manifest: Manifest) -> np.ndarray:
    """N: the class of each row; of numbers one of ten bins."""
    if not manifest.regression:
        return manifest.labels
    # Numbers: ten bins of equally many samples, so that each part spans the whole range.
    order = np.argsort(manifest.labels, kind="stable")
    bins = np.empty(len(order), dtype=np.int64)
    bins[order] = np.arange(len(order)) * 10 // len(order)
    return bins
