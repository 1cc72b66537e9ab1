"""How a result looks when it is printed, and in a notebook: its facts, line by line, unless it knows better.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Found(Viewed):
...     picture: str
...     share: float
...     near: tuple[str, ...] = ()
>>> print(Found("cat.jpg", 0.25, ("fox", "<dog>")))
picture  cat.jpg
share    0.25
near     fox, <dog>
>>> Found("cat.jpg", 0.25)._repr_html_()
"<table><tr><th style='text-align:left'>picture</th><td>cat.jpg</td></tr><tr>..."
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

from hubel.words import plural, visible

FEW = 8
"""Things that are listed one by one; of more, the number is said."""


class Viewed:
    """Gives a dataclass `str(result)` and a view in notebooks, both of what `facts` says."""

    __slots__ = ()

    def facts(self) -> dict[str, str]:
        """Name -> value, as they are shown; names and values may hold anything, and are made harmless afterwards."""
        found: dict[str, str] = {}
        for field in fields(self):  # type: ignore[arg-type]  # who inherits this is a dataclass
            text = "" if field.name.startswith("_") else in_short(getattr(self, field.name))
            if text:
                found[field.name.replace("_", " ")] = text
        return found

    def __str__(self) -> str:
        facts = {visible(name): visible(text) for name, text in self.facts().items()}
        wide = max(map(len, facts), default=0)
        return "\n".join(_wrapped(f"{name:<{wide}}  {text}", wide + 2) for name, text in facts.items())

    def _repr_html_(self) -> str:
        return html_facts(self.facts())


def _wrapped(line: str, indent: int) -> str:
    """A long line broken at spaces, what follows below the value; 80 columns where words allow."""
    whole = {"break_long_words": False, "break_on_hyphens": False, "replace_whitespace": False}
    return line if len(line) <= 80 else textwrap.fill(line, 80, subsequent_indent=" " * indent, **whole)  # type: ignore[arg-type]


def in_short(value: Any) -> str:
    """A value in a few words; "" for what has nothing to say.

    >>> in_short(0.123456789), in_short(12345), in_short(("a", "b")), in_short({"a": 1}), in_short(None)
    ('0.123457', '12,345', 'a, b', 'a: 1', '')
    >>> in_short(list(range(100)))
    '100 entries'
    """
    if value is None or callable(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "–" if value != value else f"{value:.6g}"
    if isinstance(value, int):
        return str(value) if -10_000 < value < 10_000 else f"{value:,}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return "x".join(map(str, value.shape)) or in_short(value.item())
    if isinstance(value, Mapping):
        value = {key: in_short(entry) for key, entry in value.items()}
        return (
            ", ".join(f"{key}: {text}" for key, text in value.items())
            if len(value) <= FEW
            else f"{plural(len(value), 'entry')}"
        )
    if isinstance(value, (tuple, list)):
        if any(is_dataclass(entry) or isinstance(entry, (tuple, list, dict)) for entry in value) or len(value) > FEW:
            return f"{plural(len(value), 'entry')}"
        return ", ".join(map(in_short, value))
    if is_dataclass(value):
        return str(value).partition("\n")[0][:200]
    text = str(value)
    return text if len(text) <= 400 else f"{text[:399]}…"


def html_facts(facts: Mapping[str, str]) -> str:
    """A table of two columns, everything escaped."""
    rows = (
        f"<tr><th style='text-align:left'>{_safe(name)}</th><td>{_safe(text)}</td></tr>" for name, text in facts.items()
    )
    return f"<table>{''.join(rows)}</table>"


def html_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a head, everything escaped.

    >>> html_table(["class"], [["<b>"]])
    '<table><tr><th>class</th></tr><tr><td>&lt;b&gt;</td></tr></table>'
    """
    lines = [f"<tr>{''.join(f'<th>{_safe(title)}</th>' for title in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


def _safe(text: object) -> str:
    return escape(visible(str(text))).replace("\n", "<br>")
