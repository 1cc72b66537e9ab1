"""`hubel train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hubel.cli.console import note, say
from hubel.cli.options import one_source, option
from hubel.cli.output import print_data, watched
from hubel.cli.settings import assignments, columns_among, with_settings
from hubel.errors import UsageError
from hubel.recipes.schema import to_yaml


@with_settings()
def command(
    source: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="digits, mnist, cifar10, … or a folder, tar shards, a CSV or JSONL file"),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="settings without the dashes")] = None,
    *,
    config: Annotated[Path | None, option("--config", metavar="FILE", help="a recipe file; flags override it")] = None,
    resume: Annotated[
        str | None, option("--resume", metavar="RUN", help="go on with an unfinished run; 'auto' for the latest")
    ] = None,
    folds: Annotated[
        int | None, option("--folds", metavar="N", help="so many runs, each tested on another fold; mean and interval")
    ] = None,
    seeds: Annotated[
        int | None, option("--seeds", metavar="N", help="so many runs that differ in chance alone; mean and interval")
    ] = None,
    on: Annotated[
        str, option("--on", metavar="WHERE", help="one net over a cluster: local, ray://HOST:PORT (extra: cluster)")
    ] = "here",
    processes: Annotated[
        int | None, option("--processes", metavar="N", help="of --on: so many train it; all places, if not given")
    ] = None,
    assign: Annotated[
        list[str] | None,
        option("--set", metavar="NAME=VALUE", hidden=True, help="any setting by address: optimizer.lr=0.05"),
    ] = None,
    log_to: Annotated[
        list[str] | None,
        option("--log-to", metavar="TOOL", hidden=True, help="also tell tensorboard or mlflow; can be given again"),
    ] = None,
    print_config: Annotated[
        bool, option("--print-config", hidden=True, help="print the recipe with every choice made, and train nothing")
    ] = False,
    doctor: Annotated[bool, option("--doctor", help="a check-up before: data, net and steps on a copy")] = False,
    quiet: Annotated[bool, option("--quiet", hidden=True, help="print the result only")] = False,
    settings: dict[str, Any],
) -> None:
    """Train a net on DATA, measure it, and write weights and a report into a run folder.

    What is not given is chosen from the data, the task as well, and the report says why.

    hubel train digits
    hubel train photos/ --model resnet18 --epochs 20 --img-size 128
    hubel train photos/ --time 10m
    hubel train photos/ --folds 5
    hubel train prices.csv --column target=price     (a number)
    hubel train scans/ --task segment                (images/ and masks/)
    hubel train series.csv --task sequence           (rows in time)
    hubel train photos/ --on ray://head:10001 --processes 8
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
    from hubel.training.loggers import build_loggers
    from hubel.verbs.train import resolve, train

    if print_config and (folds is not None or seeds is not None):
        raise UsageError(
            "a series has a recipe for each of its runs, and --print-config prints one",
            hint="--fold 1/5 --print-config prints that of a fold",
        )
    if print_config and (on != "here" or processes is not None):
        raise UsageError("--print-config trains nothing, so that --on has no meaning", hint="leave one of them out")
    if print_config:
        with watched(quiet=True) as watch:
            print_data(to_yaml(resolve(data, config=config, resume=resume, watch=watch, **settings)))
        return
    with watched(*build_loggers(log_to or [], note), quiet=quiet) as watch:
        run = train(
            data, config=config, resume=resume, folds=folds, seeds=seeds, on=on, processes=processes, doctor=doctor,
            watch=watch, **settings,
        )  # fmt: skip
    if speaks():
        say(str(run))
