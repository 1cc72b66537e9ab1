"""`hubel components`: the parts that recipes and layer lists can name."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import note, out
from hubel.errors import UsageError
from hubel.lessons.parts import KINDS, Part, choose, find, listed


def command(
    what: Annotated[str, typer.Argument(help="a kind (losses), or one part (gelu); none for all kinds")] = "",
    match: Annotated[str, typer.Option(help="only names that fit: '*elu'")] = "*",
    picture: Annotated[Path | None, typer.Option(help="draw all parts of the kind into this file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="all that is known, as JSON")] = False,
) -> None:
    """List layers, blocks, activations, losses, optimisers, schedules, initialisations and augmentations."""
    if picture is not None:
        from hubel.verbs import components as verb

        if what not in verb.PICTURES:
            raise UsageError(f"--picture needs a kind, got {what!r}", hint=f"one of: {', '.join(verb.PICTURES)}")
        verb.check_picture(what, picture.name)
        picture.write_bytes(verb.picture(what).data)
        note(f"wrote {picture}")
        return
    single = bool(what) and what not in KINDS
    parts = find(listed(), what) if single else choose(listed(), match, kind=what)
    if as_json:
        out().print(json.dumps([dataclasses.asdict(part) for part in parts], indent=1), markup=False)
    elif single:
        out().print("\n\n".join(map(_card, parts)), markup=False, soft_wrap=True)
    elif what or match != "*":
        out().print("\n".join(_line(part) for part in parts), markup=False, soft_wrap=True)
        note(f"{len(parts)} parts; one of them in full: hubel components NAME")
    else:
        out().print(
            "\n".join(_summary(kind, [part.name for part in choose(parts, kind=kind)]) for kind in KINDS),
            markup=False,
            soft_wrap=True,
        )
        note("more: hubel components KIND, or hubel components NAME")


def _summary(kind: str, names: list[str]) -> str:
    indent = " " * 17
    return textwrap.fill(", ".join(names), 80, initial_indent=f"{kind:<17}", subsequent_indent=indent,
                         break_on_hyphens=False)  # fmt: skip


def _line(part: Part) -> str:
    """80 columns: name, formula.

    >>> _line(find(listed(), "gelu")[0])
    'gelu               x Φ(x)'
    """
    line = f"{part.name:<18} {part.formula}"
    return line if len(line) <= 80 else line[:79] + "…"


def _card(part: Part) -> str:
    rows = [
        ("formula", part.formula), ("options", part.options), ("in a recipe", part.used), ("mind", part.note),
        ("source", part.source),
    ]  # fmt: skip
    head = f"{part.name}: {part.title} ({part.kind})"
    indent = " " * 14
    body = [
        textwrap.fill(value, 80, initial_indent=f"  {label:<12}", subsequent_indent=indent, break_on_hyphens=False)
        for label, value in rows
        if value
    ]
    return "\n".join([head, *body])
