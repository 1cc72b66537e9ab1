"""`hubel prototypes`: typical samples of a class, and odd ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    data: Annotated[str, typer.Option(help="another data set; else the run's own")] = "",
    label: Annotated[str, typer.Option("--class", help="one class, by name or number; else all")] = "",
    count: Annotated[int, typer.Option(min=1, help="prototypes for each class")] = 5,
    criticisms: Annotated[int, typer.Option(min=0, help="samples that stand apart, for each class")] = 3,
    stage: Annotated[str, typer.Option(help="a stage by number, from 1 on, or a layer by name")] = "",
    split: Annotated[str, typer.Option(help="which part of the run's data: train, val or test")] = "train",
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture to write")] = Path("prototypes.png"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """Name the samples that stand for each class best, and those that the typical ones do not explain."""
    from hubel.cli.console import say
    from hubel.cli.looking import watched, write
    from hubel.report.drawings.features import draw_class_examples
    from hubel.verbs.prototypes import prototypes

    with watched() as watch:
        found = prototypes(
            run, data or None, label=label or None, count=count, criticisms=criticisms, stage=stage or None,
            split=split, device=device, watch=watch,
        )  # fmt: skip
    for part in found:
        say(f"{part.label}: {', '.join(part.prototypes)}")
        if part.criticisms:
            say(f"  apart: {', '.join(part.criticisms)}")
    write(draw_class_examples(found), out)
