"""Everything that is wrong with the data, file by file, before any step is taken.

Bad files are left out and counted; oddities (copies, contradicting labels, rare classes) are named and kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hubel.data import cache
from hubel.data.images import READ, Look
from hubel.data.index import Entries, Index
from hubel.data.manifest import SPLIT_RANK, Manifest, Problem, array_digests, leak, printable
from hubel.data.masks import check_sizes
from hubel.data.workers import read_pictures
from hubel.errors import DataError
from hubel.words import plural

GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's modes without colour."""
FINER = (GREY - {"1", "L", "LA", "La"}) | {"RGB;16", "RGBA;16"}
"""Modes with more than 8 bits a sample."""
IMBALANCE = 10
"""The largest class this many times the smallest is worth a word."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """What a scan found."""

    manifest: Manifest
    """The usable samples, with digests."""
    kept: np.ndarray
    """Rows of the manifest that was scanned which are usable, rising."""
    problems: tuple[Problem, ...]
    """Files left out first, then the rest; by kind, then by path."""
    listed: int
    """Samples before the scan."""
    looks: tuple[Look, ...]
    """Size, mode and format of each usable picture; empty for points."""

    @property
    def sides(self) -> np.ndarray:
        """N 2: height and width of each usable picture, in pixels."""
        return np.array([(look.height, look.width) for look in self.looks], dtype=np.int64).reshape(-1, 2)

    @property
    def colour(self) -> bool:
        """Whether any usable picture has colour channels."""
        return not all(look.mode in GREY for look in self.looks)

    @property
    def left_out(self) -> int:
        """Problems whose file is not used."""
        return sum(problem.left_out for problem in self.problems)

    @property
    def about(self) -> dict[str, object]:
        """Sizes, modes and formats of the pictures, as facts; {} for points."""
        if not self.looks:
            return {}
        widths, heights = [look.width for look in self.looks], [look.height for look in self.looks]
        smallest, largest = f"{min(widths)}x{min(heights)}", f"{max(widths)}x{max(heights)}"
        return {
            "size (width x height)": smallest if smallest == largest else f"{smallest} to {largest}",
            "modes": ", ".join(sorted({look.mode for look in self.looks})),
            "formats": ", ".join(sorted({look.format for look in self.looks})),
        }


def scan(
    manifest: Manifest,
    *,
    cache_dir: str | Path | None = None,
    workers: int | None = None,
    progress: cache.Progress | None = None,
    partial: bool = False,
) -> Scan:
    """Read and decode every file once (in parallel; files known from before and unchanged are not read again).

    `partial`: these are samples picked out of a set and no set of their own, so that classes may be missing.
    Raises DataError when fewer than two classes, or no sample at all, are usable.

    >>> from hubel.data.sources import open_source
    >>> found = scan(open_source("digits"))
    >>> len(found.manifest), found.left_out, [problem.kind for problem in found.problems]
    (1797, 0, [])
    """
    if manifest.kind != "files":
        return conclude(manifest, None, partial=partial)
    looks = look_at_files(manifest, cache_dir=cache_dir, workers=workers, progress=progress)
    return conclude(manifest, looks, partial=partial)


def look_at_files(
    manifest: Manifest,
    *,
    cache_dir: str | Path | None = None,
    workers: int | None = None,
    progress: cache.Progress | None = None,
) -> Entries:
    """What is known about the files of a manifest, row by row; reads those that are new or changed."""
    assert manifest.paths is not None
    assert manifest.stats is not None
    index = Index(Path(cache_dir) if cache_dir else cache.home(), manifest.root)
    held, rows, unknown = index.known(manifest.paths, manifest.stats)
    if not unknown:
        return held
    answers = read_pictures(
        manifest.root, [manifest.files[row] for row in unknown], sizes=manifest.stats[unknown, 0], workers=workers,
        progress=progress,
    )  # fmt: skip
    joined = held.joined(Entries.from_answers(answers))
    entries = joined.take(np.argsort(np.array(rows + unknown), kind="stable").tolist())
    index.save(manifest.paths, entries)
    return entries


def conclude(manifest: Manifest, entries: Entries | None, *, partial: bool = False) -> Scan:
    """The scan of a manifest whose files have been looked at (None: it has no files); `partial` as in `scan`."""
    problems = list(manifest.problems)
    kept = np.arange(len(manifest))
    looks: tuple[Look, ...] = ()
    if entries is None:
        assert manifest.arrays is not None
        usable = replace(manifest, digests=array_digests(manifest.arrays), _digest=[])
        if manifest.kind == "arrays":
            height, width, channels = manifest.arrays.shape[1:]
            looks = (Look(width, height, "L" if channels == 1 else "RGB", "in memory"),) * len(manifest)
    else:
        assert manifest.paths is not None
        problems += [Problem(manifest.name(row), *why) for row, why in entries.bad.items()]
        kept = np.array([row for row in range(len(manifest)) if row not in entries.bad], dtype=np.int64)
        listed = replace(manifest, digests=entries.digests, stats=entries.stats, _digest=[])
        usable = listed.select(kept) if entries.bad else listed
        looks = tuple(look for look in entries.looks if look is not None)
        if usable.masks is not None:
            check_sizes(usable, np.array([(look.height, look.width) for look in looks]).reshape(-1, 2))
        elif not partial and usable.targets is None:
            usable = _without_empty_classes(usable, problems)
    _require_something(manifest, usable, problems, partial)
    problems += _same_contents(usable)
    if not partial:
        problems += _parted_groups(usable) + _class_sizes(usable)
    problems.sort(key=lambda problem: (not problem.left_out, problem.kind, problem.path))
    return Scan(manifest=usable, kept=kept, problems=tuple(problems), listed=len(manifest), looks=looks)


def _without_empty_classes(manifest: Manifest, problems: list[Problem]) -> Manifest:
    """Classes of which no picture is usable go, by name; the others keep theirs."""
    if manifest.regression:
        return manifest
    counts = np.bincount(manifest.labels, minlength=manifest.num_classes)
    if counts.all():
        return manifest
    for name, count in zip(manifest.class_names, counts, strict=True):
        if not count:
            problems.append(Problem(name, "empty class", "none of its pictures is usable", left_out=False))
    new = np.cumsum(counts > 0) - 1
    names = tuple(name for name, count in zip(manifest.class_names, counts, strict=True) if count)
    return replace(manifest, labels=new[manifest.labels], class_names=names, _digest=[])


def _require_something(listed: Manifest, usable: Manifest, problems: Sequence[Problem], partial: bool) -> None:
    if len(usable) and (usable.regression or usable.num_classes > 1 or partial):
        return
    worst = Counter(problem.kind for problem in problems if problem.left_out).most_common(3)
    why = ", ".join(f"{count} {kind}" for kind, count in worst)
    first = next((f"; first: {p.path}: {p.reason}" for p in problems if p.left_out), "")
    what = "no usable sample" if not len(usable) else f"usable samples of one class only ({usable.class_names[0]!r})"
    raise DataError(
        f"{printable(listed.source)} has {what} among {plural(len(listed), 'file')} ({why}{first})"
        if why
        else f"{printable(listed.source)} has {what}",
        hint=f"at least 2 classes with whole {READ} files are needed; see: hubel data SOURCE",
    )


def _same_contents(manifest: Manifest) -> list[Problem]:
    assert manifest.digests is not None
    if len(set(manifest.digests)) == len(manifest):
        return []
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(manifest.digests):
        rows_of[digest].append(row)
    found = []
    for rows in rows_of.values():
        if len(rows) < 2:
            continue
        ranks = [SPLIT_RANK[manifest.given_split[row]] for row in rows]
        latest = [row for row, rank in zip(rows, ranks, strict=True) if rank == max(ranks)]
        first = latest[0]
        # A picture of the test is not learned from: its copies in the parts before it are not used.
        found += [_copy(manifest, row, first, "leak") for row in rows if row not in latest]
        found += [_copy(manifest, row, first, "duplicate") for row in latest[1:]]
    return found


def _copy(manifest: Manifest, row: int, other: int, kind: str) -> Problem:
    """A sample that has the contents of another one."""
    reason = f"same contents as {manifest.name(other)}"
    same = _label(manifest, row) == _label(manifest, other)
    if not same:
        reason += f", which is labelled {_label(manifest, other)} and not {_label(manifest, row)}"
    if kind == "leak":
        return leak(manifest.name(row), reason, str(manifest.given_split[row]), str(manifest.given_split[other]))
    return Problem(manifest.name(row), kind if same else "conflicting labels", reason, left_out=False)


def _parted_groups(manifest: Manifest) -> list[Problem]:
    """Groups of which a given split has samples on both sides; they are used as given."""
    if manifest.groups is None or not manifest.given_split.any():
        return []
    parts: dict[str, set[str]] = defaultdict(set)
    for group, part in zip(manifest.groups.tolist(), manifest.given_split.tolist(), strict=True):
        if group:
            parts[group].add(part or "train")
    found = []
    for group, these in parts.items():
        if len(these) > 1:
            where = " and in ".join(sorted(these, key=SPLIT_RANK.__getitem__))
            found.append(Problem(group, "leak", f"a group that is in {where}", left_out=False))
    return found


def _label(manifest: Manifest, row: int) -> str:
    if manifest.several:
        return repr(manifest.labelled_as(row))
    return str(manifest.labels[row]) if manifest.regression else repr(manifest.class_names[manifest.labels[row]])


def _class_sizes(manifest: Manifest) -> list[Problem]:
    if not manifest.labelled:
        return []
    counts = np.bincount(manifest.labels, minlength=manifest.num_classes)
    found = [
        Problem(name, "single-image class", "one picture cannot be learned from and tested on", left_out=False)
        for name, count in zip(manifest.class_names, counts, strict=True)
        if count == 1
    ]
    few, many = int(counts.argmin()), int(counts.argmax())
    if counts[many] > IMBALANCE * counts[few]:
        reason = (
            f"{plural(counts[few], 'sample')}, {manifest.class_names[many]!r} has {counts[many]:,}: "
            "accuracy alone will mislead; look at balanced accuracy, or use class weights"
        )
        found.append(Problem(manifest.class_names[few], "imbalance", reason, left_out=False))
    return found
