"""`hubel bench NET`: latency and throughput in every form a net can be served in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from rich.text import Text

from hubel.cli.console import note, out, say
from hubel.cli.options import DEVICE, JSON, NET, NUM_CLASSES, PICTURE_FILE, SHAPE, THREADS, option
from hubel.cli.output import print_data, table, watched, write_figure
from hubel.errors import UsageError
from hubel.words import plural

if TYPE_CHECKING:
    from hubel.verbs.bench import Latency


def command(
    net: NET,
    batch: Annotated[
        int | None,
        option(
            "--batch-size",
            "--batch",
            min=1,
            metavar="N",
            help="largest batch: 1, 2, 4, … up to this (16); of --layers: 1",
        ),
    ] = None,
    form: Annotated[
        list[str] | None,
        option("--form", "-f", metavar="FORM", help="eager, ready, compiled or onnx; can be given again (all)"),
    ] = None,
    shape: SHAPE = "",
    num_classes: NUM_CLASSES = None,
    seconds: Annotated[
        float, option("--seconds", min=0.01, metavar="X", help="to measure each form at each batch size")
    ] = 1.0,
    device: DEVICE = "auto",
    threads: THREADS = None,
    clients: Annotated[
        int | None,
        option("--clients", min=1, metavar="N", help="time hubel serve instead, with 1 client and with N of them"),
    ] = None,
    rates: Annotated[
        list[float] | None,
        option(
            "--rate", min=0.01, metavar="X", help="with --clients: X requests in a second at random; can be given again"
        ),
    ] = None,
    layers: Annotated[bool, option("--layers", help="time each layer instead, as PyTorch runs the net")] = False,
    as_json: JSON = False,
    file: PICTURE_FILE = None,
) -> None:
    """Time a net at batch 1, 2, 4, …: as PyTorch runs it, as hubel predict runs it, compiled, and in ONNX Runtime.

    hubel bench runs/photos-1
    hubel bench resnet18 --batch-size 4 --form eager --form ready
    hubel bench runs/photos-1 --clients 16
    hubel bench runs/photos-1 --layers
    """
    from hubel.cli.summary import parse_shape
    from hubel.report.drawings.timing import draw_latency
    from hubel.verbs import bench as verb

    if layers:
        given = {"--form": form, "--clients": clients, "--rate": rates, "--out": file}
        for flag, value in given.items():
            if value:
                raise UsageError(
                    f"{flag} is for whole nets, and --layers times their parts", hint="leave one of them out"
                )
        with watched() as watch:
            parts = verb.bench_layers(
                net, batch=batch or 1, shape=parse_shape(shape), num_classes=num_classes, seconds=seconds,
                device=device, threads=threads, watch=watch,
            )  # fmt: skip
        print_data(parts.to_json() + "\n") if as_json else say(str(parts))
        return None
    batch = batch or 16
    if clients is not None:
        asked: dict[str, object] = {"--input": shape, "--num-classes": num_classes, "--out": file}
        if form and len(form) > 1:
            raise UsageError(f"a server runs in one form, got {len(form)}", hint="--form ready, or --form onnx")
        ready = form[0] if form else "ready"
        return _bench_server(net, asked, clients, rates or [], batch, seconds, device, threads, ready, as_json=as_json)
    if rates:
        raise UsageError("--rate is for a server, and none is timed", hint=f"hubel bench {net} --clients 16 --rate 50")
    with watched() as watch:
        found = verb.bench(
            net, batches=verb.sizes_up_to(batch), forms=form or (), shape=parse_shape(shape), num_classes=num_classes,
            seconds=seconds, device=device, threads=threads, watch=watch,
        )  # fmt: skip
    if as_json:
        print_data(found.to_json() + "\n")
    else:
        print_table(found)
    if file:
        write_figure(draw_latency(found), file)
    return None


def _bench_server(
    net: str,
    refused: dict[str, object],
    clients: int,
    rates: list[float],
    batch: int,
    seconds: float,
    device: str,
    threads: int | None,
    form: str,
    *,
    as_json: bool,
) -> None:
    from hubel.verbs.bench import bench_server

    for flag, given in refused.items():
        if given:
            raise UsageError(f"{flag} is for a net alone, and --clients times a server", hint="leave one of them out")
    with watched() as watch:
        found = bench_server(
            net, clients=clients, rates=rates, seconds=seconds, batch=batch, device=device, threads=threads, form=form,
            watch=watch,
        )  # fmt: skip
    if as_json:
        print_data(found.to_json() + "\n")
        return
    console = out()
    console.print(Text(f"{found.title} ({found.about['architecture']}) as hubel serve answers", style="bold"))
    here = f"{plural(found.cores, 'core')}, shared with the clients"
    work = f"{plural(found.workers, 'worker')} of {plural(found.threads, 'thread')}"
    console.print(Text(f"{work}; {here}; {found.picture}"))
    grid = table("clients", "asked/s", "answers/s", "p50 ms", "p99", "wait", "decode", "net", "batch", "refused", gap=1)
    for each in found.loads:
        load = each.load
        times = (*(1e3 * value for value in (load.p50, load.p99)), each.wait, each.decode, each.net)
        grid.add_row(
            str(load.clients), f"{load.rate:g}" if load.rate else "", f"{load.per_second:,.1f}",
            *(_ms(value / 1e3) for value in times), f"{each.batch:.1f}", str(load.refused),
        )  # fmt: skip
    console.print(grid)
    note("milliseconds a request, as clients see it; wait, decode and net are medians of the server's own")


def print_table(found: Latency) -> None:
    """The machine, the forms and how far their logits are from eager's, then a line for each batch size and form."""
    console = out()
    here = found.environment
    cores, threads = (plural(int(str(here[name])), name[:-1]) for name in ("cores", "threads"))
    console.print(Text(f"{found.title}, input {'x'.join(map(str, found.shape))}", style="bold"))
    console.print(
        Text(
            f"{plural(found.parameters, 'parameter')}; {here['device_name']}, {cores}; torch {here['torch']}, "
            f"at most {threads}"
        )
    )
    exported = found.forms[0].name == "exported"
    differ = "answers differ by" if exported else "logits differ by"
    grid = table("form", "made ready in", differ, "", left=["form", ""])
    for form in found.forms:
        if form.missing:
            grid.add_row(Text(form.name), "", "", Text(form.missing, style="yellow"))
            continue
        differs = Text("" if form.name == "eager" else f"{form.difference:.1e}")
        if not form.agrees:
            differs = Text(f"{form.difference:.1e} (more than {form.allowed:.1e})", style="bold red")
        ready = "" if form.name == "eager" else f"{form.setup_seconds:.1f} s"
        grid.add_row(Text(form.name), ready, differs, Text(form.what))
    console.print(grid)
    console.print()
    times = table("batch", "form", "median", "p10", "p90", "p99 ms", "images/s", "time/eager", "calls", left=["form"])
    last = 0
    for each in found.timings:
        best = each.median == min(other.median for other in found.timings if other.batch == each.batch)
        times.add_row(
            str(each.batch) if each.batch != last else "",
            Text(each.form),
            *(_ms(value) for value in (each.median, each.p10, each.p90, each.p99)),
            f"{each.images_per_second:,.0f}" if each.images_per_second >= 10 else f"{each.images_per_second:.2g}",
            "" if each.ratio != each.ratio else f"{each.ratio:.2f}",
            str(each.calls),
            style="green" if best else "",
        )
        last = each.batch
    console.print(times)
    if found.stopped:
        note(found.stopped)
    worst = max((form.allowed for form in found.forms if not form.missing), default=0.0)
    if exported:
        note(f"tolerance of an answer {worst:.1e}; milliseconds a call, decoded bytes in, answers out")
        return
    note(f"tolerance of a logit {worst:.1e}; milliseconds a call, pictures in, logits out; green: fastest")


def _ms(seconds: float) -> str:
    """Three figures are enough.

    >>> _ms(0.0123456), _ms(1.2345), _ms(0.0001234)
    ('12.3', '1234', '0.123')
    """
    ms = 1e3 * seconds
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}" if ms >= 1 else f"{ms:.3f}"
