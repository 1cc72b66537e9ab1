"""`hubel counterfactual`: the smallest change that flips a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    picture: Annotated[str, typer.Argument(help='a picture file, or a sample of a source: "digits:3"')],
    keep: Annotated[
        bool, typer.Option("--keep", help="the opposite: the patches that alone keep the decision")
    ] = False,
    steps: Annotated[int, typer.Option(min=1, help="steps at most")] = 50,
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture to write")] = Path("counterfactual.png"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """Find the smallest change that flips the decision, or the patches that keep it whatever the rest shows."""
    from hubel.cli.console import say
    from hubel.cli.looking import watched, write
    from hubel.report.drawings.robustness import draw_attacked_picture, draw_kept_patches
    from hubel.verbs import counterfactual as verb

    if keep:
        with watched() as watch:
            kept = verb.anchor(run, picture, device=device, watch=watch)
        say(kept.sentence)
        write(draw_kept_patches(kept), out)
        return
    found = verb.counterfactual(run, picture, steps=steps, device=device)
    say(found.sentence)
    write(draw_attacked_picture(found), out)
