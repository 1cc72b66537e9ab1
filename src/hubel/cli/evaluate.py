"""`hubel evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import say
from hubel.cli.options import (
    COLUMN,
    DATA,
    DATA_AGAIN,
    DATA_ROOT,
    DEVICE,
    FOLLOW_LINKS,
    IMAGES,
    JSON,
    RUN,
    VIEWS,
    WHICH,
    one_source,
    option,
)  # fmt: skip
from hubel.cli.output import print_json, watched
from hubel.cli.settings import columns


def command(
    run: RUN,
    data: DATA = "",
    again: DATA_AGAIN = "",
    split: Annotated[
        str | None, option("--split", metavar="SPLIT", help="part: train, val or test (test unless said)")
    ] = None,
    which: WHICH = "best",
    views: VIEWS = None,
    metrics: Annotated[
        str, option("--metrics", metavar="LIST", help="more numbers: ece,top5 (hubel components metrics)")
    ] = "",
    device: DEVICE = "auto",
    folder: Annotated[
        Path | None,
        option("--out", "--output-dir", "--save-dir", metavar="FOLDER", help="also write evaluation.json and tables"),
    ] = None,
    column: COLUMN = None,
    images: IMAGES = None,
    follow_links: FOLLOW_LINKS = False,
    data_root: DATA_ROOT = None,
    as_json: JSON = False,
) -> None:
    """Measure a trained run: accuracy with intervals, per class, calibration, what it confuses.

    hubel evaluate runs/photos-1
    hubel evaluate runs/photos-1 new-photos/
    """
    from hubel.verbs.evaluate import evaluate, write_to

    with watched() as watch:
        result = evaluate(
            run, one_source(data, again), split=split, which=which, views=views, device=device, data_root=data_root,
            columns=columns(column), images=images, follow_links=follow_links, watch=watch,
            metrics=[name.strip() for name in metrics.split(",") if name.strip()],
        )  # fmt: skip
    if folder is not None:
        write_to(folder, result)
    if as_json:
        print_json(result.to_dict())
    else:
        say(str(result))
