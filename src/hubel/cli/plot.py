"""`hubel plot NAME …`: curves of activations, losses and schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import note
from hubel.cli.options import out
from hubel.cli.output import write_figure


def command(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME", help="relu gelu …; loss mse huber …; lr one-cycle …; approximation FORMULA; scaling"
        ),
    ],
    file: Annotated[Path, out("the SVG file to write")] = Path("plot.svg"),
) -> None:
    """Draw functions and their derivatives side by side.

    hubel plot relu gelu swish
    hubel plot lr cosine one-cycle --out rates.svg
    """
    from hubel.verbs import plot as verb

    figure = verb.plot(names)
    note(figure.alt)
    write_figure(figure, file)
