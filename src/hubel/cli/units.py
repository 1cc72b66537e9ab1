"""`hubel units`: what excites single units."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import note
from hubel.cli.options import DATA, DATA_AGAIN, DEVICE, LIMIT, RUN, SPLIT, STAGE, one_source, option, out
from hubel.cli.output import keep_off, watched, write_figure


def command(
    run: RUN,
    data: DATA = "",
    again: DATA_AGAIN = "",
    stage: STAGE = "",
    split: SPLIT = "train",
    limit: LIMIT = None,
    unit: Annotated[
        list[int] | None, option("--unit", min=0, metavar="N", help="a unit to show; can be given again")
    ] = None,
    k: Annotated[int, option("--patches", "-k", "--k", min=1, metavar="N", help="patches for each unit")] = 8,
    made: Annotated[bool, option("--made/--no-made", help="leave out the pictures made to excite each unit")] = True,
    file: Annotated[Path, out("the picture to write")] = Path("units.png"),
    device: DEVICE = "auto",
) -> None:
    """Draw, for each unit, the patches of the data that excite it most, and a picture made to excite it even more.

    hubel units runs/photos-1 --stage 3 --unit 0 --unit 7
    """
    from hubel.report.drawings.features import draw_units
    from hubel.verbs.units import units

    source = one_source(data, again)
    keep_off(file, [source] if source else ())
    with watched() as watch:
        found = units(
            run, source, stage=stage or None, split=split, which=unit or (), k=k, made=made, limit=limit,
            device=device, watch=watch,
        )  # fmt: skip
    figure = draw_units(found)
    note(figure.alt)
    write_figure(figure, file, beside=[source] if source else ())
