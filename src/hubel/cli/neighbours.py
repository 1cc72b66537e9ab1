"""`hubel neighbours`: the nearest pictures, by features and by pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    picture: Annotated[
        str, typer.Argument(help='a picture file or "digits:3"; leave it out to measure the test split')
    ] = "",
    data: Annotated[str, typer.Option(help="another data set; else the run's own")] = "",
    split: Annotated[str, typer.Option(help="which part of the run's data: train, val or test")] = "train",
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many samples, drawn by chance")] = None,
    stage: Annotated[str, typer.Option(help="a stage by number, from 1 on, or a layer by name")] = "",
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="neighbours")] = 8,
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture to write")] = Path("neighbours.png"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """Find the samples nearest to a picture by the net's features and, beside it, by the bare pixels.

    Without a picture: how often the neighbours of the test split are of the right class, in both ways.

    hubel neighbours runs/photos-1 cat.jpg
    hubel neighbours runs/photos-1 --limit 10000
    """
    from hubel.cli.console import say
    from hubel.cli.looking import watched, write
    from hubel.report.drawings.features import draw_neighbours
    from hubel.verbs.neighbours import agreement, neighbours

    if not picture:
        with watched() as watch:
            rate = agreement(
                run, data or None, k=k, stage=stage or None, split=split, limit=limit, device=device, watch=watch
            )
        say(rate.sentence)
        return
    with watched() as watch:
        found = neighbours(
            run, picture, data or None, k=k, stage=stage or None, split=split, limit=limit, device=device, watch=watch
        )
    for part in found.lists:
        say(f"by {part.by}")
        for label, name, distance in zip(part.labels, part.names, part.distances, strict=True):
            say(f"  {distance:10.4g}  {label:<20.20}  {name}")
    write(draw_neighbours(found), out)
