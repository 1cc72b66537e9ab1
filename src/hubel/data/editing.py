"""Edits that somebody wants to make: words of a request checked against the data, and turned into lines of the log."""

from __future__ import annotations

import datetime
import fnmatch
import getpass
import glob
import os
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hubel.data.changes import OF_ONE_LABEL, Edit, in_force
from hubel.data.edit_log import EditLog
from hubel.data.edits import contents_digest, edited, stat_of
from hubel.data.lists import NOTHING, in_lists, parted
from hubel.data.manifest import Manifest, Problem, printable
from hubel.data.names import class_order
from hubel.data.sources import edit_log, open_source
from hubel.errors import DataError, UsageError, near, unknown
from hubel.views import Viewed
from hubel.words import plural

ACTIONS = {
    "relabel": "FILE… CLASS",
    "exclude": "FILE…",
    "merge": "OLD NEW",
    "group": "FILE… NAME",
    "label": "FILE… LABEL",
    "unlabel": "FILE… LABEL",
    "undo": "[ID…]",
}
"""What can be asked for, and the words that follow."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Edits(Viewed):
    """The log of the edits of a data source, and what it does."""

    place: str
    """The file that they stand in, or would."""
    log: tuple[Edit, ...]
    """All that was ever decided, in its order."""
    made: tuple[Edit, ...]
    """What this call added."""
    used: tuple[str, ...]
    """Ids of those that count for the next training."""
    problems: tuple[Problem, ...]
    """Edits that are kept and not applied, and lines that are no edits."""
    classes: tuple[str, ...]
    """Of the data as they are now."""
    samples: int
    copy: str = ""
    """The folder that a clean copy was written to."""
    several: bool = False
    """May a picture have several of the classes, as its labels?"""

    @property
    def sentence(self) -> str:
        """The result in words."""
        made = f"{plural(len(self.made), 'edit')} made, " if self.made else ""
        word = (
            f"with {plural(len(self.classes), 'label')}" if self.several else f"in {plural(len(self.classes), 'class')}"
        )
        classes = f" {word}" if self.classes else ""
        return f"{made}{plural(len(self.used), 'edit')} in force: {plural(self.samples, 'file')} listed{classes}"

    def state(self, one: Edit) -> str:
        """What has become of an edit: "used", "taken back", "not applied", or "" for an undo."""
        if one.id in self.used or one.do == "undo":
            return "used" if one.do != "undo" else ""
        return "not applied" if one.id in {other.id for other in in_force(self.log)} else "taken back"

    def facts(self) -> dict[str, str]:
        """The result, what was made, and what could not be applied."""
        found = {"edits": self.sentence, "file": self.place if self.log else ""}
        found |= {f"made {one.id}": one.sentence for one in self.made[:8]}
        found |= {"and": f"{plural(len(self.made) - 8, 'edit')} more"} if len(self.made) > 8 else {}
        found |= {f"note {number}": f"{one.path}: {one.reason}" for number, one in enumerate(self.problems[:8], 1)}
        found |= {"copy": self.copy}
        return {name: text for name, text in found.items() if text}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        values = [
            {name: getattr(one, name) for name in Edit.__slots__} | {"state": self.state(one)} for one in self.log
        ]
        return {
            "file": self.place, "sentence": self.sentence, "samples": self.samples, "classes": list(self.classes),
            "made": [one.id for one in self.made], "copy": self.copy or None, "edits": values,
            "problems": [{"path": one.path, "reason": one.reason} for one in self.problems],
        }  # fmt: skip


class Editor:
    """Makes edits of one data source, as they would be written now.

    `listed` is the source without any edits, `log` what was decided before, `who` decides now.
    """

    def __init__(self, listed: Manifest, log: Sequence[Edit], *, who: str = "") -> None:
        self.listed = listed
        self.log = list(log)
        self.now = edited(listed, log, fewest=0)
        self.who = who or user()
        self._row_of = {path: row for row, path in enumerate(listed.paths or ())}
        self._row_now = {path: row for row, path in enumerate(self.now.paths or ())}
        groups = [""] * len(self.now) if self.now.groups is None else self.now.groups.tolist()
        self._group_of = dict(zip(self.now.paths or (), groups, strict=False))

    def make(self, do: str, words: Sequence[str], *, new_class: bool = False) -> list[Edit]:
        """The edits of one request; [] where everything is so already.

        `new_class` lets a class be named that is not there yet; where pictures have several labels, a `relabel` says
        all of them, cat|dog, and `label` and `unlabel` one that is there or is not. Raises UsageError for what cannot
        be done, with near names for files and classes that do not exist; DataError where fewer than two classes would
        be left.
        """
        if do not in ACTIONS:
            raise unknown("kind of edit", do, ACTIONS)
        if len(words) < {"undo": 0, "exclude": 1}.get(do, 2) or (do == "merge" and len(words) > 2):
            raise UsageError(
                f"{do} needs {ACTIONS[do]}, got {' '.join(map(printable, words)) or 'nothing'}",
                hint=f"hubel edit DATA {do} {ACTIONS[do]}",
            )
        if self.listed.regression and do in ("relabel", "merge"):
            raise UsageError(f"{do} is about classes, and the data have numbers", hint="exclude takes a picture out")
        if do in OF_ONE_LABEL and not self.listed.several:
            what = "numbers" if self.listed.regression else "one class for each picture"
            hint = "exclude takes a picture out" if self.listed.regression else "relabel says which class it is"
            raise UsageError(f"{do} is for pictures with several labels, and the data have {what}", hint=hint)
        if do == "undo":
            undo = [Edit(id="", batch="", when="", who="", do="undo", of=self._undone(words))]
            # Where too few classes are left already, each step back may be one of several that are needed.
            return self._checked(undo) if self._enough(self.now) else self._stamped(undo)
        if do == "merge":
            made = [self._merge(*words, new_class=new_class)]
        else:
            *files, last = [*words, ""] if do == "exclude" else words
            if do == "relabel" and self.listed.several:
                last = self._listed(last, new_class=new_class)
            elif do in ("relabel", *OF_ONE_LABEL):
                self._require_class(last, new_class=new_class)
            if do == "group" and last != printable(last):
                raise UsageError(
                    f"a group needs a name that can be shown, got {printable(last)!r}", hint="such as film-1"
                )
            rows = [row for word in files for row in self._rows(word)]
            made = [self.about(row, do, last, added=new_class) for row in dict.fromkeys(rows)]
        return self._checked([edit for edit in made if self._changes(edit)])

    def about(self, row: int, do: str, new: str = "", *, added: bool = False, why: str = "") -> Edit:
        """An edit of the picture in a row of the listed data, not stamped yet."""
        assert self.listed.paths is not None
        path, names = self.listed.paths[row], self.now.class_names
        said = parted(new, names) if self.listed.several and do == "relabel" else [new]
        return Edit(
            id="", batch="", when="", who="", do=do, file=path, old=self._label(path), new=new, why=why,
            sha256=contents_digest(self.listed, row), added=added and any(name not in names for name in said),
            stat=stat_of(self.listed, row),
        )  # fmt: skip

    def accepted(self, wanted: Mapping[str, tuple[str, str, str]]) -> list[Edit]:
        """Edits for suggestions: path -> (class it had when that was suggested, class, where that comes from).

        What is gone, or of another class by now, is left as it is.
        """
        made = [
            self.about(self._row_of[path], "relabel", new, why=why)
            for path, (old, new, why) in wanted.items()
            if path in self._row_of and self._label(path) == old and new in self.now.class_names
        ]
        return self._checked([edit for edit in made if self._changes(edit)])

    def accepted_labels(self, wanted: Sequence[tuple[str, str, bool, str]]) -> list[Edit]:
        """The same where pictures have several labels: (path, label, is it there?, where that comes from).

        What is gone, or so already by now, is left as it is.
        """
        made = [
            self.about(self._row_of[path], "label" if there else "unlabel", name, why=why)
            for path, name, there, why in wanted
            if path in self._row_of and name in self.now.class_names
        ]
        return self._checked([edit for edit in made if self._changes(edit)])

    def together(self, wanted: Sequence[tuple[str, Sequence[str], str]]) -> list[Edit]:
        """Edits that put pictures into groups: (name of the group, paths, where that comes from).

        A picture that is in a group already stays there.
        """
        taken = {path for path, group in self._group_of.items() if group}
        made = [
            self.about(self._row_of[path], "group", name, why=why)
            for name, paths, why in wanted
            for path in paths
            if path in self._row_of and path not in taken
        ]
        return self._checked(made)

    def _as_is(self, path: str) -> tuple[Manifest, int]:
        """Where a picture stands as it is now; one that was left out, as it was."""
        row = self._row_now.get(path)
        return (self.listed, self._row_of[path]) if row is None else (self.now, row)

    def _label(self, path: str) -> str:
        """Its class, or its labels with | between them; "" where the data have numbers."""
        manifest, row = self._as_is(path)
        return "" if manifest.regression else manifest.labelled_as(row)

    def _labels(self, path: str) -> set[str]:
        """The labels that a picture has, where it may have several."""
        manifest, row = self._as_is(path)
        assert manifest.targets is not None
        return {manifest.class_names[k] for k in np.flatnonzero(manifest.targets[row])}

    def _checked(self, made: list[Edit]) -> list[Edit]:
        stamped = self._stamped(made)
        after = edited(self.listed, [*self.log, *stamped], fewest=0)
        if stamped and not self._enough(after):
            raise DataError(
                f"with that {plural(after.num_classes, 'class')} of {self.listed.num_classes} would have pictures, and "
                "a net needs two to tell apart",
                hint="nothing was written; leave pictures in two classes at least",
            )
        return stamped

    def _enough(self, manifest: Manifest) -> bool:
        """Is there something left to tell apart?"""
        return self.listed.regression or manifest.num_classes >= 2

    def _stamped(self, made: list[Edit]) -> list[Edit]:
        when = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
        ids = [secrets.token_hex(4) for _ in made]
        return [_stamp(edit, name, ids[0], when, self.who) for edit, name in zip(made, ids, strict=True)]

    def _changes(self, edit: Edit) -> bool:
        """Whether an edit would make a difference."""
        if edit.do == "relabel":
            return edit.new != edit.old or edit.file not in (self.now.paths or ())
        if edit.do in OF_ONE_LABEL:
            return (edit.new in self._labels(edit.file)) == (edit.do == "unlabel")
        if edit.do == "exclude":
            return edit.file in (self.now.paths or ())
        if edit.do == "group":
            return edit.new != self._group_of.get(edit.file)
        return True

    def _listed(self, text: str, *, new_class: bool) -> str:
        """All labels that a picture is to have, in the order and with the mark that the log writes them."""
        names = parted(text, self.now.class_names)
        for name in names or ([] if text.casefold() in NOTHING else [text]):
            self._require_class(name, new_class=new_class)
        return "|".join(class_order(set(names))) or "none"

    def _merge(self, old: str, new: str, *, new_class: bool) -> Edit:
        self._require_class(old, new_class=False)
        self._require_class(new, new_class=new_class)
        if old == new:
            raise UsageError(f"a class is merged into another one, got {printable(old)!r} twice", hint="name two")
        added = new_class and new not in self.now.class_names
        return Edit(id="", batch="", when="", who="", do="merge", old=old, new=new, added=added)

    def _require_class(self, name: str, *, new_class: bool) -> None:
        names = self.now.class_names
        if name not in names and self.listed.several and "|" in name:
            raise UsageError(f"one label is named here, got {name!r}", hint="relabel says all labels of a picture")
        if name in names or (new_class and name.strip() and name == printable(name)):
            return
        if new_class:
            raise UsageError(f"a class needs a name that can be shown, got {printable(name)!r}", hint="for example cat")
        error = unknown("class", printable(name), names)
        joint = " " if error.hint.endswith("?") else "; "
        raise UsageError(error.what, hint=f"{error.hint}{joint}--new-class makes a new one")

    def _rows(self, word: str) -> list[int]:
        """Rows of the listed data that a word means: a file as the data call it, one on the disk, or a pattern."""
        if word in self._row_of:
            return [self._row_of[word]]
        real = os.path.realpath(os.path.expanduser(word))
        inside = os.path.relpath(real, self.listed.root).replace(os.sep, "/")
        if inside in self._row_of:
            return [self._row_of[inside]]
        if glob.has_magic(word):
            found = [row for path, row in self._row_of.items() if fnmatch.fnmatchcase(path, word)]
            if found:
                return found
        shown = {printable(path): row for path, row in self._row_of.items()}
        if word in shown:
            return [shown[word]]
        same = [path for path in shown if path.endswith(f"/{Path(word).name}")]
        close = list(dict.fromkeys([*same[:3], *near(word, shown)]))[:3]
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "hubel data DATA lists what is there"
        raise UsageError(f"the data have no file {printable(word)!r}", hint=hint)

    def _undone(self, words: Sequence[str]) -> tuple[str, ...]:
        """Ids of what is taken back: the last command's, or those that are named."""
        counting = in_force(self.log)
        if not counting and not words:
            raise UsageError("there is no edit to undo", hint="hubel edit DATA log lists what was done")
        names = words or [counting[-1].batch]
        found: list[str] = []
        for name in names:
            of = [edit.id for edit in self.log if name in (edit.id, edit.batch)]
            if not of:
                close = near(name, [edit.id for edit in self.log])
                hint = f"did you mean {close[0]}? " if close else ""
                raise UsageError(
                    f"no edit has the id {printable(name)!r}", hint=f"{hint}hubel edit DATA log lists them"
                )
            found += of
        return tuple(dict.fromkeys(found))


