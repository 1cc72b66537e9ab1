"""`hubel filters`: learned kernels as tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import note
from hubel.cli.options import RUN, option, out
from hubel.cli.output import write_figure


def command(
    run: RUN,
    stage: Annotated[
        str, option("--stage", "--layer", metavar="STAGE", help="a convolution by number, from 1 on, or by name")
    ] = "",
    file: Annotated[Path, out("the picture to write")] = Path("filters.png"),
) -> None:
    """Draw the kernels of a convolution: in colour where they read RGB, else channel by channel.

    hubel filters runs/photos-1
    hubel filters runs/photos-1 --stage 3 --out third.png
    """
    from hubel.report.drawings.features import draw_filters
    from hubel.verbs.filters import filters

    figure = draw_filters(filters(run, stage or None))
    note(figure.alt)
    write_figure(figure, file)
