"""`hubel data`: what is in a data set, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubel.cli.console import say
from hubel.cli.options import COLUMN, DATA_ROOT, FOLLOW_LINKS, IMAGES, JSON, option, out
from hubel.cli.output import print_json, watched, write_figure
from hubel.cli.settings import columns, columns_among
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.verbs.data import DataReport


def command(
    source: Annotated[
        str,
        typer.Argument(metavar="DATA", help="a name (digits, mnist …), class folders, tar shards, a CSV or JSONL"),
    ] = "",
    more: Annotated[list[str] | None, typer.Argument(metavar="ROLE=NAME", hidden=True)] = None,
    again: Annotated[str, option("--data", "--source", metavar="DATA", hidden=True, help="the same as an option")] = "",
    data_dir: Annotated[
        str | None, option("--data-dir", metavar="FOLDER", help="where named sets lie, if not in HUBEL_DATA")
    ] = None,
    img_size: Annotated[
        int | None, option("--img-size", "--imgsz", "--image-size", metavar="N", help="side of what the net sees")
    ] = None,
    channels: Annotated[
        int | None, option("--in-chans", "--channels", metavar="N", help="1 for grey, 3 for colour")
    ] = None,
    fit: Annotated[str, option("--fit", metavar="HOW", help="pad, crop, squash or auto")] = "auto",
    val: Annotated[
        float,
        option("--val-fraction", "--val", "--val-split", metavar="X", help="part for validation, where none is given"),
    ] = 0.1,
    test: Annotated[
        float,
        option("--test-fraction", "--test", "--test-split", metavar="X", help="part for the test, where none is given"),
    ] = 0.1,
    seed: Annotated[int, option("--split-seed", "--seed", metavar="N", help="which random split")] = 0,
    file: Annotated[Path | None, out("write a contact sheet of what the net sees to this PNG file", "--sheet")] = None,
    augment: Annotated[
        str,
        option(
            "--augment",
            "--augmentation",
            metavar="LIST",
            help="with --out: one picture a class, varied: flip,rotate=15",
        ),
    ] = "",
    show_all: Annotated[bool, option("--all", help="list every problem and every class")] = False,
    list_sources: Annotated[bool, option("--list", help="list the named sources")] = False,
    as_json: JSON = False,
    column: COLUMN = None,
    images: IMAGES = None,
    follow_links: FOLLOW_LINKS = False,
    data_root: DATA_ROOT = None,
    workers: Annotated[
        int | None, option("--workers", "--num-workers", min=0, metavar="N", help="processes that read files")
    ] = None,
    on: Annotated[
        str, option("--on", metavar="WHERE", help="read files here, local or on ray://HOST:PORT (extra: cluster)")
    ] = "here",
) -> None:
    """Read every file of a data source and say what there is, what is left out and what is odd.

    hubel data photos/
    hubel data photos/ --out sheet.png
    hubel data photos/ --out varied.png --augment flip,rotate=15,colour
    hubel data labels.csv --column label=grade --images scans/
    hubel data --list
    """
    from hubel.report.data import lines
    from hubel.verbs.data import SOURCES, scan

    source = source or again
    if list_sources:
        say("\n".join(SOURCES))
        return
    if not source:
        raise UsageError("a data source is needed", hint=f"a folder, a table, or one of: {', '.join(SOURCES)}")
    if augment and file is None:
        raise UsageError("--augment shows its pictures on a contact sheet", hint="add --out FILE.png")
    also, words = columns_among(more or []) if column else ({}, more or [])
    if words:
        raise UsageError(f"one data source is needed, got {words[0]!r} too", hint="hubel data --help lists the options")
    with watched() as watch:
        report = scan(
            source, data_dir=data_dir, img_size=img_size, channels=channels, fit=fit, val=val, test=test, seed=seed,
            workers=workers, on=on, columns=columns(column) | also, images=images, follow_links=follow_links,
            data_root=data_root, watch=watch,
        )  # fmt: skip
    if file is not None:
        figure = report.augmented(augment, seed=seed) if augment else report.sheet()
        report.check_place(file)
        write_figure(figure, file, beside=[source])
    if as_json:
        print_json(as_data(report))
    else:
        say("\n".join(lines(report, everything=show_all)))


def as_data(report: DataReport) -> dict[str, Any]:
    """A report as plain data for JSON."""
    from dataclasses import asdict

    return {
        **asdict(report.summary),
        "problems": [asdict(problem) for problem in report.problems],
        "preprocessing": report.preprocessing.to_dict() if report.preprocessing else None,
        "given_splits": list(report.given_splits),
    }
