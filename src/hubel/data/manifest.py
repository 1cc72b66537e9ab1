"""What the data is, before any picture is decoded: names, labels, classes, and what had to be left out.

A manifest is plain data. Everything later (scan, splits, cache, batches) is a function of it, and its digest names it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from hubel.errors import DataError

if TYPE_CHECKING:
    from hubel.data.changes import Edit
    from hubel.data.columns import Columns

SPLIT_RANK = {"train": 0, "": 0, "val": 1, "test": 2}
"""What is in two parts of a given split counts for the later one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the data: which file (or class), of what kind, and the reason in words."""

    path: str
    """Relative to the root of the data; a class name for problems of a whole class."""
    kind: str
    """unreadable, truncated, corrupt, not an image, empty, bomb, link, special file, outside a class, bad row, leak,
    another kind, passed over, layout, table, empty class, class names, single-image class, several labels,
    perhaps labels, not measured, duplicate, conflicting labels, imbalance, beyond levels, edit, label edit, strangers,
    no label, bad label, twice, outside the archive"""
    reason: str
    left_out: bool = True
    """False for a warning: the file is used all the same (or the problem is one of a class, or of the whole)."""


def leak(path: str, why: str, here: str, there: str) -> Problem:
    """A picture that a given split has in two parts: only the one in the later part is used."""
    return Problem(path, "leak", f"{why}: used in {there} only, not in {here or 'train'}")


def leaks(problems: Iterable[Problem]) -> str:
    """One sentence about what a given split has on both sides, "" where that is nothing.

    >>> leaks([leak("train/a.png", "same contents as test/a.png", "train", "test")])
    '1 test picture is also in training; the copies there are not used'
    """
    found = [problem for problem in problems if problem.kind == "leak"]
    said = []
    for part, word in (("test", "test"), ("val", "validation")):
        here = {"train": "training", "val": "validation"}
        for before in here:
            count = sum(problem.reason.endswith(f"used in {part} only, not in {before}") for problem in found)
            if count:
                said.append(f"{count:,} {word} picture{'s are' if count > 1 else ' is'} also in {here[before]}")
    copies = "; the copies there are not used" if said else ""
    groups = sum(not problem.left_out for problem in found)
    if groups:
        said.append(f"{groups:,} group{'s are' if groups > 1 else ' is'} in more than one part")
    return ", ".join(said) + copies


def printable(name: str) -> str:
    """A name that can be shown, stored and compared anywhere: odd bytes and control characters are escaped.

    >>> printable("caf\\udce9\\n")
    'caf\\\\xe9\\\\n'
    """
    return name if name.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in name)


def _escaped(character: str) -> str:
    byte = ord(character) - 0xDC00  # how Python carries a byte of a file name that is no UTF-8
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else character.encode("unicode_escape").decode()


class BadPicture(Exception):
    """A file that cannot be used: `kind` as in Problem, and the `reason` in words."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


