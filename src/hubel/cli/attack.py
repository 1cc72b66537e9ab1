"""`hubel attack`: change a picture so that the net says something else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import say
from hubel.cli.options import (
    DATA_OPTION,
    DEVICE,
    LIMIT,
    ONE_LABEL,
    RUN,
    SEED,
    SOME_PICTURE,
    SPLIT,
    STEPS,
    one_picture,
    option,
    out,
)
from hubel.cli.output import watched, write_figure


def command(
    run: RUN,
    picture: SOME_PICTURE = "",
    method: Annotated[
        str, option("--method", "-m", metavar="NAME", help="fgsm, pgd, or flip (the smallest change)")
    ] = "pgd",
    eps: Annotated[
        str, option("--eps", "--epsilon", metavar="X", help="largest change of a pixel, as a share of 1")
    ] = "4/255",
    steps: STEPS = 20,
    target: ONE_LABEL = None,
    data: DATA_OPTION = "",
    split: SPLIT = "test",
    limit: LIMIT = 500,
    seed: SEED = 0,
    file: Annotated[Path, out("the picture to write")] = Path("attack.png"),
    device: DEVICE = "auto",
) -> None:
    """Attack one picture, or count how many decisions of a split flip.

    hubel attack runs/photos-1 cat.jpg --method pgd --eps 4/255
    hubel attack runs/photos-1 --eps 8/255
    hubel attack runs/scenes-1 beach.jpg --class boat    (of several labels one)
    """
    from hubel.report.drawings.robustness import draw_attacked_picture
    from hubel.verbs.attack import as_eps, attack, attack_rate

    size = as_eps(eps)
    if picture:
        picture = one_picture(picture)
        found = attack(run, picture, method=method, eps=size, steps=steps, target=target, seed=seed, device=device)
        say(found.sentence)
        write_figure(draw_attacked_picture(found), file, beside=[picture])
        return
    with watched() as watch:
        rate = attack_rate(
            run, data or None, method=method, eps=size, steps=steps, target=target, split=split, limit=limit,
            seed=seed, device=device, watch=watch,
        )  # fmt: skip
    say(rate.sentence)
