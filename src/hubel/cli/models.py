"""`hubel models`: list the architectures."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from hubel.cli.console import note, out
from hubel.cli.options import JSON, option
from hubel.cli.output import print_json
from hubel.errors import unknown
from hubel.models import Card, list_models
from hubel.verbs.models import models
from hubel.words import short


def command(
    pattern: Annotated[
        str, typer.Argument(metavar="NAME", help="a part of the name (vgg), or a pattern: 'resnet?'")
    ] = "*",
    match: Annotated[str, option("--match", hidden=True, help="the same as an option")] = "",
    sort: Annotated[str, option("--sort", metavar="BY", help="name, year, params or macs")] = "name",
    tag: Annotated[
        str, option("--tag", metavar="WORD", help="only nets with this word: residual, mobile, small …")
    ] = "",
    as_json: JSON = False,
) -> None:
    """List the architectures with parameters, multiply-accumulates and year.

    hubel models
    hubel models vgg
    hubel models 'resnet*' --sort params
    """
    wanted = match or pattern
    found = models(wanted, sort=sort, tag=tag)
    if not found:
        raise unknown("model", wanted, list_models(), listing="hubel models")
    if as_json:
        print_json([entry.to_dict() for entry in found])
        return
    lines = [
        *_row("name", "year", "params", "MACs", "input", "what"),
        *(line for entry in found for line in _lines(entry)),
    ]
    out().print("\n".join(lines), soft_wrap=True)
    note(f"{len(found)} architectures; the card of one: hubel model NAME")


def _lines(entry: Card) -> list[str]:
    size = entry.img_size
    side = "" if size is None else str(size) if isinstance(size, int) else "x".join(map(str, size))
    return _row(entry.name, str(entry.year or ""), _count(entry.params), _count(entry.macs), side, entry.title)


def _row(name: str, year: str, params: str, macs: str, size: str, title: str) -> list[str]:
    """A line of 80 columns, and more lines where the title is long."""
    head = f"{name:<24} {year:<4} {params:>7} {macs:>7} {size:>5}  "
    return textwrap.wrap(title, 80, initial_indent=head, subsequent_indent=" " * len(head)) or [head.rstrip()]


def _count(number: int | None) -> str:
    return "" if number is None else short(number)
