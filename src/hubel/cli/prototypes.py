"""`hubel prototypes`: typical samples of a class, and odd ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import say
from hubel.cli.options import DATA, DATA_AGAIN, DEVICE, RUN, SPLIT, STAGE, one_source, option, out
from hubel.cli.output import keep_off, watched, write_figure


def command(
    run: RUN,
    data: DATA = "",
    again: DATA_AGAIN = "",
    label: Annotated[str, option("--class", metavar="CLASS", help="one class, by name or number; else all")] = "",
    count: Annotated[int, option("--count", min=1, metavar="N", help="prototypes for each class")] = 5,
    criticisms: Annotated[
        int, option("--criticisms", min=0, metavar="N", help="samples that stand apart, for each class")
    ] = 3,
    stage: STAGE = "",
    split: SPLIT = "train",
    file: Annotated[Path, out("the picture to write")] = Path("prototypes.png"),
    device: DEVICE = "auto",
) -> None:
    """Name the samples that stand for each class best, and those that the typical ones do not explain.

    hubel prototypes runs/photos-1
    hubel prototypes runs/photos-1 --class cat --count 8
    """
    from hubel.report.drawings.features import draw_class_examples
    from hubel.verbs.prototypes import prototypes

    source = one_source(data, again)
    keep_off(file, [source] if source else ())
    with watched() as watch:
        found = prototypes(
            run, source, label=label or None, count=count, criticisms=criticisms, stage=stage or None,
            split=split, device=device, watch=watch,
        )  # fmt: skip
    for part in found:
        say(f"{part.label}: {', '.join(part.prototypes)}")
        if part.criticisms:
            say(f"  apart: {', '.join(part.criticisms)}")
    write_figure(draw_class_examples(found), file, beside=[source] if source else ())
