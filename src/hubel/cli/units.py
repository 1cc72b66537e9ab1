"""`hubel units`: what excites single units."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    stage: Annotated[str, typer.Option(help="a stage by number, from 1 on, or a layer by name")] = "",
    data: Annotated[str, typer.Option(help="another data set; else the run's own")] = "",
    split: Annotated[str, typer.Option(help="which part of the run's data: train, val or test")] = "train",
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many samples, drawn by chance")] = None,
    unit: Annotated[list[int] | None, typer.Option(min=0, help="a unit to show; can be given again")] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="patches for each unit")] = 8,
    made: Annotated[bool, typer.Option(help="also make a picture that excites each unit")] = True,
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture to write")] = Path("units.png"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """Draw, for each unit, the patches of the data that excite it most, and a picture made to excite it even more."""
    from hubel.cli.console import note
    from hubel.cli.looking import watched, write
    from hubel.report.drawings.features import draw_units
    from hubel.verbs.units import units

    with watched() as watch:
        found = units(
            run, data or None, stage=stage or None, split=split, which=unit or (), k=k, made=made, limit=limit,
            device=device, watch=watch,
        )  # fmt: skip
    figure = draw_units(found)
    note(figure.alt)
    write(figure, out)