def _stamp(edit: Edit, name: str, batch: str, when: str, who: str) -> Edit:
    values = {field: getattr(edit, field) for field in Edit.__slots__}
    return Edit(**values | {"id": name, "batch": batch, "when": when, "who": who})


def user() -> str:
    """Who is at the keyboard, as far as the system says."""
    try:
        return printable(getpass.getuser())[:64]
    except (OSError, KeyError, ImportError):  # a number without a name, in a container
        return "unknown"


def editor_of(source: str, who: str, reading: Mapping[str, Any]) -> tuple[EditLog, Editor]:
    """The log of a folder or table, which is read as `reading` says, and who writes into it."""
    listed, log, known, _ = open_to_edit(source, Path(source).expanduser(), **reading)
    return log, Editor(listed, known, who=who)


def open_to_edit(
    source: str | os.PathLike[str], place: Path, *, lists: bool = False, **reading: Any
) -> tuple[Manifest, EditLog, list[Edit], list[Problem]]:
    """A source at `place` without its edits, their log, all that stands in it, and what is wrong with that file.

    Labels are read as lists where `lists` says so, where cells do (cat|dog), or where edits of one of several are in
    force. Raises as `open_source` and `require_files`.
    """
    listed = open_source(source, edits=(), **reading)
    require_files(listed)
    log = edit_log(place, listed.root)
    known, bad = log.read()
    lists = lists or in_lists(listed) is not None or any(edit.do in OF_ONE_LABEL for edit in in_force(known))
    if lists:
        listed = open_source(source, edits=(), lists=True, **reading)
    return listed, log, known, bad


