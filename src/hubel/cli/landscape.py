"""`hubel landscape NET DATA`: the loss around a net's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hubel.cli.console import note, out


def command(
    net: Annotated[str, typer.Argument(help="a run, or the name of a net")],
    data: Annotated[str, typer.Argument(help="labelled samples: digits, photos/")],
    count: Annotated[int, typer.Option(help="samples the loss is measured on")] = 128,
    points: Annotated[int, typer.Option(help="points along each direction")] = 21,
    radius: Annotated[float, typer.Option(help="how far, in lengths of the net's own filters")] = 1.0,
    line: Annotated[bool, typer.Option("--line", help="one direction only")] = False,
    seed: Annotated[int, typer.Option(help="of the random directions")] = 0,
    picture: Annotated[Path, typer.Option(help="the SVG file to write")] = Path("landscape.svg"),
) -> None:
    """Measure the loss along random, filter-normalised directions and draw its contours."""
    from hubel.verbs import descent as verb

    found, figure = verb.landscape(net, data, count=count, points=points, radius=radius, seed=seed, line=line)
    middle = found.loss.ravel()[found.loss.size // 2]
    out().print(
        Text(
            f"loss at the net {middle:.4g}, lowest seen {found.loss.min():.4g}, highest {found.loss.max():.4g} "
            f"({found.directions})"
        )
    )
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(figure.data)
    note(f"wrote {picture}")
