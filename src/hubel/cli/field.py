"""`hubel field NET PICTURE`: which pixels a unit really sees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hubel.cli.console import note, out


def command(
    net: Annotated[str, typer.Argument(help="a run, or the name of a net with fresh weights")],
    data: Annotated[str, typer.Argument(help="a sample (digits:3) or a picture file")],
    layer: Annotated[str, typer.Option(help="its name, as in hubel summary; none: the deepest stage")] = "",
    seed: Annotated[int, typer.Option(help="of fresh weights")] = 0,
    picture: Annotated[Path, typer.Option(help="the SVG file to write")] = Path("field.svg"),
) -> None:
    """Draw the effective receptive field of a layer's middle unit over a picture."""
    from hubel.verbs import descent as verb

    found, figure = verb.effective(net, data, layer, seed=seed)
    (top, bottom), (left, right) = found.window
    out().print(
        Text(
            f"{found.layer}: the middle unit can see rows {top}-{bottom - 1}, columns {left}-{right - 1}; "
            f"95 % of the weight lies in {found.area:.0%} of these pixels"
        )
    )
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(figure.data)
    note(f"wrote {picture}")
