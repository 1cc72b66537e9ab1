"""`hubel summary NET …`: the table of a net, several nets side by side, and what fits into memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from hubel.cli.console import note, out
from hubel.cli.options import JSON, NUM_CLASSES, PICTURE_FILE, SHAPE, expanded, option
from hubel.cli.output import Grid, bold, print_data, table, write_figure
from hubel.errors import UsageError
from hubel.words import amount, binary_amount, is_decimal, parse_amount, short

if TYPE_CHECKING:
    from hubel.verbs.summary import Capacity, Memory, Summary


def command(
    net: Annotated[list[str], typer.Argument(metavar="NET", help="names, layer lists (.yaml), or folders of runs")],
    shape: SHAPE = "",
    num_classes: NUM_CLASSES = None,
    batch: Annotated[int, option("--batch-size", "--batch", min=1, metavar="N", help="images at once")] = 1,
    depth: Annotated[
        int | None, option("--depth", min=1, metavar="N", help="add up by module path, so many levels deep")
    ] = None,
    minor: Annotated[bool, option("--all", help="show activations and reshaping, too")] = False,
    flops: Annotated[bool, option("--flops", help="count FLOPs (2 per MAC) in place of MACs")] = False,
    compare: Annotated[bool, option("--compare", help="one line a net, side by side")] = False,
    training: Annotated[bool, option("--training", help="memory of a training step, layer by layer")] = False,
    optimiser: Annotated[
        str, option("--optimizer", "--optimiser", "--optim", metavar="NAME", help="whose state is counted")
    ] = "adam",
    fits: Annotated[
        str, option("--fits", metavar="SIZE", help="a memory size, 8GiB: does it fit, and the largest batch")
    ] = "",
    form: Annotated[str, option("--format", metavar="FORMAT", help="table, markdown, csv, html or json")] = "table",
    as_json: JSON = False,
    file: PICTURE_FILE = None,
) -> None:
    """Shapes, parameters, memory, multiply-accumulates and receptive fields, counted without running the net.

    hubel summary resnet50
    hubel summary vgg16 resnet18 runs/photos-1
    hubel summary resnet50 --training --batch-size 32 --fits 8GiB
    """
    from hubel.report.drawings.anatomy import draw_summaries
    from hubel.verbs import summary as verb

    given, form = parse_shape(shape), "json" if as_json else form
    convention = "flop" if flops else "mac"
    tables = [
        verb.summary(name, given, batch=batch, convention=convention, num_classes=num_classes) for name in expanded(net)
    ]
    if compare or len(tables) > 1:
        print_compared(tables)
        if file:
            write_figure(draw_summaries(tables), file)
        return
    if form == "table":
        print_table(tables[0], minor=minor, depth=depth)
    else:
        print_data(rendered(tables[0], form, minor=minor, depth=depth))
    if file:
        write_figure(tables[0].plot(), file)
    if training or fits:
        limit = parse_bytes(fits) if fits else None
        measured, answer = verb.memory(
            net[0], given, batch=batch, optimiser=optimiser, limit=limit, train=training, num_classes=num_classes
        )
        print_memory(measured, answer, amount if is_decimal(fits) else binary_amount)


def parse_shape(text: str) -> tuple[int, ...] | None:
    """ "3x224x224" as numbers; "" as None.

    >>> parse_shape("1x28x28")
    (1, 28, 28)
    """
    if not text:
        return None
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    if not all(part.strip().isdigit() for part in parts):
        raise UsageError(
            f"--input must be channels x height x width, got {text!r}", hint="for example --input 3x224x224"
        )
    return tuple(int(part) for part in parts)


def parse_bytes(text: str) -> int:
    """A memory size with a unit: GB is 1000³ bytes, GiB and a bare G are 1024³.

    >>> parse_bytes("8GB"), parse_bytes("512 MiB")
    (8000000000, 536870912)
    """
    try:
        return parse_amount(text)
    except ValueError:
        raise UsageError(
            f"a memory size must be a number with a unit, got {text!r}", hint="for example 8GiB or 8GB"
        ) from None


def rendered(table: Summary, form: str, *, minor: bool, depth: int | None) -> str:
    """The table as text in one of the formats."""
    if form == "markdown":
        return table.to_markdown(minor=minor, depth=depth)
    if form == "csv":
        return table.to_csv()
    if form == "json":
        return table.to_json() + "\n"
    if form == "html":
        return table._repr_html_() + "\n"
    raise UsageError(
        f"--format must be table, markdown, csv, html or json, got {form!r}", hint="leave --format out for the table"
    )


def print_table(table: Summary, *, minor: bool, depth: int | None) -> None:
    """The textbook table: channels and side of input and output apart, so that 80 columns are enough."""
    grid = Grid(gap=1)
    cost = table.header()[7]
    grid.add_column("layer", no_wrap=True, overflow="ellipsis", max_width=18)
    for title in ("in C", "H/W"):
        grid.add_column(title, justify="right", no_wrap=True)
    grid.add_column("setting", no_wrap=True)
    for title in ("out C", "H/W", "KiB", "params", cost, "field"):
        grid.add_column(title, justify="right", no_wrap=True)
    factor = 2 if table.convention == "flop" else 1
    rows = table.rows if depth is None else table.grouped(depth)
    for row in rows:
        if row.minor and not minor and depth is None:
            continue
        grid.add_row(
            Text(_name(row.name)),
            *_channels_and_side(row.input),
            row.setting or (row.kind if depth is None else row.kind.replace(" layers", "×")),
            *_channels_and_side(row.output),
            short(row.bytes / 1024) if row.bytes >= 1024 else f"{row.bytes / 1024:.2f}",
            short(row.params) if row.params else "",
            short(row.macs * factor) if row.macs else "",
            row.field.replace(" + all", "+"),
        )
    console = out()
    bold(table.title)
    console.print(grid)
    for line in table.totals(minor=minor or depth is not None):
        console.print(Text(line, style="bold yellow" if line.startswith("PARTIAL") else ""))
    if any("+ all" in row.field for row in table.rows):
        note("field 11+: 11 pixels by the local path, and the whole image by another (gate, attention, statistics)")


def _name(name: str) -> str:
    """Long paths keep their end, which tells layers apart."""
    return name if len(name) <= 18 else "…" + name[-17:]


def _channels_and_side(shape: tuple[int, ...]) -> tuple[str, str]:
    if len(shape) < 2:
        return "x".join(map(str, shape)), ""
    return str(shape[0]), str(shape[1]) if len(set(shape[1:])) == 1 and len(shape) > 2 else "x".join(
        map(str, shape[1:])
    )


def print_compared(tables: list[Summary]) -> None:
    """One line a net."""
    grid = table("net", "input", "params", tables[0].header()[7], "activations", "depth", "field", left=["net"])
    for net in tables:
        grid.add_row(
            Text(net.model),
            ", ".join("x".join(map(str, shape[1:])) for shape in net.input),
            short(net.params),
            short(net.cost),
            binary_amount(net.activation_bytes),
            str(net.depth),
            net.field,
        )
    out().print(grid)
    out().print(Text(tables[0].convention_text))


def print_memory(memory: Memory, answer: Capacity | None, written: Callable[[float], str] = binary_amount) -> None:
    """What a step needs, which layers keep most, and what fits, in units `written` as the limit was."""
    lines: list[tuple[str, Any]] = [
        ("weights", memory.weights),
        ("buffers", memory.buffers),
        ("gradients", memory.gradients),
        (f"optimiser state ({memory.optimiser_name})", memory.optimiser),
        (f"kept for backward, batch {memory.batch}", memory.kept),
        ("peak of a training step", memory.peak_training),
        ("peak of inference", memory.peak_inference),
    ]
    grid = Grid(header=False)
    grid.add_column()
    grid.add_column(justify="right")
    for title, number in lines:
        grid.add_row(title, written(number))
    console = out()
    console.print()
    console.print(grid)
    heavy = ", ".join(f"{name or 'the model itself'} {written(size)}" for name, size in memory.kept_by_module[:4])
    console.print(Text(f"kept most by: {heavy}"))
    if answer:
        verdict = "fits" if answer.fits else "does not fit"
        console.print(
            Text(
                f"batch {answer.batch} {verdict} into {written(answer.limit)} "
                f"(needs {written(answer.needed)}); "
                f"the largest batch is {answer.largest}"
                + (f" ({written(answer.needed_at_largest)})" if answer.largest else ""),
                style="bold",
            )
        )
    note("without the device's own context, kernel workspace and fragmentation; allow some hundred MiB for them")
