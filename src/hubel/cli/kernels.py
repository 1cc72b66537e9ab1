"""`hubel kernels PHOTO`: what fixed convolutions do to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import note


def command(
    photo: Annotated[Path, typer.Argument(help="a picture file")],
    kernel: Annotated[list[str] | None, typer.Option(help="only these (hubel components kernels)")] = None,
    side: Annotated[int, typer.Option(help="pixels of each picture")] = 224,
    picture: Annotated[Path, typer.Option("--picture", "--out", help="the PNG file to write")] = Path("kernels.png"),
) -> None:
    """Lay identity, edge, sharpen, blur and gradient kernels over a picture."""
    from hubel.verbs import plot as verb

    figure, arrays = verb.kernels(photo, kernel or (), side=side)
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(figure.data)
    note(f"{len(arrays)} kernels; wrote {picture}")
