"""`hubel pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hubel.cli.console import say
from hubel.cli.options import one_source, option
from hubel.cli.output import watched
from hubel.cli.settings import assignments, with_settings

UNUSED = (
    "loss", "label_smoothing", "class_weights", "sampler", "logit_adjustment", "jsd", "turned_classes", "mixup",
    "cutmix", "views", "unfreeze", "head", "penalty", "teacher", "teacher_sha256", "temperature", "teacher_weight",
    "task",
)  # fmt: skip


@with_settings(
    without=(*UNUSED, "from_", "from_sha256", "feature_views", "pretrained", "probe", "probe_data", "target", "preset")
)
def command(
    source: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="a folder of pictures, with or without class folders; digits, cifar10, …"),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="settings without the dashes")] = None,
    *,
    method: Annotated[
        Literal["rotation", "byol"] | None,
        option("--method", help="rotation: which way up is it? byol: two views, one picture; rotation if not given"),
    ] = None,
    probe_data: Annotated[
        str | None,
        option("--probe", metavar="FOLDER", help="labelled pictures to measure the features on at the end"),
    ] = None,
    config: Annotated[Path | None, option("--config", metavar="FILE", help="a recipe file; flags override it")] = None,
    resume: Annotated[
        str | None, option("--resume", metavar="RUN", help="go on with an unfinished run; 'auto' for the latest")
    ] = None,
    quiet: Annotated[bool, option("--quiet", hidden=True, help="print the result only")] = False,
    settings: dict[str, Any],
) -> None:
    """Let a net learn to see from pictures without labels; then train with few labels: hubel train --from RUN.

    Writes an ordinary run folder. Labels that the data have are not learnt from; they only measure the features.

    hubel pretrain photos-without-labels/ --model resnet18
    hubel pretrain photos/ --method byol --time 30m
    hubel pretrain holidays/ --probe labelled/
    hubel train labelled/ --from runs/holidays-1
    """
    words = list(more or [])
    if source is not None and "=" in source and not Path(source).exists():
        words, source = [source, *words], None
    settings = settings | assignments(words)
    settings |= {"method": method} if method else {}
    settings |= {"probe": probe_data} if probe_data else {}
    data = one_source(source or "", settings.pop("data", ""))

    from hubel.runtime import speaks
    from hubel.verbs.pretrain import pretrain

    with watched(quiet=quiet) as watch:
        run = pretrain(data, config=config, resume=resume, watch=watch, **settings)
    if speaks():
        say(str(run))
