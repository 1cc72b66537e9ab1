"""`hubel curve`: what twice as many pictures would bring, and which class to collect first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hubel.cli.console import say
from hubel.cli.options import JSON, one_source, option
from hubel.cli.output import print_json, watched, write_file
from hubel.cli.settings import PRETEXT, assignments, columns_among, with_settings


@with_settings(without=(*PRETEXT, "fold", "train_fraction", "limit", "compare_start"))
def command(
    source: Annotated[
        str | None, typer.Argument(metavar="DATA", help="as for hubel train; or a curve's folder: go on, show again")
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="settings without the dashes")] = None,
    *,
    seeds: Annotated[int, option("--seeds", metavar="N", help="trainings of each size")] = 3,
    file: Annotated[
        Path | None, option("--page", metavar="FILE", help="write the page here, too; alone: curve.html")
    ] = None,
    config: Annotated[Path | None, option("--config", metavar="FILE", help="a recipe file; flags override it")] = None,
    quiet: Annotated[bool, option("--quiet", hidden=True, help="print the result only")] = False,
    as_json: JSON = False,
    settings: dict[str, Any],
) -> None:
    """Train on 1/8, 1/4, 1/2 and all of the pictures: what would twice as many bring, and of which class first?

    Takes about six trainings' time. Stopped anywhere, hubel curve FOLDER goes on.

    hubel curve photos/
    hubel curve photos/ --epochs 10 --page curve.html
    hubel curve runs/photos-curve-1 --json
    """
    words = list(more or [])
    if source is not None and "=" in source and not Path(source).exists():
        words, source = [source, *words], None
    if "columns" in settings:
        also, words = columns_among(words)
        settings["columns"] |= also
    settings = settings | assignments(words)
    data = one_source(source or "", settings.pop("data", ""))

    from hubel.verbs.curve import curve

    with watched(quiet=quiet) as watch:
        found = curve(data, seeds=seeds, config=config, watch=watch, **settings)
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if file is not None:
        from hubel.report.pages.curve import render_curve

        write_file(file, render_curve(found).encode(errors="backslashreplace"), beside=[data or ""])
