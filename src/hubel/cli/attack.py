"""`hubel attack`: change a picture so that the net says something else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    picture: Annotated[
        str, typer.Argument(help='a picture file or "digits:3"; leave it out to attack a whole split')
    ] = "",
    method: Annotated[str, typer.Option("--method", "-m", help="fgsm, pgd, or flip (the smallest change)")] = "pgd",
    eps: Annotated[str, typer.Option(help="largest change of a pixel, as a share of 1: 4/255")] = "4/255",
    steps: Annotated[int, typer.Option(min=1, help="steps of pgd and flip")] = 20,
    data: Annotated[str, typer.Option(help="another data set; else the run's own")] = "",
    split: Annotated[str, typer.Option(help="which part of the run's data: train, val or test")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="at most so many samples, drawn by chance")] = 500,
    seed: Annotated[int, typer.Option(help="of the random start")] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="the picture to write")] = Path("attack.png"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
) -> None:
    """Attack one picture, or count how many decisions of a split flip.

    hubel attack runs/photos-1 cat.jpg --method pgd --eps 4/255
    hubel attack runs/photos-1 --eps 8/255
    """
    from hubel.cli.console import say
    from hubel.cli.looking import watched, write
    from hubel.report.drawings.robustness import draw_attacked_picture
    from hubel.verbs.attack import as_eps, attack, attack_rate

    size = as_eps(eps)
    if picture:
        found = attack(run, picture, method=method, eps=size, steps=steps, seed=seed, device=device)
        say(found.sentence)
        write(draw_attacked_picture(found), out)
        return
    with watched() as watch:
        rate = attack_rate(
            run, data or None, method=method, eps=size, steps=steps, split=split, limit=limit, seed=seed, device=device,
            watch=watch,
        )  # fmt: skip
    say(rate.sentence)
