"""What edits do to labels: to the class that each sample has, or to each of the labels that it may have.

Names instead of numbers, since classes come and go. Letters: N samples, K labels.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np

from hubel.data.changes import OF_ONE_LABEL, Edit
from hubel.data.lists import parted, rarest
from hubel.data.manifest import Manifest
from hubel.data.names import class_order


class Classes:
    """One class for each sample, or, where the data have numbers, none."""

    def __init__(self, manifest: Manifest) -> None:
        self.regression = manifest.regression
        names = np.array(manifest.class_names, dtype=object)
        self.labels = names[manifest.labels] if manifest.class_names else np.array([], dtype=object)
        self.names: Set[str] = set(manifest.class_names)

    def reason(self, edit: Edit) -> str:
        """Why an edit cannot be made to these labels, "" where it can."""
        if edit.do in OF_ONE_LABEL:
            return "the data have numbers" if self.regression else "each sample has one class, as it is read here"
        if edit.do in ("relabel", "merge") and self.regression:
            return "the data have numbers, no classes"
        return gone_of(edit, [edit.new], self.names)

    def change(self, edit: Edit, row: int) -> None:
        """Do what a `relabel` of a row or a `merge` says."""
        if edit.do == "relabel":
            self.names = self.names | {edit.new}
            self.labels[row] = edit.new
        else:
            self.names = (self.names - {edit.old}) | {edit.new}
            self.labels[self.labels == edit.old] = edit.new

    def left(self, kept: np.ndarray) -> tuple[str, ...]:
        """The classes of the samples that are kept (N, bool), in their order."""
        return tuple(class_order(self.labels[kept].tolist()))

    def of(self, manifest: Manifest, names: tuple[str, ...]) -> Manifest:
        """The manifest with these labels; `names` are those that are left."""
        index = {name: number for number, name in enumerate(names)}
        labels = np.array([index.get(name, 0) for name in self.labels], dtype=np.int64)
        return replace(manifest, labels=labels, class_names=names, _digest=[])


class Lists:
    """Several labels for each sample, or none."""

    def __init__(self, manifest: Manifest) -> None:
        assert manifest.targets is not None
        names = manifest.class_names
        self.there = [{names[k] for k in np.flatnonzero(row)} for row in manifest.targets]
        self.names: Set[str] = set(names)

    def reason(self, edit: Edit) -> str:
        """Why an edit cannot be made to these labels, "" where it can."""
        if edit.do == "relabel":
            return gone_of(edit, parted(edit.new, self.names), self.names)
        return gone_of(edit, [edit.new] if edit.do in ("merge", "label") else [], self.names)

    def change(self, edit: Edit, row: int) -> None:
        """Do what an edit of a row or a `merge` says."""
        if edit.do == "unlabel":
            self.there[row].discard(edit.new)
            return
        new = set(parted(edit.new, self.names)) if edit.do == "relabel" else {edit.new}
        self.names = (self.names - ({edit.old} if edit.do == "merge" else set())) | new
        if edit.do == "relabel":
            self.there[row] = new
        elif edit.do == "label":
            self.there[row] |= new
        else:
            self.there = [(has - {edit.old}) | new if edit.old in has else has for has in self.there]

    def left(self, kept: np.ndarray) -> tuple[str, ...]:
        """The labels of the samples that are kept (N, bool), in their order."""
        return tuple(class_order({name for has, keep in zip(self.there, kept, strict=True) if keep for name in has}))

    def of(self, manifest: Manifest, names: tuple[str, ...]) -> Manifest:
        """The manifest with these labels; `names` are those that are left."""
        index = {name: k for k, name in enumerate(names)}
        targets = np.zeros((len(self.there), len(names)), np.uint8)  # N K
        for row, has in enumerate(self.there):
            targets[row, [index[name] for name in has if name in index]] = 1
        labels = rarest(targets) if names else np.zeros(len(targets), np.int64)
        return replace(manifest, labels=labels, targets=targets, class_names=names, _digest=[])


def gone_of(edit: Edit, new: list[str], names: Set[str]) -> str:
    """Which of the classes that an edit speaks of is not among `names`, in words; "" where all of them are."""
    if edit.do not in ("relabel", "merge", "label"):
        return ""
    missing = [name for name in ([edit.old] if edit.do == "merge" else []) if name not in names]
    missing += [] if edit.added else [name for name in new if name not in names]
    return f"there is no class {missing[0]!r} any more" if missing else ""
