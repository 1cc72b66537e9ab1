"""`hubel gradient-flow NET DATA`: do gradients reach the first layers?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from hubel.cli.console import note, out


def command(
    net: Annotated[str, typer.Argument(help="a run, or the name of a net with fresh weights")],
    data: Annotated[str, typer.Argument(help="samples: digits, photos/, a picture")],
    count: Annotated[int, typer.Option(help="samples of the batch")] = 64,
    seed: Annotated[int, typer.Option(help="of fresh weights")] = 0,
    picture: Annotated[Path | None, typer.Option(help="draw the layers into this SVG file")] = None,
) -> None:
    """Show activations, gradients and dead units, layer by layer, and name what is wrong."""
    from hubel.verbs import descent as verb

    report, figure = verb.gradient_flow(net, data, count=count, seed=seed)
    grid = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False)
    grid.add_column("layer", no_wrap=True, overflow="ellipsis", max_width=24)
    for title in ("activation", "zero", "dead", "gradient", "weight", "of the weight"):
        grid.add_column(title, justify="right", no_wrap=True)
    for layer in report.layers:
        grid.add_row(
            Text(layer.module),
            f"{layer.activation_mean:.2g} ± {layer.activation_deviation:.2g}",
            f"{layer.zeros:.0%}",
            f"{layer.dead:.0%}",
            f"{layer.gradient:.2e}",
            f"{layer.weight:.2e}",
            f"{layer.weight_gradient:.2e}",
        )
    console = out()
    console.print(Text(f"{net}, {report.batch} samples, loss {report.loss:.4f}", style="bold"))
    console.print(grid)
    for verdict in report.verdicts or ("nothing stands out",):
        console.print(Text(verdict, style="yellow" if report.verdicts else "green"))
    if picture:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(figure.data)
        note(f"wrote {picture}")
