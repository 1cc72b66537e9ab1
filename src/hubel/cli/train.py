"""`hubel train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hubel.cli.console import say
from hubel.cli.options import one_source, option
from hubel.cli.output import watched
from hubel.cli.settings import assignments, columns_among, with_settings


@with_settings()
def command(
    source: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="digits, mnist, cifar10, … or a folder, a CSV or a JSONL file"),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="settings without the dashes")] = None,
    *,
    config: Annotated[Path | None, option("--config", metavar="FILE", help="a recipe file; flags override it")] = None,
    resume: Annotated[
        str | None, option("--resume", metavar="RUN", help="go on with an unfinished run; 'auto' for the latest")
    ] = None,
    assign: Annotated[
        list[str] | None,
        option("--set", metavar="NAME=VALUE", hidden=True, help="any setting by address: optimizer.lr=0.05"),
    ] = None,
    quiet: Annotated[bool, option("--quiet", hidden=True, help="print the result only")] = False,
    settings: dict[str, Any],
) -> None:
    """Train a classifier on DATA, measure it, and write weights and a report into a run folder.

    What is not given is chosen from the data, and the report says why.

    hubel train digits
    hubel train photos/ --model resnet18 --epochs 20 --img-size 128
    hubel train photos/ --time 10m
    hubel train --config recipe.yaml --set optimizer.lr=0.05
    """
    words = list(more or [])
    if source is not None and "=" in source and not Path(source).exists():
        words, source = [source, *words], None
    if "columns" in settings:
        also, words = columns_among(words)
        settings["columns"] |= also
    settings = settings | assignments([*words, *(assign or [])])
    data = one_source(source or "", settings.pop("data", ""))

    from hubel.runtime import speaks
    from hubel.verbs.train import train

    with watched(quiet=quiet) as watch:
        run = train(data, config=config, resume=resume, watch=watch, **settings)
    if speaks():
        say(str(run))
