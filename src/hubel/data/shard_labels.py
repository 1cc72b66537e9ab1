"""The label of a picture in a shard: what the texts beside it say, or a cell of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hubel.data.manifest import printable
from hubel.data.tars import LABELS

KEYS = ("label", "cls", "class", "class_name", "label_name", "category", "target")
"""What the label is called in a key.json; the first that is there counts."""
MOST_LETTERS = 200
"""Of a class; a longer text describes a picture and names no class."""


@dataclass(frozen=True)
class NoLabel:
    """No label, or one that is no class: what kind of problem that is, and why."""

    kind: str
    why: str


def said_label(texts: Mapping[str, str]) -> str | int | NoLabel:
    """The label that the texts beside a picture say."""
    why = NoLabel("no label", "no .cls, .json or .txt of its key says its label")
    for end in LABELS:
        if end not in texts:
            continue
        text = texts[end].strip()
        if end != ".json":
            return as_label(text)
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return NoLabel("bad label", "its .json cannot be read")
        if isinstance(said, dict):
            key = next((key for key in KEYS if key in said), None)
            if key is None:
                why = NoLabel("no label", f"its .json has none of {', '.join(KEYS[:4])}, …")
                continue
            said = said[key]
        return as_label(said)
    return why


def as_label(said: object) -> str | int | NoLabel:
    """A label as a file says it: a name, or the number of a class.

    >>> as_label("cat"), as_label(" 7 "), as_label(None).kind, as_label(-1).why
    ('cat', 7, 'no label', 'its label is -1, below 0')
    """
    if isinstance(said, bool):
        return str(said).lower()
    if isinstance(said, str):
        text = said.strip()
        if text.isascii() and text.isdigit() and len(text) < 19:
            return int(text)
        if not text or len(text) > MOST_LETTERS or "\n" in text:
            what = "empty" if not text else f"a text of {len(text):,} letters, which is no class"
            return NoLabel("bad label", f"its label is {what}")
        return printable(text)
    if isinstance(said, int):
        return said if said >= 0 else NoLabel("bad label", f"its label is {said}, below 0")
    return NoLabel("no label" if said is None else "bad label", f"its label is {printable(repr(said)[:60])}")
