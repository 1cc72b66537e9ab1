"""`hubel landscape NET DATA`: the loss around a net's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import say
from hubel.cli.options import NET, SEED, option, out
from hubel.cli.output import keep_off, write_figure


def command(
    net: NET,
    data: Annotated[str, typer.Argument(metavar="DATA", help="labelled samples: digits, photos/")],
    count: Annotated[
        int, option("--limit", "--count", min=1, metavar="N", help="samples the loss is measured on")
    ] = 128,
    points: Annotated[int, option("--points", metavar="N", help="points along each direction")] = 21,
    radius: Annotated[float, option("--radius", metavar="X", help="how far, in lengths of the net's own filters")] = 1,
    line: Annotated[bool, option("--line", help="one direction only")] = False,
    seed: SEED = 0,
    file: Annotated[Path, out("the SVG file to write")] = Path("landscape.svg"),
) -> None:
    """Measure the loss along random, filter-normalised directions and draw its contours.

    hubel landscape runs/photos-1 photos/
    """
    from hubel.verbs import descent as verb

    keep_off(file, [data])
    found, figure = verb.landscape(net, data, count=count, points=points, radius=radius, seed=seed, line=line)
    middle = found.loss.ravel()[found.loss.size // 2]
    say(
        f"loss at the net {middle:.4g}, lowest seen {found.loss.min():.4g}, highest {found.loss.max():.4g} "
        f"({found.directions})"
    )
    write_figure(figure, file, beside=[data])
