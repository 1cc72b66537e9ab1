"""`hubel baseline`: what classical methods get, without a net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hubel.cli.console import say
from hubel.cli.options import COLUMN, DATA_ROOT, FOLLOW_LINKS, IMAGES, JSON, SEED, option, out
from hubel.cli.output import print_json, watched, write_file
from hubel.cli.settings import columns
from hubel.errors import UsageError


def command(
    source: Annotated[
        str, typer.Argument(metavar="DATA", help="a folder, a table or a named set; or a run: its data, its net beside")
    ],
    features: Annotated[str, option("--features", metavar="LIST", help="of pixels, hog, colours; all that fit")] = "",
    learners: Annotated[
        str, option("--learners", metavar="LIST", help="of knn, logistic, svm, forest, boosting; all")
    ] = "",
    time: Annotated[
        str | None, option("--time", metavar="TIME", help="time allowed: 90s, 5m; what takes longer is left out")
    ] = "10m",
    limit: Annotated[
        int | None, option("--limit", "--max-samples", min=2, metavar="N", help="learn from at most so many samples")
    ] = None,
    img_size: Annotated[
        str | None, option("--img-size", metavar="N|HxW", help="pixels of the pictures, if not as hubel train has it")
    ] = None,
    test_fraction: Annotated[
        float | None, option("--test-fraction", metavar="X", help="kept for the test, where none is given; 0.1")
    ] = None,
    val_fraction: Annotated[
        float | None, option("--val-fraction", metavar="X", help="kept to choose by, where none is given; 0.1")
    ] = None,
    split_seed: Annotated[int | None, option("--split-seed", metavar="N", help="which random split")] = None,
    seed: SEED = 0,
    file: Annotated[Path | None, out("also write a page, such as baseline.html", "--report")] = None,
    column: COLUMN = None,
    images: IMAGES = None,
    follow_links: FOLLOW_LINKS = False,
    data_root: DATA_ROOT = None,
    as_json: JSON = False,
) -> None:
    """Measure what simple methods get: pixels, histograms of gradients and of colours, with the classical learners.

    All are tried on the validation part; the best alone sees the test part, once. A run is laid beside it, sample by
    sample: is deep learning needed here?

    hubel baseline photos/
    hubel baseline runs/photos-1 --out baseline.html
    hubel baseline mnist --limit 5000 --learners knn,svm
    """
    from hubel.recipes.schema import seconds
    from hubel.verbs.baseline import baseline, write_page

    try:
        allowed = seconds(time)
    except ValueError as error:
        raise UsageError(f"--time {error}, got {time!r}", hint="--time 5m") from None
    settings: dict[str, Any] = {
        "img_size": img_size, "test_fraction": test_fraction, "val_fraction": val_fraction, "split_seed": split_seed,
        "columns": columns(column) or None, "images": images, "follow_links": follow_links or None,
        "data_root": data_root,
    }  # fmt: skip
    with watched() as watch:
        found = baseline(
            source, learners=_words(learners), features=_words(features),
            time=float(allowed) if isinstance(allowed, (int, float)) else None, limit=limit, seed=seed, watch=watch,
            **{name: value for name, value in settings.items() if value is not None},
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if file is not None:
        write_file(file, write_page(found).encode(errors="backslashreplace"), beside=[source])


def _words(text: str) -> list[str]:
    """Words with commas between them.

    >>> _words("knn, svm,")
    ['knn', 'svm']
    """
    return [word.strip() for word in text.split(",") if word.strip()]
