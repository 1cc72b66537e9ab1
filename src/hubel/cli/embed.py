"""`hubel embed`: a map of the data in feature space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import say
from hubel.cli.options import DATA, DATA_AGAIN, DEVICE, LIMIT, RUN, SEED, SPLIT, STAGE, one_source, option, out
from hubel.cli.output import keep_off, watched, write_figure


def command(
    run: RUN,
    data: DATA = "",
    again: DATA_AGAIN = "",
    method: Annotated[str, option("--method", "-m", metavar="NAME", help="tsne or pca")] = "tsne",
    stage: STAGE = "",
    split: SPLIT = "test",
    limit: LIMIT = 2000,
    seed: SEED = 0,
    file: Annotated[Path, out("the picture to write")] = Path("embed.svg"),
    device: DEVICE = "auto",
) -> None:
    """Draw a map of the data in the net's feature space, with pictures, and with the mistakes marked.

    hubel embed runs/photos-1
    hubel embed runs/photos-1 new-photos/ --method pca
    """
    from hubel.report.drawings.features import draw_data_map
    from hubel.verbs.embed import embed

    source = one_source(data, again)
    keep_off(file, [source] if source else ())
    with watched() as watch:
        found = embed(
            run, source, method=method, stage=stage or None, split=split, limit=limit or 2000, seed=seed, device=device,
            watch=watch,
        )  # fmt: skip
    figure = draw_data_map(found)
    say(figure.caption)
    write_figure(figure, file, beside=[source] if source else ())
