"""`hubel descent`: gradient descent by hand, and optimisers in a race."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hubel.cli.console import note, out
from hubel.cli.trace import parse_value


def command(
    what: Annotated[str, typer.Argument(help='a formula "w**2", or a surface: bowl, valley, rosenbrock, beale …')],
    given: Annotated[
        list[str] | None, typer.Argument(help="where a formula starts (w=2); or optimisers of a race")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="learning rate")] = None,
    steps: Annotated[int | None, typer.Option(help="how many")] = None,
    picture: Annotated[Path | None, typer.Option(help="draw the path into this SVG file")] = None,
) -> None:
    """Walk down a function step by step, or let optimisers race down a standard surface."""
    from hubel.verbs import descent as verb

    console = out()
    values = given or []
    if any("=" in value for value in values) or any(sign in what for sign in "*+-/("):
        path = verb.descend(what, dict(map(parse_value, values)), rate=0.1 if lr is None else lr, steps=steps or 20)
        for number, (point, value) in enumerate(zip(path.points, path.values, strict=True)):
            place = "  ".join(f"{name} = {x:<12.6g}" for name, x in zip(path.variables, point, strict=True))
            console.print(Text(f"{number:>4}  {place}  L = {value:.6g}"))
        console.print(Text(path.verdict, style="bold"))
        figure = verb.drawn_descent(what, path) if picture else None
    else:
        paths, figure = verb.race(what, values, steps=steps or 150, rate=lr)
        for path in sorted(paths, key=lambda path: path.values[-1]):
            end = ", ".join(f"{x:.4g}" for x in path.points[-1])
            console.print(
                Text(f"{path.name:<12} {len(path.values) - 1:>4} steps  ends at ({end}), height {path.values[-1]:.4g}")
            )
    if picture and figure:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(figure.data)
        note(f"wrote {picture}")
