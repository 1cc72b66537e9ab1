"""`hubel probe SOURCE`: the learning rate and the batch size, found by a few real steps on a copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from hubel.cli.console import note
from hubel.cli.console import out as results
from hubel.cli.options import JSON, option
from hubel.cli.options import out as out_option
from hubel.cli.output import print_data, table, watched, write_figure
from hubel.cli.settings import PRETEXT, with_settings
from hubel.words import amount

if TYPE_CHECKING:
    from hubel.verbs.probe import BatchProbe, Probes, RateProbe


@with_settings(
    without=(
        *PRETEXT,
        "data",
        "name",
        "grid_intensity",
        "baseline",
        "probe",
        "save_every",
        "keep_every",
        "on_save_error",
        "target",
        "patience",
    )
)
def command(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="digits, mnist, cifar10, … or a folder, a CSV or a JSONL file")
    ],
    *,
    only: Annotated[str, option("--only", metavar="WHAT", help="lr or batch-size; both if not given")] = "",
    config: Annotated[Path | None, option("--config", metavar="FILE", help="a recipe file")] = None,
    steps: Annotated[int, option("--steps", min=10, metavar="N", help="steps of the sweep of learning rates")] = 100,
    largest: Annotated[
        int | None,
        option(
            "--largest", min=1, metavar="N", help="largest batch; as many as leave 16 updates an epoch if not given"
        ),
    ] = None,
    as_json: JSON = False,
    out: Annotated[Path | None, out_option("draw the curves: NAME-rate.svg and NAME-batch.svg")] = None,
    settings: dict[str, Any],
) -> None:
    """Find a learning rate and a batch size for a net, its data and this machine. Trains nothing, writes nothing.

      hubel probe digits
      hubel probe photos/ --model resnet18 --only lr --out sweep.svg

    The same before a training, which then takes what was found: hubel train DATA --probe lr,batch_size
    """
    from hubel.report.drawings.timing import draw_probes
    from hubel.verbs.probe import probe

    with watched() as watch:
        what = (only,) if only else ("lr", "batch_size")
        found = probe(data, what=what, config=config, steps=steps, largest=largest, watch=watch, **settings)
    if as_json:
        print_data(found.to_json() + "\n")
    else:
        print_probes(found)
    if out:
        for name, figure in draw_probes(found).items():
            write_figure(figure, out.with_name(f"{out.stem}-{name}.svg"), beside=[data])


def print_probes(found: Probes) -> None:
    """Batch sizes as a table, rates as lines, and the flags to use."""
    console = results()
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
    grid = table("batch", "images/s", "ms a step", "memory")
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
    console = results()
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
