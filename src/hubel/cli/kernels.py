"""`hubel kernels PICTURE`: what fixed convolutions do to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import note
from hubel.cli.options import PICTURE, one_picture, option, out
from hubel.cli.output import write_figure
from hubel.words import plural


def command(
    picture: PICTURE,
    kernel: Annotated[
        list[str] | None, option("--kernel", metavar="NAME", help="only these (hubel components kernels)")
    ] = None,
    side: Annotated[int, option("--side", "--img-size", "--imgsz", min=1, metavar="N", help="pixels of a side")] = 224,
    file: Annotated[Path, out("the PNG file to write")] = Path("kernels.png"),
) -> None:
    """Lay identity, edge, sharpen, blur and gradient kernels over a picture.

    hubel kernels cat.jpg
    hubel kernels cat.jpg --kernel sobel-x --kernel laplacian
    hubel kernels digits:3
    """
    from hubel.report.drawings.lessons import draw_filtered_picture
    from hubel.verbs import plot as verb

    photo = one_picture(picture)
    found = verb.kernels(photo, kernel or (), side=side)
    note(plural(len(found.answers), "kernel"))
    write_figure(draw_filtered_picture(found, name=Path(photo).name), file, beside=[photo])
