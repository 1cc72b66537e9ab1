"""`hubel features`: the features of every sample, for other classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    data: Annotated[str, typer.Argument(help="a data set; else the run's own")] = "",
    stage: Annotated[str, typer.Option(help="a stage by number, from 1 on, or a layer by name")] = "",
    split: Annotated[str, typer.Option(help="which part of the run's data: train, val or test")] = "train",
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many samples, drawn by chance")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="the .npz file to write")] = Path("features.npz"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """Write what a layer says about every sample: features, labels, names, class_names and layer in one .npz.

    hubel features runs/photos-1 other/ --out f.npz
    """
    from hubel.cli.console import note, say
    from hubel.cli.looking import watched
    from hubel.verbs.features import features, write_features

    with watched() as watch:
        found = features(run, data or None, stage=stage or None, split=split, limit=limit, device=device, watch=watch)
    say(f"{len(found.values):,} samples, {found.values.shape[1]:,} features each, from layer {found.layer}")
    note(f"wrote {write_features(found, out)}")
