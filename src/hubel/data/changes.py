"""One edit of the labels: what somebody decided about a picture or a class, as one line of `edits.jsonl`.

A log of edits is only ever added to. What counts is worked out from all of it (`in_force`), so that an edit that was
taken back is still there to be read, and can be taken up again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hubel.data.manifest import printable
from hubel.errors import ArtefactError
from hubel.store import parse_json

KINDS = ("relabel", "exclude", "merge", "group", "label", "unlabel", "undo")
OF_ONE_LABEL = ("label", "unlabel")
"""Edits of one of the labels that a picture has: such data are of several labels."""
LINE_LIMIT = 1 << 20
"""Bytes of the longest line that is read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One decision. Of one picture (`file`), of a class (`old`), or of earlier decisions (`of`)."""

    id: str
    """Eight hexadecimal digits, its own."""
    batch: str
    """The id of the first of those that were made by one command: they are taken back together."""
    when: str
    """UTC, ISO 8601."""
    who: str
    do: str
    """One of KINDS."""
    file: str = ""
    """Relative to the root of the data, as in `Manifest.paths`."""
    sha256: str = ""
    """Of the file's bytes when it was edited: an edit of other contents is not applied."""
    stat: str = ""
    """Size, time of modification and of change then: where they are still the same, the file is not read again."""
    old: str = ""
    """The class before (of several labels all, with | between them); of a merge, the class that goes."""
    new: str = ""
    """The class after, the one label that comes or goes, or the name of the group."""
    added: bool = False
    """May the class be a new one?"""
    of: tuple[str, ...] = ()
    """Ids that an undo takes back."""
    why: str = ""
    """Where it came from, if not from a person: "suggested, 97.1 %"."""

    @property
    def sentence(self) -> str:
        """What it does, in words.

        >>> Edit(id="1", batch="1", when="", who="", do="relabel", file="cat/1.jpg", old="cat", new="dog").sentence
        'relabel cat/1.jpg: cat to dog'
        """
        file = printable(self.file)
        return {
            "relabel": f"relabel {file}: {self.old} to {self.new}",
            "exclude": f"exclude {file} ({self.old})",
            "label": f"label {file}: with {self.new}",
            "unlabel": f"unlabel {file}: without {self.new}",
            "merge": f"merge {self.old} into {self.new}",
            "group": f"group {file} in {self.new}" if self.new else f"take {file} out of its group",
            "undo": f"undo {', '.join(self.of[:3])}" + (f" and {len(self.of) - 3} more" if len(self.of) > 3 else ""),
        }[self.do]

    @property
    def result(self) -> str:
        """Of an edit of one of several labels: all that the picture had then, with | between them.

        >>> Edit(id="1", batch="1", when="", who="", do="label", file="1.jpg", old="cat", new="dog").result
        'cat|dog'
        """
        had = [] if self.old == "none" else [name for name in self.old.split("|") if name != self.new]
        return "|".join([*had, *([self.new] if self.do == "label" else [])]) or "none"

    def line(self) -> str:
        """As it stands in the log, without the line break; letters that are no text are escaped."""
        empty = ("", (), False)
        values = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({name: value for name, value in values.items() if value not in empty or name == "new"})


def read_edit(line: bytes) -> Edit:
    """The edit of one line; raises ArtefactError for what is none.

    >>> read_edit(Edit(id="1a", batch="1a", when="", who="me", do="merge", old="cats", new="cat").line().encode()).new
    'cat'
    """
    value: Any = parse_json(line, name="the line", limit=LINE_LIMIT)
    kinds: dict[str, Any] = {"of": list, "added": bool}
    if not isinstance(value, dict) or value.get("do") not in KINDS or not value.get("id"):
        raise ArtefactError("it is no edit", hint="hubel edit DATA log shows those that are")
    known = {name: value[name] for name in Edit.__slots__ if name in value}
    for name, entry in known.items():
        if not isinstance(entry, kinds.get(name, str)):
            raise ArtefactError(f"its {name} is of the wrong kind", hint="hubel edit DATA log shows those that are")
    of = tuple(known.get("of", ()))
    if not all(isinstance(name, str) for name in of):
        raise ArtefactError("its of is of the wrong kind", hint="hubel edit DATA log shows those that are")
    return Edit(**{"batch": known["id"], "when": "", "who": "", **known, "of": of})


def in_force(edits: Sequence[Edit]) -> list[Edit]:
    """The edits that count, in their order: neither taken back nor an undo. An undo may be taken back, too.

    >>> def edit(name, do, **settings): return Edit(id=name, batch=name, when="", who="", do=do, **settings)
    >>> log = [edit("1", "exclude", file="a"), edit("2", "exclude", file="b"), edit("3", "undo", of=("1",))]
    >>> [one.id for one in in_force(log)], [one.id for one in in_force([*log, edit("4", "undo", of=("3",))])]
    (['2'], ['1', '2'])
    """
    gone: set[str] = set()
    counting = []
    for edit in reversed(edits):
        if edit.id in gone:
            continue
        if edit.do == "undo":
            gone |= set(edit.of)
        else:
            counting.append(edit)
    return counting[::-1]


def lines_of(edits: Iterable[Edit]) -> str:
    """A log as text, a line an edit."""
    return "".join(f"{edit.line()}\n" for edit in edits)