def array_digests(arrays: np.ndarray) -> tuple[str, ...]:
    """SHA-256 of each row of an array."""
    rows = np.ascontiguousarray(arrays).reshape(len(arrays), -1)
    return tuple(hashlib.sha256(row.data).hexdigest() for row in rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskFiles:
    """Where the masks of pictures lie (`hubel.data.masks`), and what the numbers in them mean."""

    paths: tuple[str, ...]
    """N, relative to the root of the data, or places in files there (`hubel.data.places`)."""
    digests: tuple[str, ...]
    """N, SHA-256 of each file."""
    sizes: np.ndarray
    """N 2, int64: height and width in pixels."""
    values: tuple[int, ...]
    """K numbers of pixels, in the order of the classes."""

    def select(self, rows: np.ndarray) -> MaskFiles:
        """Those of some rows."""
        return replace(
            self, paths=tuple(self.paths[i] for i in rows), digests=tuple(self.digests[i] for i in rows),
            sizes=self.sizes[rows],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Manifest:
    """The samples of a data set, in an order that is the same on every machine.

    >>> manifest = Manifest(source="two", kind="points", arrays=np.zeros((2, 3), np.float32),
    ...                     labels=np.array([0, 1]), class_names=("no", "yes"), given_split=np.array(["", ""]))
    >>> len(manifest), manifest.num_classes, manifest.select([1]).labels.tolist(), manifest.digest[:8]
    (2, 2, [1], 'd604e15f')
    """

    source: str
    root: str = ""
    """Absolute path of the folder that `paths` are relative to; "" for arrays."""
    kind: str
    """"files", "arrays" (pictures in memory) or "points" (feature vectors, or series of them, in memory)."""
    paths: tuple[str, ...] | None = None
    """Relative, with forward slashes, sorted within a split and class; as the system spells them."""
    linked: tuple[str, ...] | None = None
    """Where links were followed: what is opened for each of `paths`, the absolute path of what a link leads to."""
    arrays: np.ndarray | None = None
    """N H W C uint8, or N F float32 for points, N F T for series of them."""
    labels: np.ndarray
    """N, int64 class indices, or float32 targets in regression."""
    class_names: tuple[str, ...]
    """K names; empty in regression."""
    given_split: np.ndarray
    """N strings: "train", "val", "test", or "" where the source does not say."""
    groups: np.ndarray | None = None
    """N strings; samples of one group (a patient, a film) never straddle a split."""
    digests: tuple[str, ...] | None = None
    """SHA-256 of each sample's bytes, hexadecimal; None until the files were read."""
    stats: np.ndarray | None = None
    """N 3, int64: size in bytes, time of modification and of change in nanoseconds. How a change is noticed cheaply."""
    targets: np.ndarray | None = None
    """N K uint8: which labels each sample has, where it may have several (`hubel.data.lists`); N C bytes of the pixels
    of one picture; N T K float32, what is asked at each step of a series (`hubel.data.series`)."""
    titles: tuple[str, ...] | None = None
    """What samples are called that are no files: the series of a table."""
    columns: Columns | None = None
    """Of samples that are rows of a table, what each number of `arrays` is."""
    masks: MaskFiles | None = None
    """Of every sample its mask, where pictures have masks: classes are then those of pixels."""
    problems: tuple[Problem, ...] = ()
    """What was found while the source was listed: files that are in the folder but not among the samples."""
    edits: tuple[Edit, ...] = ()
    """What somebody decided about labels, classes and groups, and what was used of it (`hubel.data.edits`)."""
    _digest: list[str] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        count = len(self.labels)
        for name in ("paths", "linked", "arrays", "given_split", "groups", "digests", "stats", "targets", "titles"):
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"{name} has {len(value)} entries for {count} labels")
        if self.class_names and count and not 0 <= self.labels.min() <= self.labels.max() < len(self.class_names):
            raise DataError(
                f"labels must be 0 to {len(self.class_names) - 1}, got {self.labels.min()} to {self.labels.max()}",
                hint="class_names needs a name for every label, from 0 on",
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """K; 0 in regression."""
        return len(self.class_names)

    @property
    def regression(self) -> bool:
        """Whether the target is a number and not a class."""
        return not self.class_names

    @property
    def labelled(self) -> bool:
        """Is the label of a sample all that is to be said of it, a class?"""
        return not self.regression and self.masks is None and self.targets is None

    @property
    def several(self) -> bool:
        """Has each sample a list of labels: several, or none?"""
        return self.targets is not None and self.targets.ndim == 2 and bool(self.class_names)

    def labelled_as(self, row: int) -> str:
        """What a sample is labelled, in words: its class, its number, or its labels with | between them."""
        if self.several:
            assert self.targets is not None
            return "|".join(name for name, there in zip(self.class_names, self.targets[row], strict=True) if there) or (
                "none"
            )
        return f"{self.labels[row]:g}" if self.regression else self.class_names[int(self.labels[row])]

    @property
    def unit(self) -> str:
        """What a sample is called: picture or point; where columns say how it is read row, series, signal or volume."""
        if self.kind != "points":
            return "picture"
        if self.columns is None:
            return "point"
        series = self.targets is not None and self.targets.ndim == 3
        return self.columns.files.removesuffix("s") or ("series" if series else "row")

    def name(self, row: int) -> str:
        """What to call a sample in a message: its path in letters that can be shown, or its row number.

        Row numbers follow the source's own order, so they mean the same on every machine.
        """
        if self.titles is not None:
            return self.titles[row]
        return printable(self.paths[row] if self.paths is not None else f"{self.source}[{row}]")

    @property
    def files(self) -> tuple[str, ...]:
        """What to open for each sample: relative to the root, or absolute where a link was followed; () for arrays."""
        return self.linked or self.paths or ()

    def select(self, ids: Sequence[int] | np.ndarray) -> Manifest:
        """The manifest of some rows only, in the order of `ids`; classes stay as they are."""
        rows = np.asarray(ids, dtype=np.int64)
        return replace(
            self,
            paths=None if self.paths is None else tuple(self.paths[i] for i in rows),
            linked=None if self.linked is None else tuple(self.linked[i] for i in rows),
            arrays=None if self.arrays is None else self.arrays[rows],
            labels=self.labels[rows],
            given_split=self.given_split[rows],
            groups=None if self.groups is None else self.groups[rows],
            digests=None if self.digests is None else tuple(self.digests[i] for i in rows),
            stats=None if self.stats is None else self.stats[rows],
            targets=None if self.targets is None else self.targets[rows],
            masks=None if self.masks is None else self.masks.select(rows),
            titles=None if self.titles is None else tuple(self.titles[i] for i in rows),
            _digest=[],
        )

    @property
    def digest(self) -> str:
        """SHA-256 over names, contents (where known), labels, classes, groups and given splits."""
        if not self._digest:
            digests = self.digests
            if digests is None and self.arrays is not None:
                digests = array_digests(self.arrays)  # so that a scan, which stores them, changes nothing
            parts = hashlib.sha256()
            masks = () if self.masks is None else ("".join(self.masks.digests), f"{self.masks.values}")
            for text in (
                self.kind,
                "\0".join(self.class_names),
                "" if self.paths is None else "\0".join(self.paths),
                "" if digests is None else "".join(digests),
                "\0".join(self.given_split.tolist()),
                "" if self.groups is None else "\0".join(self.groups.tolist()),
                *masks,
                *(() if self.columns is None else ("\0".join(self.columns.features),)),
            ):
                encoded = text.encode("utf-8", "surrogateescape")
                parts.update(f"{len(encoded)}:".encode() + encoded)
            parts.update(np.ascontiguousarray(self.labels).tobytes())
            if self.targets is not None:
                parts.update(np.ascontiguousarray(self.targets).tobytes())
            self._digest.append(parts.hexdigest())
        return self._digest[0]
