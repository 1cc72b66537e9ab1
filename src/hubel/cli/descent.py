"""`hubel descent`: gradient descent by hand, and optimisers in a race."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.console import say
from hubel.cli.options import PICTURE_FILE, option
from hubel.cli.output import bold, write_figure
from hubel.cli.trace import parse_value
from hubel.words import plural


def command(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help='a formula "w**2", or a surface: bowl, valley, rosenbrock, beale …')
    ],
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="START|OPTIMISER", help="where a formula starts (w=2); or optimisers of a race"),
    ] = None,
    lr: Annotated[float | None, option("--lr", "--learning-rate", metavar="X", help="learning rate")] = None,
    steps: Annotated[int | None, option("--steps", "--iterations", min=1, metavar="N", help="how many")] = None,
    file: PICTURE_FILE = None,
) -> None:
    """Walk down a function step by step, or let optimisers race down a standard surface.

    hubel descent "w**2" w=2 --lr 0.1
    hubel descent valley sgd adam --out race.svg
    """
    from hubel.report.drawings.lessons import draw_descent
    from hubel.verbs import descent as verb

    values = given or []
    if any("=" in value for value in values) or any(sign in what for sign in "*+-/("):
        path = verb.descend(what, dict(map(parse_value, values)), rate=0.1 if lr is None else lr, steps=steps or 20)
        for number, (point, value) in enumerate(zip(path.points, path.values, strict=True)):
            place = "  ".join(f"{name} = {x:<12.6g}" for name, x in zip(path.variables, point, strict=True))
            say(f"{number:>4}  {place}  L = {value:.6g}")
        bold(path.verdict)
        figure = draw_descent(what, path) if file else None
    else:
        paths, figure = verb.race(what, values, steps=steps or 150, rate=lr)
        for path in sorted(paths, key=lambda path: path.values[-1]):
            end = ", ".join(f"{x:.4g}" for x in path.points[-1])
            lost = ": it diverges, try a smaller --lr" if path.verdict == "diverges" else ""
            taken = plural(len(path.values) - 1, "step")
            say(f"{path.name:<12} {taken:>10}  ends at ({end}), height {path.values[-1]:.4g}{lost}")
    if file and figure:
        write_figure(figure, file)
