"""`hubel step`: one window after another, or one unit of a net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from hubel.cli.console import out
from hubel.cli.options import LAYER, PICTURE_FILE, SEED, option
from hubel.cli.output import bold, write_figure
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.verbs.step import Walk, Working


def command(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="conv, pool, dense, softmax, cross-entropy, batchnorm; or a net")
    ],
    data: Annotated[str, typer.Argument(metavar="PICTURE", help="for a net: the sample, digits:3 or cat.jpg")] = "",
    values: Annotated[
        str, option("--input", metavar="NUMBERS", help="'6x6' (drawn from --seed), or rows: '1 2 / 3 4'")
    ] = "6x6",
    kernel: Annotated[
        str, option("--kernel", metavar="KERNEL", help="edge, sharpen, gaussian, … or rows; for dense: the weights")
    ] = "edge",
    size: Annotated[int, option("--size", min=1, metavar="N", help="side of a pooling window")] = 2,
    stride: Annotated[int | None, option("--stride", min=1, metavar="N", help="pixels between windows")] = None,
    pad: Annotated[int, option("--pad", "--padding", min=0, metavar="N", help="pixels of padding on every side")] = 0,
    how: Annotated[str, option("--how", metavar="HOW", help="pooling: max, avg or min")] = "max",
    flip: Annotated[bool, option("--flip", help="true convolution: turn the kernel first")] = False,
    target: Annotated[
        str, option("--target", metavar="NUMBERS", help="cross-entropy: the true distribution, '1 0 0'")
    ] = "",
    layer: LAYER = "",
    place: Annotated[str, option("--unit", metavar="C,R,C", help="channel,row,column of the net's layer")] = "0,0,0",
    at: Annotated[int, option("--at", min=0, metavar="N", help="which window the picture shows, from 0")] = 0,
    file: PICTURE_FILE = None,
    seed: SEED = 0,
) -> None:
    """Show the arithmetic: the window, the products, the sum, the bias, the result.

    hubel step conv --input 5x5 --kernel edge
    hubel step pool --input "1 2 / 3 4" --how max
    hubel step runs/photos-1 cat.jpg --layer block1.0 --unit 0,3,3
    """
    from hubel.report.drawings.lessons import draw_walk
    from hubel.verbs import step as verb

    if what in ("conv", "pool"):
        weights = verb.kernel(kernel) if what == "conv" else None
        steps = verb.walk(
            what, verb.matrix(values, seed), weights, size=size, stride=stride, padding=pad, how=how, flip=flip
        )
        print_walk(steps)
        if file:
            write_figure(draw_walk(steps, at), file)
        return
    if what in verb.KINDS:
        weights = verb.matrix(kernel) if what == "dense" else None
        print_working(
            verb.working(what, verb.vector(values), weights=weights, target=verb.vector(target) if target else [])
        )
        return
    if not data or not layer:
        raise UsageError(
            f"{what!r} is none of {', '.join(verb.KINDS)}, and a net needs a sample and a layer",
            hint=f"for example: hubel step {what} digits:3 --layer block1.0 --unit 0,0,0",
        )
    try:
        numbers = [int(part) for part in place.split(",")]
    except ValueError:
        raise UsageError(f"--unit must be whole numbers, got {place!r}", hint="for example --unit 0,3,3") from None
    print_working(verb.unit(what, data, layer, numbers, seed=seed))


def print_walk(steps: Walk) -> None:
    """Input, kernel, each window's sum, and the output."""
    console = out()
    console.print(Text(f"input{' with padding' if steps.padding else ''}", style="bold"))
    console.print(_grid(steps.input))
    if steps.weights is not None:
        console.print(Text("kernel", style="bold"))
        console.print(_grid(steps.weights))
    console.print(Text(f"windows along an axis: {steps.size.formula}", style="bold"))
    console.print(Text(f"  {steps.size.numbers}"))
    if steps.size.warning:
        console.print(Text(f"  beware: {steps.size.warning}", style="yellow"))
    console.print(Text("windows", style="bold"))
    for step in steps.steps:
        console.print(Text(f"  {step}"))
    console.print(Text("output", style="bold"))
    console.print(_grid(steps.output))


def print_working(working: Working) -> None:
    """The title and the lines."""
    bold(working.title)
    for line in working.lines:
        out().print(Text(f"  {line}"))


def _grid(array: object) -> Text:
    import numpy as np

    rows = [["·" if not np.isfinite(v) else f"{v:.4g}" for v in row] for row in np.asarray(array)]
    width = max(len(cell) for row in rows for cell in row)
    return Text("\n".join("  " + " ".join(cell.rjust(width) for cell in row) for row in rows))
