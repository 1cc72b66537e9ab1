"""`hubel filters`: learned kernels as tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    stage: Annotated[str, typer.Option(help="a convolution by number, from 1 on, or by name")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture to write")] = Path("filters.png"),
) -> None:
    """Draw the kernels of a convolution: in colour where they read RGB, else channel by channel."""
    from hubel.cli.console import note
    from hubel.cli.looking import write
    from hubel.report.drawings.features import draw_filters
    from hubel.verbs.filters import filters

    figure = draw_filters(filters(run, stage or None))
    note(figure.alt)
    write(figure, out)
