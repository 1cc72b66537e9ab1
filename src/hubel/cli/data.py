"""`hubel data`: what is in a data set, and what is wrong with it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubel.cli.console import say
from hubel.cli.options import COLUMN, DATA_ROOT, FOLLOW_LINKS, IMAGES, JSON, option, out
from hubel.cli.output import print_json, watched, write_figure
from hubel.cli.settings import columns, columns_among
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.data.summary import Summary
    from hubel.verbs.data import DataReport

SHOWN = 10
"""Problems of one kind that are listed without --all."""


def command(
    source: Annotated[
        str,
        typer.Argument(metavar="DATA", help="a name (digits, mnist …), a folder of class folders, a CSV or JSONL"),
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
) -> None:
    """Read every file of a data source and say what there is, what is left out and what is odd.

    hubel data photos/
    hubel data photos/ --out sheet.png
    hubel data photos/ --out varied.png --augment flip,rotate=15,colour
    hubel data labels.csv --column label=grade --images scans/
    hubel data --list
    """
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
            workers=workers, columns=columns(column) | also, images=images, follow_links=follow_links,
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


def lines(report: DataReport, *, everything: bool = False) -> Iterator[str]:
    """A report as text of 80 columns; only names of files may be longer."""
    about = report.summary
    noun = "points" if about.kind == "points" else "pictures"
    classes = f" in {len(about.class_names)} classes" if about.class_names else ", each with a number to predict"
    bad = sum(about.left_out.values())
    yield f"{about.source}: {about.samples:,} {noun}{classes}" + (f", {bad:,} files left out" if bad else "")
    yield ""
    if about.kind == "points":
        yield f"  features   {about.features}"
    else:
        yield f"  size       {_sizes(about)}"
        yield f"  format     {_counted(about.formats)}; {_counted({_mode(m): n for m, n in about.modes.items()})}"
    if report.preprocessing is not None:
        p = report.preprocessing
        fitted = "" if {size[:2] for size in about.sizes} == {(p.width, p.height)} else f", fit by {p.fit}"
        yield f"  net sees   {p.width}x{p.height}, {p.channels} channel{'s' * (p.channels > 1)}{fitted}"
        if report.levels:
            yield f"  levels     {report.levels}"
    if about.target_range is not None:
        low, mean, high = about.target_range
        yield f"  target     {low:g} to {high:g}, mean {mean:g}"
    parts = [
        f"{name} {sum(counts):,}{' (given)' if name in report.given_splits else ''}"
        for name, counts in about.split_counts.items()
    ]
    yield f"  split      {' · '.join(parts)}"
    if about.class_names:
        yield from _classes(about, everything)
    yield from _problems(report, everything)


def _sizes(about: Summary) -> str:
    width, height, count = about.sizes[0]
    if len(about.sizes) == 1:
        return f"{width}x{height}, all of them"
    small, large = min(about.sizes, key=lambda s: s[0] * s[1]), max(about.sizes, key=lambda s: s[0] * s[1])
    return (
        f"{small[0]}x{small[1]} to {large[0]}x{large[1]}, {len(about.sizes):,} different, "
        f"most often {width}x{height} ({count:,})"
    )


def _mode(mode: str) -> str:
    return {
        "L": "grey",
        "RGB": "colour",
        "RGBA": "colour with alpha",
        "P": "palette",
        "I;16": "16-bit grey",
        "RGB;16": "16-bit colour",
        "I": "32-bit grey",
        "F": "grey in floating point",
    }.get(mode, mode)


def _counted(counts: dict[str, int]) -> str:
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _classes(about: Summary, everything: bool) -> Iterator[str]:
    names = list(about.split_counts)
    yield ""
    yield "  " + f"{'class':<28}" + "".join(f"{name:>9}" for name in names) + "  "
    widest = max(about.class_counts)
    rows = range(len(about.class_names))
    shown = rows if everything or len(rows) <= 30 else [*rows[:15], *rows[-10:]]
    last = -1
    for row in shown:
        if row != last + 1:
            yield f"  … {row - last - 1} more classes: --all lists them"
        last = row
        name = about.class_names[row]
        bar = "█" * max(1, round(20 * about.class_counts[row] / widest))
        counts = "".join(f"{about.split_counts[split][row]:>9,}" for split in names)
        yield f"  {name if len(name) <= 27 else name[:26] + '…':<28}{counts}  {bar}".rstrip()


def _problems(report: DataReport, everything: bool) -> Iterator[str]:
    if not report.problems:
        yield ""
        yield "  nothing is wrong with it"
        return
    from hubel.data.manifest import leaks

    if said := leaks(report.problems):
        yield ""
        yield from textwrap.wrap(f"leak: {said}", 80, initial_indent="  ", subsequent_indent="  ")
    for left_out, title in ((True, "left out"), (False, "worth knowing")):
        chosen = [problem for problem in report.problems if problem.left_out == left_out]
        if not chosen:
            continue
        yield ""
        yield f"  {title}: {len(chosen):,}"
        for kind in dict.fromkeys(problem.kind for problem in chosen):
            same = [problem for problem in chosen if problem.kind == kind]
            yield f"    {kind} ({len(same):,})"
            for problem in same if everything else same[:SHOWN]:
                yield f"      {problem.path}: {problem.reason}"
            if len(same) > SHOWN and not everything:
                yield f"      … {len(same) - SHOWN:,} more: --all lists them"
