"""`hubel doctor`: what is wrong with a training, before it and afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hubel.cli.console import say
from hubel.cli.options import JSON, option
from hubel.cli.output import print_json, watched
from hubel.cli.settings import PRETEXT, assignments, with_settings


@with_settings(without=(*PRETEXT, "data", "name", "grid_intensity", "save_every", "keep_every", "on_save_error", "out"))
def command(
    what: Annotated[
        str, typer.Argument(metavar="DATA|RUN", help="digits, mnist, … a folder or a table of pictures; or a run")
    ],
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="settings without the dashes")] = None,
    *,
    config: Annotated[Path | None, option("--config", metavar="FILE", help="a recipe file; flags override it")] = None,
    tried: Annotated[
        bool, option("--try", help="a run: 50 steps on a copy as it is, and 50 with the advice followed")
    ] = False,
    seconds: Annotated[float, option("--seconds", min=1, metavar="S", help="that the check-up may take, about")] = 20,
    as_json: JSON = False,
    settings: dict[str, Any],
) -> None:
    """Check data, net, loss and steps before a training, on copies; or a run by what it recorded. Nothing is written.

    Options are those of hubel train. Exit code 0 where no error is found, 1 where one is; warnings do not count.

    hubel doctor photos/ --model resnet18 --lr 0.1
    hubel doctor runs/photos-1
    hubel doctor runs/photos-1 --try
    """
    from hubel.verbs.doctor import check

    with watched() as watch:
        found = check(
            what, config=config, follow=tried, seconds=seconds, watch=watch, **(settings | assignments(more or []))
        )
    if as_json:
        print_json(found.to_dict())
    else:
        say("\n".join(found.lines()))
    if not found.healthy:
        raise typer.Exit(1)
