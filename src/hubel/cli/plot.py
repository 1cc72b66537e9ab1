"""`hubel plot NAME …`: curves of activations, losses and schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import note


def command(
    names: Annotated[
        list[str], typer.Argument(help="relu gelu …; loss mse huber …; lr one-cycle …; approximation FORMULA")
    ],
    picture: Annotated[Path, typer.Option("--picture", "--out", help="the SVG file to write")] = Path("plot.svg"),
) -> None:
    """Draw functions and their derivatives side by side."""
    from hubel.verbs import plot as verb

    figure = verb.plot(names)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(figure.data)
    note(f"{figure.alt}\nwrote {picture}")
