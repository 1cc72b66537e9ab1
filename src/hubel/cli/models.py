"""`hubel models`: list the architectures."""

from __future__ import annotations

import textwrap
from typing import Annotated, Any

import typer

from hubel.cli.console import note, out
from hubel.cli.options import JSON, option
from hubel.cli.output import print_json
from hubel.errors import unknown
from hubel.models import Card, list_models
from hubel.models.pretrained import BASE
from hubel.verbs.models import models, weights
from hubel.words import amount, short


def command(
    pattern: Annotated[
        str, typer.Argument(metavar="NAME", help="a part of the name (vgg), or a pattern: 'resnet?'")
    ] = "*",
    match: Annotated[str, option("--match", hidden=True, help="the same as an option")] = "",
    sort: Annotated[str, option("--sort", metavar="BY", help="name, year, params or macs")] = "name",
    tag: Annotated[
        str, option("--tag", metavar="WORD", help="only nets with this word: residual, mobile, small …")
    ] = "",
    pretrained: Annotated[
        bool, option("--pretrained", help="published weights: which are here, which can be had, and how")
    ] = False,
    as_json: JSON = False,
) -> None:
    """List the architectures with parameters, multiply-accumulates and year.

    hubel models
    hubel models vgg
    hubel models 'resnet*' --sort params
    hubel models --pretrained
    """
    wanted = match or pattern
    if pretrained:
        _list_weights(weights(wanted, sort=sort, tag=tag), wanted, as_json)
        return
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


def _list_weights(rows: tuple[dict[str, Any], ...], wanted: str, as_json: bool) -> None:
    if not rows:
        raise unknown("published weights", wanted, list_models(), listing="hubel models --pretrained")
    if as_json:
        print_json(list(rows))
        return
    lines = [f"{'name':<18} {'':<2} {'top-1':>6} {'/100':>4} {'side':>4} {'size':>7}  {'licence':<12}  sha256   where"]
    for row in rows:
        version = "" if row["newest"] else row["version"]
        tried = "" if row["of_100_photographs"] is None else row["of_100_photographs"]
        lines.append(
            f"{row['model']:<18} {version:<2} {row['accuracy']:>6.2f} {tried:>4} {row['size']:>4} "
            f"{amount(row['bytes']):>7}  {row['licence']:<12}  {row['sha256'][:8]} {_state(row)}"
        )
    out().print("\n".join(lines), soft_wrap=True)
    note("top-1: of ImageNet's validation pictures, in %, as published, with side x side pixels")
    note("/100: photographs of as many classes that hubel names right, where that was measured")
    if any(row["package"] is None for row in rows):
        note(f"downloads come from {BASE}")
    for row in rows:
        if not row["here"] and row["package"] is not None:
            note(f"{row['model']}: {row['how']}")
    note("addresses, whole digests and preprocessing: --json")
    note("use one: hubel predict efficientnet_lite0 PICTURE · hubel train photos/ --from efficientnet_lite0")


def _state(row: dict[str, Any]) -> str:
    """What it takes to use weights, in a word."""
    return "here" if row["here"] else "download" if row["package"] is None else "package"


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
