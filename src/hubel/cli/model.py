"""`hubel model NAME`: the card of one architecture."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from hubel.cli.console import out
from hubel.cli.options import JSON, option
from hubel.cli.output import print_json
from hubel.models import Card
from hubel.models.files import known_as
from hubel.verbs.models import card
from hubel.words import plural, short


def command(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="a name from hubel models, or a layer list (.yaml)")],
    as_json: JSON = False,
    code: Annotated[bool, option("--code", help="a layer list (.yaml) as plain PyTorch, or the file of a net")] = False,
    num_classes: Annotated[int | None, option("--num-classes", min=1, metavar="N", help="classes, for --code")] = None,
    in_chans: Annotated[
        int | None, option("--in-chans", "--channels", metavar="N", help="input channels, for --code")
    ] = None,
    img_size: Annotated[
        int | None, option("--img-size", "--imgsz", "--image-size", metavar="N", help="side in pixels, for --code")
    ] = None,
) -> None:
    """Print what is known about an architecture (paper, counts, published accuracy), or its code.

    hubel model vgg16
    hubel model mynet.yaml --code
    """
    if code:
        from hubel.verbs.layers import code as program

        out().print(program(name, num_classes=num_classes, in_chans=in_chans, img_size=img_size))
        return
    entry = card(known_as(name))
    if as_json:
        print_json(entry.to_dict())
        return
    out().print("\n".join(describe(entry)))


def describe(entry: Card) -> list[str]:
    """The card as lines of at most 80 columns."""
    size = entry.img_size
    height, width = (size, size) if isinstance(size, int) else size or (0, 0)
    shape = f"{entry.in_chans} x {height} x {width}" if size else plural(entry.in_chans, "feature")
    lines = [
        f"{entry.title} ({entry.year})" if entry.year else entry.title,
        f"hubel train DATA --model {entry.name}",
        "",
    ]
    facts = {
        "new": entry.novelty,
        "paper": entry.reference,
        "published": entry.accuracy,
        "input": f"{shape}, at least {entry.min_size} x {entry.min_size}" if size else shape,
        "classes": f"{entry.num_classes}",
        "parameters": f"{entry.params:,} ({short(entry.params)})" if entry.params is not None else "",
        "MACs": f"{entry.macs:,} ({short(entry.macs)})" if entry.macs is not None else "",
        "tags": ", ".join(entry.tags),
    }
    for key, value in facts.items():
        if value:
            lines += _wrapped(f"{key:<12}", value)
    for number, text in enumerate(entry.notes):
        lines += _wrapped(f"{'notes' if number == 0 else '':<12}", f"- {text}")
    return lines


def _wrapped(label: str, text: str) -> list[str]:
    rest = " " * (len(label) + 2 * text.startswith("- "))
    return textwrap.wrap(text, 80, initial_indent=label, subsequent_indent=rest, break_on_hyphens=False)
