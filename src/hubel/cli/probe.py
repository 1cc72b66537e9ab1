"""`hubel probe SOURCE`: the learning rate and the batch size, found by a few real steps on a copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from hubel.cli.console import note, out
from hubel.cli.looking import watched, write
from hubel.cli.settings import with_settings
from hubel.words import amount

if TYPE_CHECKING:
    from hubel.verbs.probe import BatchProbe, Probes, RateProbe


@with_settings
def command(
    data: Annotated[str, typer.Argument(help="digits, mnist, cifar10, … or a folder, a CSV or a JSONL file")],
    *,
    only: Annotated[str, typer.Option("--only", help="lr or batch-size; both if not given", show_default=False)] = "",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="a recipe file", show_default=False)] = None,
    steps: Annotated[int, typer.Option(min=10, help="steps of the sweep of learning rates")] = 100,
    largest: Annotated[
        int | None,
        typer.Option(
            min=1, help="largest batch; as many as leave 16 updates an epoch if not given", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    picture: Annotated[
        Path | None,
        typer.Option(help="draw the curves: NAME-rate.svg and NAME-batch.svg", show_default=False),
    ] = None,
    settings: dict[str, Any],
) -> None:
    """Find a learning rate and a batch size for a net, its data and this machine. Trains nothing, writes nothing.

      hubel probe digits
      hubel probe photos/ --model resnet18 --only lr --picture sweep.svg

    hubel train SOURCE --probe lr,batch_size does the same first and trains with what it found.
    """
    from hubel.verbs.probe import probe

    with watched() as watch:
        what = (only,) if only else ("lr", "batch_size")
        found = probe(data, what=what, config=config, steps=steps, largest=largest, watch=watch, **settings)
    if as_json:
        print(found.to_json())
    else:
        print_probes(found)
    if picture:
        for name, figure in found.figures().items():
            write(figure, picture.with_name(f"{picture.stem}-{name}.svg"))


def print_probes(found: Probes) -> None:
    """Batch sizes as a table, rates as lines, and the flags to use."""
    console = out()
    console.print(Text(f"{found.model} on {found.data}, {found.optimizer}", style="bold"))
    if found.batch is not None:
        console.print(_sizes(found.batch))
        console.print(Text(f"{found.batch.reason}; {found.batch.seconds:.1f} s"))
    if found.rate is not None:
        print_rates(found.rate, found)
    flags = found.flags()
    if flags:
        console.print(Text(f"hubel train {found.data} {flags}", style="bold green"))
    else:
        note("nothing to suggest: the rules of hubel train stay")


def _sizes(found: BatchProbe) -> Table:
    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for title in ("batch", "images/s", "ms a step", "memory"):
        grid.add_column(title, justify="right", no_wrap=True)
    for point in found.points:
        grid.add_row(
            str(point.size),
            f"{point.images_per_second:,.0f}",
            f"{1e3 * point.seconds:.3g}",
            "" if point.memory is None else amount(point.memory),
            style="green" if point.size == found.suggestion else "",
        )
    return grid


def print_rates(rate: RateProbe, found: Probes) -> None:
    """The three rates of the sweep, and what the rules would have taken."""
    console = out()
    steps = len(rate.rates)
    swept = f"{rate.rates[0]:.1g} to {rate.rates[-1]:.1g}" if steps else "nothing"
    console.print(
        Text(
            f"learning rate: {swept} in {steps} steps of batch {found.batch_size}; {rate.reason}; {rate.seconds:.1f} s"
        )
    )
    meaning = {
        "valley": "two thirds along the longest fall of the loss: the suggestion",
        "steepest": "where the loss falls fastest",
        "edge": "a tenth of the rate with the lowest loss",
    }
    for name, text in meaning.items():
        value = getattr(rate, name)
        if value is not None:
            console.print(Text(f"  {name:<9}{value:<9.2g}{text}", style="green" if name == "valley" else ""))
    console.print(Text(f"  {'rules':<9}{found.lr:<9.2g}what hubel train takes unasked"))
