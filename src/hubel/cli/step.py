"""`hubel step`: one window after another, or one unit of a net."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from hubel.cli.console import note, out
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.verbs.step import Walk, Working


def command(
    what: Annotated[str, typer.Argument(help="conv, pool, dense, softmax, cross-entropy, batchnorm; or a net")],
    data: Annotated[str, typer.Argument(help="for a net: the sample, digits:3 or cat.jpg")] = "",
    values: Annotated[str, typer.Option("--input", help="'6x6' (drawn from --seed), or rows: '1 2 / 3 4'")] = "6x6",
    kernel: Annotated[str, typer.Option(help="edge, sharpen, gaussian, … or rows; for dense: the weights")] = "edge",
    size: Annotated[int, typer.Option(help="side of a pooling window")] = 2,
    stride: Annotated[int | None, typer.Option(help="pixels between windows")] = None,
    pad: Annotated[int, typer.Option(help="pixels of padding on every side")] = 0,
    how: Annotated[str, typer.Option(help="pooling: max, avg or min")] = "max",
    flip: Annotated[bool, typer.Option("--flip", help="true convolution: turn the kernel first")] = False,
    target: Annotated[str, typer.Option(help="cross-entropy: the true distribution, '1 0 0'")] = "",
    layer: Annotated[str, typer.Option(help="of the net: its name, as in hubel summary")] = "",
    place: Annotated[str, typer.Option("--unit", help="channel,row,column of the net's layer")] = "0,0,0",
    at: Annotated[int, typer.Option(help="which window the picture shows, from 0")] = 0,
    picture: Annotated[Path | None, typer.Option(help="draw the window into this SVG file")] = None,
    seed: Annotated[int, typer.Option(help="of drawn numbers and fresh weights")] = 0,
) -> None:
    """Show the arithmetic: the window, the products, the sum, the bias, the result."""
    from hubel.verbs import step as verb

    if what in ("conv", "pool"):
        weights = verb.kernel(kernel) if what == "conv" else None
        steps = verb.walk(
            what, verb.matrix(values, seed), weights, size=size, stride=stride, padding=pad, how=how, flip=flip
        )
        print_walk(steps)
        if picture:
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(verb.drawn(steps, at).data)
            note(f"wrote {picture}")
        return
    if what in verb.KINDS:
        weights = verb.matrix(kernel) if what == "dense" else None
        print_working(verb.working(what, verb.vector(values), weights=weights, target=verb.vector(target)))
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
    out().print(Text(working.title, style="bold"))
    for line in working.lines:
        out().print(Text(f"  {line}"))


def _grid(array: object) -> Text:
    import numpy as np

    rows = [["·" if not np.isfinite(v) else f"{v:.4g}" for v in row] for row in np.asarray(array)]
    width = max(len(cell) for row in rows for cell in row)
    return Text("\n".join("  " + " ".join(cell.rjust(width) for cell in row) for row in rows))
