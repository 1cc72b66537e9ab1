"""`hubel field NET PICTURE`: which pixels a unit really sees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import say
from hubel.cli.options import LAYER, NET, PICTURE, SEED, one_picture, out
from hubel.cli.output import write_figure


def command(
    net: NET,
    picture: PICTURE,
    layer: LAYER = "",
    seed: SEED = 0,
    file: Annotated[Path, out("the SVG file to write")] = Path("field.svg"),
) -> None:
    """Draw the effective receptive field of a layer's middle unit over a picture; the deepest stage if none is named.

    hubel field runs/photos-1 cat.jpg
    hubel field resnet18 cat.jpg --layer layer2
    """
    from hubel.verbs import descent as verb

    picture = one_picture(picture)
    found, figure = verb.effective(net, picture, layer, seed=seed)
    (top, bottom), (left, right) = found.window
    say(
        f"{found.layer}: the middle unit can see rows {top}-{bottom - 1}, columns {left}-{right - 1}; "
        f"95 % of the weight lies in {found.area:.0%} of these pixels"
    )
    write_figure(figure, file, beside=[picture])