def with_groups(manifest: Manifest, made: Sequence[Edit]) -> Manifest:
    """The manifest with the groups that edits have just made."""
    return replace(manifest, groups=edited(manifest, made).groups, _digest=[])


def undo_command(source: str, made: Sequence[Edit]) -> str:
    """What takes edits of one command back.

    >>> undo_command("my photos", [Edit(id="1a", batch="1a", when="", who="", do="exclude", file="a.png")])
    "hubel edit 'my photos' undo 1a"
    """
    return f"hubel edit {shlex.quote(source)} undo {made[0].batch}"


def require_request(do: str, words: Sequence[str], *, new_class: bool, copy: bool, who: str) -> None:
    """Raise UsageError for what is no kind of edit, and for options that would be without effect."""
    if do not in (*ACTIONS, "log", "apply"):
        raise unknown("kind of edit", do, [*ACTIONS, "log", "apply"])
    if copy != (do == "apply"):
        raise UsageError("apply and --copy belong together: a clean copy is written", hint="apply --copy FOLDER")
    if words and do in ("log", "apply"):
        raise UsageError(f"{do} takes no more words, got {printable(words[0])!r}", hint=f"hubel edit DATA {do}")
    if who and do not in ACTIONS:
        raise UsageError(f"{do} decides nothing, so that --who has no meaning", hint="leave it out")
    if new_class and do not in ("relabel", "merge", "label"):
        raise UsageError(f"{do} names no class, so that --new-class has no meaning", hint="leave it out")


def require_files(manifest: Manifest) -> None:
    """Raise UsageError for data whose samples are no files of the user's."""
    if manifest.paths is None:
        raise UsageError(
            f"{manifest.source} is a named set, and its labels are not edited",
            hint="edits belong to a folder or a table of your own",
        )
    if manifest.masks is not None or (manifest.targets is not None and not manifest.several):
        what = "masks" if manifest.masks is not None else "targets at each step"
        raise UsageError(
            f"{printable(manifest.source)} has {what}, and no single labels that could be edited",
            hint="change them in the program that made them; names must stay",
        )
    if not len(manifest) or not np.isfinite(manifest.labels).all():
        raise DataError(f"{printable(manifest.source)} holds nothing to edit", hint="hubel data DATA says what it has")
