"""`hubel neighbours`: the nearest pictures, by features and by pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import say
from hubel.cli.options import (
    DATA_OPTION,
    DEVICE,
    LIMIT,
    RUN,
    SOME_PICTURE,
    SPLIT,
    STAGE,
    one_picture,
    option,
    out,
)
from hubel.cli.output import watched, write_figure


def command(
    run: RUN,
    picture: SOME_PICTURE = "",
    data: DATA_OPTION = "",
    split: SPLIT = "train",
    limit: LIMIT = None,
    stage: STAGE = "",
    k: Annotated[int, option("--neighbours", "--k", min=1, metavar="N", help="how many are shown")] = 8,
    file: Annotated[Path, out("the picture to write")] = Path("neighbours.png"),
    device: DEVICE = "auto",
) -> None:
    """Find the samples nearest to a picture by the net's features and, beside it, by the bare pixels.

    Without a picture: how often the neighbours of the test split are of the right class, in both ways.

    hubel neighbours runs/photos-1 cat.jpg
    hubel neighbours runs/photos-1 --limit 10000
    """
    from hubel.report.drawings.features import draw_neighbours
    from hubel.verbs.neighbours import agreement, neighbours

    if not picture:
        with watched() as watch:
            rate = agreement(
                run, data or None, k=k, stage=stage or None, split=split, limit=limit, device=device, watch=watch
            )
        say(rate.sentence)
        return
    picture = one_picture(picture)
    with watched() as watch:
        found = neighbours(
            run, picture, data or None, k=k, stage=stage or None, split=split, limit=limit, device=device, watch=watch
        )
    for part in found.lists:
        say(f"by {part.by}")
        for label, name, distance in zip(part.labels, part.names, part.distances, strict=True):
            say(f"  {distance:10.4g}  {label:<20.20}  {name}")
    write_figure(draw_neighbours(found), file, beside=[picture, *([data] if data else [])])
