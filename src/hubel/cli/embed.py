"""`hubel embed`: a map of the data in feature space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    data: Annotated[str, typer.Option(help="another data set; else the run's own")] = "",
    method: Annotated[str, typer.Option("--method", "-m", help="tsne or pca")] = "tsne",
    stage: Annotated[str, typer.Option(help="a stage by number, from 1 on, or a layer by name")] = "",
    split: Annotated[str, typer.Option(help="which part of the run's data: train, val or test")] = "test",
    limit: Annotated[int, typer.Option(min=5, help="at most so many samples, drawn by chance")] = 2000,
    seed: Annotated[int, typer.Option(help="of the map and of the choice of samples")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture to write")] = Path("embed.svg"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """Draw a map of the data in the net's feature space, with pictures, and with the mistakes marked."""
    from hubel.cli.console import say
    from hubel.cli.looking import watched, write
    from hubel.report.drawings.features import draw_data_map
    from hubel.verbs.embed import embed

    with watched() as watch:
        found = embed(
            run, data or None, method=method, stage=stage or None, split=split, limit=limit, seed=seed, device=device,
            watch=watch,
        )  # fmt: skip
    figure = draw_data_map(found)
    say(figure.caption)
    write(figure, out)
