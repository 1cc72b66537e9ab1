"""`hubel evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.verbs.doubt import Selective, Strangers
    from hubel.verbs.groups import Groups
    from hubel.verbs.threshold import Threshold


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
    strange: Annotated[
        str, option("--strange", metavar="DATA", help="how well it tells these pictures from its own kind")
    ] = "",
    autoencoder: Annotated[
        str | None,
        option("--autoencoder", metavar="RUN", help="of --strange: a run of the task reconstruct, or a detector, too"),
    ] = None,
    risk: Annotated[
        float | None, option("--risk", metavar="SHARE", help="answer only so surely that at most this share is wrong")
    ] = None,
    by: Annotated[
        str,
        option(
            "--by", metavar="COLUMN", help="by group: a column, folder, a folder's number (1), brightness, contrast"
        ),
    ] = "",
    recall: Annotated[
        float | None, option("--recall", metavar="SHARE", help="two classes: the threshold that finds so many")
    ] = None,
    precision: Annotated[
        float | None, option("--precision", metavar="SHARE", help="two classes: the threshold that is right so often")
    ] = None,
    cost: Annotated[
        Path | None, option("--cost", metavar="FILE", help="two classes: the cheapest threshold, from a table of costs")
    ] = None,
    value: Annotated[float | None, option("--threshold", metavar="P", help="two classes: this threshold")] = None,
    positive: Annotated[
        str, option("--positive", metavar="CLASS", help="the class that is looked for; the rarer if not given")
    ] = "",
    keep: Annotated[bool, option("--keep", help="store the threshold: predict and serve name classes by it")] = False,
    as_json: JSON = False,
) -> None:
    """Measure a trained run: accuracy with intervals, per class, calibration, what it confuses.

    hubel evaluate runs/photos-1
    hubel evaluate runs/photos-1 new-photos/
    hubel evaluate runs/photos-1 --strange other-pictures/
    hubel evaluate runs/photos-1 --strange other/ --autoencoder runs/photos-auto-1
    hubel evaluate runs/photos-1 --risk 0.01
    hubel evaluate runs/photos-1 --by camera
    hubel evaluate runs/photos-1 --recall 0.95 --keep
    """
    from hubel.verbs.doubt import selective, strangers
    from hubel.verbs.evaluate import evaluate, write_to
    from hubel.verbs.groups import grouped
    from hubel.verbs.threshold import threshold

    beside = {
        "--strange": strange, "--risk": risk, "--recall": recall, "--precision": precision, "--cost": cost,
        "--threshold": value,
    }  # fmt: skip
    named = next((flag for flag, value in beside.items() if value not in ("", None)), None)
    if named and (data or again or which != "best" or views is not None):
        raise UsageError(
            f"{named} is about the run's best weights and own data: it goes with no DATA, --which or --views",
            hint=f"hubel evaluate {run} {named} {beside[named]}",
        )

    if autoencoder and not strange:
        raise UsageError(
            "--autoencoder is asked about strange pictures, and none are named",
            hint=f"hubel evaluate {run} --strange FOLDER --autoencoder {autoencoder}",
        )
    wished = any(wish is not None for wish in (recall, precision, cost, value))
    if (positive or keep) and not wished:
        raise UsageError(
            f"{'--positive' if positive else '--keep'} is about a threshold, and none is asked for",
            hint=f"hubel evaluate {run} --recall 0.95, or --precision, --cost FILE, --threshold P",
        )
    with watched() as watch:
        result = evaluate(
            run, one_source(data, again), split=split, which=which, views=views, device=device, data_root=data_root,
            columns=columns(column), images=images, follow_links=follow_links, watch=watch,
            metrics=[name.strip() for name in metrics.split(",") if name.strip()],
        )  # fmt: skip
        more: dict[str, Strangers | Selective | Groups | Threshold] = {}
        own: dict[str, Any] = {"split": split or "test", "device": device, "data_root": data_root}
        if by:
            reading = {"columns": columns(column), "images": images, "follow_links": follow_links}
            source = one_source(data, again)
            more["groups"] = grouped(run, result, by, source, data_root=data_root, reading=reading)
        if strange:
            more["strange"] = strangers(
                run, strange, follow_links=follow_links, autoencoder=autoencoder, watch=watch, **own
            )
        if risk is not None:
            more["selective"] = selective(run, risk, watch=watch, **own)
        if wished:
            more["threshold"] = threshold(
                run, recall=recall, precision=precision, cost=cost, value=value, positive=positive, keep=keep,
                watch=watch, **own,
            )  # fmt: skip
    if folder is not None:
        write_to(folder, result)
    if as_json:
        print_json(result.to_dict() | {name: found.to_dict() for name, found in more.items()})
    else:
        say("\n\n".join(map(str, [result, *more.values()])))
