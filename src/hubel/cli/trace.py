"""`hubel trace`: a formula or a net as a computation graph with numbers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from hubel.cli.console import note, out
from hubel.cli.options import JSON, PICTURE_FILE, SEED, option
from hubel.cli.output import Grid, bold, print_json, write_figure
from hubel.errors import UsageError
from hubel.words import plain

if TYPE_CHECKING:
    from hubel.verbs.trace import Tape


def command(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help='a formula "L = w3*(w1+w2)", or a net: a run, a name, a layer list'),
    ],
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="VALUE|PICTURE", help="w1=-2 w2=5 for a formula; digits:3 for a net"),
    ] = None,
    steps: Annotated[int, option("--steps", "--iterations", min=1, metavar="N", help="steps of gradient descent")] = 1,
    lr: Annotated[
        float | None, option("--lr", "--learning-rate", metavar="X", help="learning rate; none: no update")
    ] = None,
    file: PICTURE_FILE = None,
    seed: SEED = 0,
    as_json: JSON = False,
) -> None:
    """Show every value of a calculation, forward, then backward, then the update.

    hubel trace "L = w3*(w1+w2)" w1=-2 w2=5 w3=-4 --lr 0.1
    hubel trace lenet5 digits:3 --out graph.svg
    """
    from hubel.report.drawings.lessons import draw_round, draw_tape
    from hubel.verbs import trace as verb

    values = given or []
    if not is_formula(what, values):
        if len(values) != 1:
            raise UsageError(
                f"a net needs one sample, got {len(values)}", hint=f"for example: hubel trace {what} digits:3"
            )
        tape = verb.net(what, values[0], seed=seed)
        if as_json:
            print_json(plain(dataclasses.asdict(tape)), indent=None)
        else:
            print_tape(tape)
        if file:
            write_figure(draw_tape(tape), file)
        return
    if steps > 1 and lr is None:
        raise UsageError("several steps need a learning rate", hint="for example --lr 0.1")
    done = verb.formula(what, dict(parse_value(text) for text in values), steps=steps, rate=lr)
    if as_json:
        rows = [dataclasses.asdict(step) | {"gradients": step.gradients, "updated": step.updated} for step in done]
        print_json(rows, indent=None)
    else:
        out().print("\n\n".join(step.as_text() for step in done), soft_wrap=True)
    if file:
        write_figure(draw_round(done[-1]), file)


def is_formula(what: str, values: list[str]) -> bool:
    """A formula is what has values like w=2 behind it, or signs that no name of a net has.

    >>> is_formula("x*y", []), is_formula("resnet18", ["digits:3"]), is_formula("w", ["w=1"])
    (True, False, True)
    """
    return all("=" in value for value in values) if values else any(sign in what for sign in "=*+(")


def parse_value(text: str) -> tuple[str, float]:
    """ "w1=-2" as a name and a number.

    >>> parse_value("w1=-2")
    ('w1', -2.0)
    """
    name, _, number = text.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError:
        raise UsageError(f"a value must be NAME=NUMBER, got {text!r}", hint="for example w1=-2") from None


def print_tape(tape: Tape) -> None:
    """One line an operation: what came out, and the gradient that came back."""
    grid = Grid(gap=1)
    for title, justify in (
        ("#", "right"), ("operation", "left"), ("module", "left"), ("out", "right"), ("mean", "right"), ("± ", "right"),
        ("zero", "right"), ("gradient", "right"), ("from", "left"),
    ):  # fmt: skip
        grid.add_column(title, justify=justify, no_wrap=True, overflow="ellipsis", max_width=18)  # type: ignore[arg-type]
    for number, entry in enumerate(tape.notes):
        grid.add_row(
            str(number),
            Text(entry.operation),
            Text(entry.module),
            "x".join(map(str, entry.value.shape[1:])) or "1",
            f"{entry.value.mean:.3g}",
            f"{entry.value.deviation:.2g}",
            f"{entry.value.zeros:.0%}" if entry.value.zeros else "",
            f"{entry.gradient.norm:.3g}" if entry.gradient else "",
            " ".join(map(str, entry.inputs)),
        )
    bold(f"{tape.model}, loss {tape.loss:.4f}")
    out().print(grid)
    note("mean and ± of the values; gradient: length of d loss / d value; from: the lines it was made of")
