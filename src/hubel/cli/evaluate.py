"""`hubel evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    data: Annotated[
        str | None, typer.Argument(help="other labelled data with the same classes", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(help="which of the run's own splits: train, val or test")] = "test",
    which: Annotated[str, typer.Option(help="which weights: best or last")] = "best",
    views: Annotated[
        str | None,
        typer.Option(
            help="views averaged per picture: none, mirror, shift, mirror-shift; the run's if not given",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
    out: Annotated[
        Path | None, typer.Option(help="also write evaluation.json and tables here", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Measure a trained run: accuracy with intervals, per class, calibration, what it confuses.

    hubel evaluate runs/photos-1
    hubel evaluate runs/photos-1 new-photos/
    """
    from hubel.cli.console import say
    from hubel.cli.progress import Showing
    from hubel.verbs.evaluate import evaluate, write_to

    watch = Showing()
    try:
        result = evaluate(run, data, split=split, which=which, views=views, device=device, watch=watch)
    finally:
        watch.done()
    if out is not None:
        write_to(out, result)
    if json:
        from json import dumps

        say(dumps(result.to_dict(), indent=1, ensure_ascii=False))
    else:
        say(str(result))
