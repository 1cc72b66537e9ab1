"""`hubel activations`: the maps of a layer for one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import note
from hubel.cli.options import DEVICE, PICTURE, RUN, STAGE, one_picture, out
from hubel.cli.output import write_figure


def command(
    run: RUN,
    picture: PICTURE,
    stage: STAGE = "",
    file: Annotated[Path, out("the picture to write")] = Path("activations.png"),
    device: DEVICE = "auto",
) -> None:
    """Draw the maps of a layer for a picture, strongest channels first.

    hubel activations runs/photos-1 cat.jpg --stage 2
    """
    from hubel.report.drawings.features import draw_activations
    from hubel.verbs.activations import activations

    picture = one_picture(picture)
    figure = draw_activations(activations(run, picture, stage or None, device=device))
    note(figure.alt)
    write_figure(figure, file, beside=[picture])
