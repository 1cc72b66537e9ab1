"""`hubel counterfactual`: the smallest change that flips a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import say
from hubel.cli.options import DEVICE, ONE_LABEL, PICTURE, RUN, STEPS, one_picture, option, out
from hubel.cli.output import watched, write_figure


def command(
    run: RUN,
    picture: PICTURE,
    keep: Annotated[bool, option("--keep", help="the opposite: the patches that alone keep the decision")] = False,
    target: ONE_LABEL = None,
    steps: STEPS = 50,
    file: Annotated[Path, out("the picture to write")] = Path("counterfactual.png"),
    device: DEVICE = "auto",
) -> None:
    """Find the smallest change that flips the decision, or the patches that keep it whatever the rest shows.

    hubel counterfactual runs/photos-1 cat.jpg
    hubel counterfactual runs/photos-1 cat.jpg --keep
    hubel counterfactual runs/scenes-1 beach.jpg --class boat
    """
    from hubel.report.drawings.robustness import draw_attacked_picture, draw_kept_patches
    from hubel.verbs import counterfactual as verb

    picture = one_picture(picture)
    if keep:
        with watched() as watch:
            kept = verb.anchor(run, picture, target=target, device=device, watch=watch)
        say(kept.sentence)
        write_figure(draw_kept_patches(kept), file, beside=[picture])
        return
    found = verb.counterfactual(run, picture, target=target, steps=steps, device=device)
    say(found.sentence)
    write_figure(draw_attacked_picture(found), file, beside=[picture])
