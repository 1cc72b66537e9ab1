"""`hubel ensemble`: several runs that answer as one net."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.console import say
from hubel.cli.options import DEVICE, JSON, expanded, option
from hubel.cli.output import print_json, watched
from hubel.errors import UsageError


def command(
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="SEARCH|RUN", help="a search, or several runs of the same data")
    ] = None,
    members: Annotated[int, option("--members", min=2, max=64, metavar="N", help="nets at most")] = 5,
    snapshots: Annotated[
        bool, option("--snapshots", help="of each run the nets at the ends of its cycles (train --schedule cycles)")
    ] = False,
    space: Annotated[
        str, option("--space", metavar="SPACE", help="of the mean: probability or logit; the better if not given")
    ] = "",
    alike: Annotated[bool, option("--alike", help="the best --members, with the same weight each")] = False,
    folder: Annotated[
        str | None, option("--out", metavar="FOLDER", help="where the new run goes; beside the first one if not given")
    ] = None,
    device: DEVICE = "auto",
    as_json: JSON = False,
) -> None:
    """Choose runs that are right together, on validation, and write them as one run.

    Runs that name a class, several labels or a number, a class for each pixel, answer step by step, or give pictures
    back. predict and evaluate take the result like any other run, serve and export where they take its members. How
    good it is and what it costs stand beside the same of the best single net.

    hubel ensemble search/photos-1 --members 5
    hubel ensemble runs/photos-1 runs/photos-2 runs/photos-3
    hubel ensemble runs/photos-4 --snapshots
    """
    names = expanded(runs or [])
    if not names:
        raise UsageError("hubel ensemble needs a search, or several runs", hint="hubel runs lists what there is")
    from hubel.verbs.ensemble import ensemble

    with watched() as watch:
        found = ensemble(
            names, members=members, snapshots=snapshots, space=space, alike=alike, out=folder, device=device,
            watch=watch,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
