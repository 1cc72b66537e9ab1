"""What edits do to a manifest: labels, classes and groups of the next training; never to a file.

    open_source(folder)   lists the pictures, reads the log that lies beside them, and applies it here

An edit of a picture that is gone, or that has other contents now, is kept in the log, named among the manifest's
problems, and not applied.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hubel.data.changes import OF_ONE_LABEL, Edit, in_force
from hubel.data.images import BadPicture, read_bytes
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.places import placed, resolved
from hubel.data.relabelled import Classes, Lists
from hubel.errors import ArtefactError, DataError, HubelError
from hubel.store import opened
from hubel.words import plural

_PIECE = 1 << 20


def edited(manifest: Manifest, log: Sequence[Edit], *, fewest: int = 2) -> Manifest:
    """`manifest` as the edits of a log have it; those that were used stand in its `edits`.

    Raises DataError where fewer than `fewest` classes would be left. Who reads the log or takes something back asks for
    0: files can go at any time, and a log must never be shut to the one who would mend it.

    >>> two = Manifest(source="x", kind="points", arrays=np.zeros((3, 2), np.float32), labels=np.array([0, 1, 2]),
    ...                class_names=("cat", "cats", "dog"), given_split=np.array(["", "", ""]))
    >>> merge = Edit(id="1", batch="1", when="", who="", do="merge", old="cats", new="cat")
    >>> found = edited(two, [merge])
    >>> found.class_names, found.labels.tolist(), found.digest == two.digest
    (('cat', 'dog'), [0, 0, 1], False)
    """
    counting = in_force(log)
    if not counting:
        return manifest
    work = _Work(manifest)
    used = [edit for edit in counting if work.applied(edit)]
    return work.result(used, fewest)


def contents_digest(manifest: Manifest, row: int) -> str:
    """SHA-256 of the bytes of a file of the manifest; raises ArtefactError where it cannot be read."""
    found = hashlib.sha256()
    path = resolved(os.path.join(manifest.root, manifest.files[row]))
    if placed(path) is not None:
        try:
            return hashlib.sha256(read_bytes(path)[0]).hexdigest()
        except BadPicture as bad:
            raise ArtefactError(f"{manifest.name(row)} cannot be read: {bad.reason}") from None
    with opened(path) as (descriptor, _):
        while piece := os.read(descriptor, _PIECE):
            found.update(piece)
    return found.hexdigest()


class _Work:
    """A manifest on its way."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.row_of = {path: row for row, path in enumerate(manifest.paths or ())}
        self.labels = Lists(manifest) if manifest.several else Classes(manifest)
        self.kept = np.ones(len(manifest), dtype=bool)
        self.groups: list[str] | None = None if manifest.groups is None else manifest.groups.tolist()
        self.unused: list[Problem] = []
        self.gone: list[Problem] = []

    def applied(self, edit: Edit) -> bool:
        """Do what an edit says; False, with a problem that says why, where that cannot be done."""
        why = self.labels.reason(edit)
        row = -1
        if not why and edit.file:
            row = self.row_of.get(edit.file, -1)
            why = "the file is gone" if row < 0 else _changed(self.manifest, row, edit)
        if why:
            listed = edit.do in OF_ONE_LABEL and not self.manifest.several and not self.manifest.regression
            # What such an edit makes of a picture says by its name that labels stand in lists (`lists.in_lists`).
            subject = printable(edit.result if listed else edit.file or edit.old)
            reason = (
                f"{why}: an edit is kept and not applied ({edit.sentence}; "
                f"hubel edit {shlex.quote(printable(self.manifest.source))} undo {edit.id} drops it)"
            )
            self.unused.append(Problem(subject, "label edit" if listed else "edit", reason, left_out=False))
            return False
        self._do(edit, row)
        return True

    def _do(self, edit: Edit, row: int) -> None:
        if edit.do == "exclude":
            self.kept[row] = False
        elif edit.do == "group":
            self.groups = [""] * len(self.kept) if self.groups is None else self.groups
            self.groups[row] = edit.new
        else:
            self.labels.change(edit, row)

    def result(self, used: Sequence[Edit], fewest: int) -> Manifest:
        """The manifest as it is now; DataError for fewer classes than `fewest`."""
        manifest = self.manifest
        if used and not manifest.regression:
            names = self.labels.left(self.kept)
            if len(names) < 2:
                word = shlex.quote(printable(manifest.source))
                told = f"the edits leave {plural(len(names), 'class')} of the {manifest.num_classes}"
                why, undo = "a net needs two to tell apart", f"hubel edit {word} undo takes the last ones back"
                if len(names) < fewest:
                    hint = f"hubel edit {word} log lists them, {undo}"
                    raise DataError(f"{told} of {printable(manifest.source)}, and {why}", hint=hint)
                reason = f"{told}, and {why}: {undo}"
                self.unused.append(Problem(printable(manifest.source), "edit", reason, left_out=False))
            left = set(names)
            gone = [name for name in manifest.class_names if name in self.labels.names and name not in left]
            self.gone = [Problem(name, "empty class", "edits left it no picture", left_out=False) for name in gone]
            manifest = self.labels.of(manifest, names)
        if self.groups is not None:
            manifest = replace(manifest, groups=np.array(self.groups) if any(self.groups) else None, _digest=[])
        problems = (*manifest.problems, *self.gone, *self.unused)
        manifest = replace(manifest, problems=problems, edits=tuple(used), _digest=[])
        return manifest if self.kept.all() else manifest.select(np.flatnonzero(self.kept))


def _changed(manifest: Manifest, row: int, edit: Edit) -> str:
    """Why the file is not the one that was edited, "" where it is."""
    if not edit.sha256 or (edit.stat and edit.stat == stat_of(manifest, row)):
        return ""
    try:
        return "" if contents_digest(manifest, row) == edit.sha256 else "the file has other contents now"
    except HubelError as error:
        return f"the file cannot be read ({error.what})"


def stat_of(manifest: Manifest, row: int) -> str:
    """Size, time of modification and of change of a file, as an edit keeps them."""
    return "" if manifest.stats is None else " ".join(map(str, manifest.stats[row].tolist()))


def label_names(manifest: Manifest) -> Mapping[str, str]:
    """Path -> its class, or its labels with | between them; "" where the data have numbers."""
    told = (lambda row: "") if manifest.regression else manifest.labelled_as
    return {path: told(row) for row, path in enumerate(manifest.paths or ())}
