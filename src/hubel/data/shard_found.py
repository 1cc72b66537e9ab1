"""What was found in shards, on its way into a manifest: samples with what is said of them, and what was passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from hubel.data.manifest import SPLIT_RANK, Manifest, Problem, printable
from hubel.data.names import class_order, look_alikes
from hubel.errors import DataError

MANY = 100
"""More classes than this, and more than half as many as pictures, are descriptions."""
UNNAMED = ("unlabelled",)
"""The one class of pictures of which nothing is known."""
_HINT = (
    "key.jpg beside key.cls (a number or a name), or class folders in the tar: cat/1.jpg; "
    "without labels: hubel pretrain"
)
Stat = tuple[int, int, int]


@dataclass(frozen=True)
class Sample:
    """A picture in a shard, and what is said of it."""

    path: str
    file: str
    """What is opened for it (`hubel.data.places`)."""
    stat: Stat
    label: str | int | None
    """None where nothing is known of it, and nothing need be."""
    split: str


@dataclass
class Gathered:
    """Samples of all shards on their way."""

    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    """Members that are no pictures, by how they end."""
    names: tuple[str, ...] | None = None
    """Of classes that are numbers."""
    unlabelled: bool = False
    """Is a picture without a label one, too?"""

    def name(self, path: str, kind: str, reason: str, *, left_out: bool = True) -> None:
        """Note a problem."""
        self.problems.append(Problem(printable(path), kind, reason, left_out=left_out))

    def pass_over(self, member: str) -> None:
        """Count a member that is no picture."""
        _, dot, end = member.rpartition("/")[2].rpartition(".")
        self.others[dot + end if dot else ""] += 1


def opened(root: str, shard: str) -> str:
    """The file of a shard after its links, relative to the root."""
    return os.path.relpath(os.path.realpath(os.path.join(root, shard)), root)


def as_manifest(source: str, root: str, found: Gathered) -> Manifest:
    """All samples, those without a label in a class of their own, the last.

    Raises DataError for fewer than two classes, unless they need none.
    """
    samples = list(_classed(found))
    said = (label for _, label in samples if label not in UNNAMED)
    class_names = class_order(said) if found.names is None else list(found.names)
    if found.unlabelled and any(label in UNNAMED for _, label in samples):
        class_names = [name for name in class_names if name not in UNNAMED] + list(UNNAMED)
    _require_classes(source, samples, found)
    index = {name: i for i, name in enumerate(class_names)}
    found.problems += look_alikes(class_names)
    samples.sort(key=lambda pair: SPLIT_RANK[pair[0].split])  # within a part as they lie in their files: read in a row
    return Manifest(
        source=source,
        root=root,
        kind="files",
        paths=tuple(sample.path for sample, _ in samples),
        linked=tuple(sample.file for sample, _ in samples),
        labels=np.array([index[label] for _, label in samples], dtype=np.int64),
        class_names=tuple(class_names),
        given_split=np.array([sample.split for sample, _ in samples], dtype="<U5"),
        stats=np.array([sample.stat for sample, _ in samples], dtype=np.int64).reshape(-1, 3),
        problems=tuple(found.problems),
    )


def _classed(found: Gathered) -> Iterable[tuple[Sample, str]]:
    """Samples with the names of their classes; those whose label is none are named as problems."""
    names = found.names
    known = set(names or ())
    for sample in found.samples:
        label = sample.label
        if label is None:
            yield sample, UNNAMED[0]
        elif names is None:
            yield sample, str(label)
        elif isinstance(label, int) and label < len(names) and str(label) not in known:
            yield sample, names[label]
        elif str(label) in known:
            yield sample, str(label)
        else:
            found.name(sample.path, "bad label", f"its label is {label}, and {len(names):,} classes are named")


def _require_classes(source: str, samples: list[tuple[Sample, str]], found: Gathered) -> None:
    classes = {label for _, label in samples}
    if found.unlabelled and samples:
        return
    if len(classes) < 2:
        first = next((f"; first: {p.path}: {p.reason}" for p in found.problems if p.left_out), "")
        what = f"pictures of one class only: {next(iter(classes))!r}" if classes else "no picture with a label"
        raise DataError(f"{printable(source)} holds {what}{first}", hint=_HINT)
    if len(classes) > MANY and 2 * len(classes) > len(samples):
        raise DataError(
            f"{printable(source)} has {len(classes):,} different labels for {len(samples):,} pictures: those are "
            "descriptions and no classes",
            hint="key.cls with the number or the name of a class, beside the other texts",
        )
