"""`hubel gradient-flow NET DATA`: do gradients reach the first layers?"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from hubel.cli.console import out
from hubel.cli.options import NET, PICTURE_FILE, SEED, option
from hubel.cli.output import bold, table, write_figure
from hubel.words import plural


def command(
    net: NET,
    data: Annotated[str, typer.Argument(metavar="DATA", help="samples: digits, photos/, a picture")],
    count: Annotated[int, option("--limit", "--count", min=1, metavar="N", help="samples of the batch")] = 64,
    seed: SEED = 0,
    file: PICTURE_FILE = None,
) -> None:
    """Show activations, gradients and dead units, layer by layer, and name what is wrong.

    hubel gradient-flow vgg16 photos/
    hubel gradient-flow runs/photos-1 photos/ --out flow.svg
    """
    from hubel.verbs import descent as verb

    report, figure = verb.gradient_flow(net, data, count=count, seed=seed)
    grid = table("layer", "activation", "zero", "dead", "gradient", "weight", "of the weight", left=["layer"], gap=1)
    grid.columns[0].max_width = 24
    for layer in report.layers:
        grid.add_row(
            Text(layer.module, overflow="ellipsis", no_wrap=True),
            f"{layer.activation_mean:.2g} ± {layer.activation_deviation:.2g}",
            f"{layer.zeros:.0%}",
            f"{layer.dead:.0%}",
            f"{layer.gradient:.2e}",
            f"{layer.weight:.2e}",
            f"{layer.weight_gradient:.2e}",
        )
    bold(f"{net}, {plural(report.batch, 'sample')}, loss {report.loss:.4f}")
    console = out()
    console.print(grid)
    for verdict in report.verdicts or ("nothing stands out",):
        console.print(Text(verdict, style="yellow" if report.verdicts else "green"))
    if file:
        write_figure(figure, file, beside=[data])
