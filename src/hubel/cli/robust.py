"""`hubel robust`: what a net makes of spoilt, moved, turned and bent pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import say
from hubel.cli.options import DATA_ROOT, DEVICE, JSON, SEED, SPLIT, expanded, option, out
from hubel.cli.output import print_json, watched, write_file
from hubel.errors import UsageError


def command(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN", help="a run, or several, each laid beside the first")
    ] = None,
    corruptions: Annotated[
        str, option("--corruptions", metavar="LIST", help="names and groups: noise,jpeg; all, none (--list has them)")
    ] = "",
    severities: Annotated[str, option("--severities", metavar="LIST", help="from 1 to 5")] = "1,2,3,4,5",
    shifts: Annotated[
        int, option("--shifts", metavar="PIXELS", help="how far pictures are moved; 0: not moved, turned or bent")
    ] = 8,
    limit: Annotated[
        int | None,
        option(
            "--limit", "--max-samples", min=1, metavar="N", help="pictures, evenly taken; else about a minute's worth"
        ),
    ] = None,
    split: SPLIT = "test",
    seed: SEED = 0,
    file: Annotated[Path | None, out("also write a page, such as robust.html", "--report")] = None,
    device: DEVICE = "auto",
    data_root: DATA_ROOT = None,
    listed: Annotated[bool, option("--list", help="list the corruptions, and measure nothing")] = False,
    as_json: JSON = False,
) -> None:
    """Measure a run where the world shifts: noise, blur, weather, compression; shifts, turns, sizes, bends.

    The corruptions are those of ImageNet-C at five severities, for grey pictures some of MNIST-C too. The same pictures
    are spoilt in the same way each time.

    hubel robust runs/photos-1 --out robust.html
    hubel robust runs/a runs/b --corruptions noise,blur
    """
    if listed and (runs or file is not None):
        raise UsageError("--list measures nothing: it goes with no RUN and no --out", hint="hubel robust --list")
    if listed:
        _show_list(as_json=as_json)
        return
    names = expanded(runs or [])
    if not names:
        raise UsageError("hubel robust needs RUN: a run, or several", hint="hubel runs lists what there is")
    from hubel.verbs.robust import robust, write_page

    named = [word.strip() for word in corruptions.split(",") if word.strip()]
    with watched() as watch:
        found = robust(
            names, split=split, limit=limit, corruptions=named, severities=_severities(severities), shifts=shifts,
            seed=seed, device=device, data_root=data_root, watch=watch,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if file is not None:
        write_file(file, write_page(found, names[0], data_root, device).encode(errors="backslashreplace"))


def _severities(text: str) -> list[int]:
    """Whole numbers with commas between them; UsageError for anything else.

    >>> _severities("5,1,1")
    [1, 5]
    """
    try:
        return sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise UsageError(
            f"--severities must be whole numbers from 1 to 5, got {text!r}", hint="--severities 1,3,5"
        ) from None


def _show_list(*, as_json: bool) -> None:
    from hubel.verbs.robust import list_corruptions

    found = list_corruptions()
    if as_json:
        print_json(found)
    else:
        say("\n".join(f"{each['name']:<16}{each['kind']:<9}{each['formula']}" for each in found))
