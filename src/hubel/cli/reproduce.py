"""`hubel reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import say
from hubel.cli.options import DATA_ROOT, JSON, RUN, option
from hubel.cli.output import print_json, watched


def command(
    run: RUN,
    folder: Annotated[
        Path | None,
        option(
            "--out", "--output-dir", "--project", metavar="FOLDER", help="folder of runs; that of the run if not given"
        ),
    ] = None,
    data_root: DATA_ROOT = None,
    as_json: JSON = False,
) -> None:
    """Train a finished run once more: the same bits, or what differs and why. Exit code 1 where it differs.

    hubel reproduce runs/photos-1
    """
    from hubel.verbs.reproduce import reproduce

    with watched() as watch:
        found = reproduce(run, out=folder, data_root=data_root, watch=watch)
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if not found.same:
        raise typer.Exit(1)
