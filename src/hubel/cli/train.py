"""`hubel train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hubel.cli.settings import assignments, with_settings


@with_settings
def command(
    data: Annotated[
        str | None,
        typer.Argument(help="digits, mnist, cifar10, … or a folder, a CSV or a JSONL file", show_default=False),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", show_default=False)] = None,
    *,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="a recipe file; flags override it", show_default=False)
    ] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", help="any setting by address: optimizer.lr=0.05", show_default=False)
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", help="go on with an unfinished run; 'auto' for the latest", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="print the result only")] = False,
    settings: dict[str, Any],
) -> None:
    """Train a classifier on SOURCE, measure it, and write weights and a report into a run folder.

    What is not given is chosen from the data, and the report says why.

      hubel train digits
      hubel train photos/ --model resnet18 --epochs 20 --img-size 128
      hubel train photos/ --time 10m
      hubel train --config recipe.yaml --set optimizer.lr=0.05
    """
    words = list(more or [])
    if data is not None and "=" in data and not Path(data).exists():
        words, data = [data, *words], None
    settings = settings | assignments([*words, *(assign or [])])
    data = settings.pop("data", data)

    from hubel.cli.console import say
    from hubel.cli.progress import Showing
    from hubel.runtime import rank
    from hubel.verbs.train import train

    watch = Showing(quiet=quiet)
    try:
        run = train(data, config=config, resume=resume, watch=watch, **settings)
    finally:
        watch.done()
    if rank() == 0:
        say(str(run))
