"""`hubel components`: the parts that recipes and layer lists can name."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Annotated

import typer

from hubel.cli.console import note, out
from hubel.cli.options import JSON, PICTURE_FILE, option
from hubel.cli.output import print_json, write_figure
from hubel.errors import UsageError
from hubel.lessons.parts import KINDS, Part, choose, listed, parts_named
from hubel.registry import offers, package
from hubel.words import plural


def command(
    what: Annotated[
        str, typer.Argument(metavar="NAME", help="a kind (losses), or one part (gelu); none for all kinds")
    ] = "",
    match: Annotated[str, option("--match", metavar="PATTERN", help="only names that fit: '*elu'")] = "*",
    file: PICTURE_FILE = None,
    as_json: JSON = False,
) -> None:
    """List the parts of nets and recipes: layers, losses, optimisers, schedules, kernels, metrics, ….

    hubel components
    hubel components activations --out activations.svg
    hubel components gelu
    """
    if file is not None:
        from hubel.verbs import components as verb

        if what not in verb.PICTURES:
            raise UsageError(f"--out needs a kind, got {what!r}", hint=f"one of: {', '.join(verb.PICTURES)}")
        verb.check_picture(what, file.name)
        write_figure(verb.picture(what), file)
        return
    single = bool(what) and what not in KINDS
    parts = parts_named(listed(), what) if single else choose(listed(), match, kind=what)
    if as_json:
        print_json([dataclasses.asdict(part) for part in parts])
    elif single:
        out().print("\n\n".join(map(_card, parts)), soft_wrap=True)
    elif what or match != "*":
        offered = offers("hubel.metrics") if what == "metrics" else ()
        lines = [*map(_line, parts), *(f"{offer.name:<18} of {package(offer)}" for offer in offered)]
        out().print("\n".join(lines), soft_wrap=True)
        note(f"{plural(len(parts), 'part')}; one of them in full: hubel components NAME")
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

    >>> _line(parts_named(listed(), "gelu")[0])
    'gelu               x Φ(x)'
    """
    line = f"{part.name:<18} {part.formula}"
    return line if len(line) <= 80 else line[:79] + "…"


def _card(part: Part) -> str:
    how = "in a recipe" if part.used.startswith("--") else "in Python"
    rows = [
        ("formula", part.formula), ("options", part.options), (how, part.used), ("mind", part.note),
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
