"""`hubel activations`: the maps of a layer for one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    picture: Annotated[str, typer.Argument(help='a picture file, or a sample of a source: "digits:3"')],
    stage: Annotated[str, typer.Option(help="a stage by number, from 1 on, or a layer by name")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture to write")] = Path("activations.png"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """Draw the maps of a layer for a picture, strongest channels first."""
    from hubel.cli.console import note
    from hubel.cli.looking import write
    from hubel.report.drawings.features import draw_activations
    from hubel.verbs.activations import activations

    figure = draw_activations(activations(run, picture, stage or None, device=device))
    note(figure.alt)
    write(figure, out)
