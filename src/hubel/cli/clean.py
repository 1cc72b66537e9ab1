"""`hubel clean`: what is probably wrong with pictures and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import note, say
from hubel.cli.options import COLUMN, DATA_ROOT, DEVICE, FOLLOW_LINKS, IMAGES, JSON, SEED, option, out
from hubel.cli.output import print_json, watched, write_file
from hubel.cli.settings import columns


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="a folder, a table or a named set; or a run, or a series of folds: its data, and labels",
        ),
    ],
    file: Annotated[
        Path | None, out("also write a page with the pictures; --page alone writes clean.html", "--page")
    ] = None,
    folds: Annotated[
        int | None, option("--folds", metavar="N", help="judge labels by so many heads, out of fold (--eyes: 5)")
    ] = None,
    eyes: Annotated[
        str | None,
        option("--eyes", metavar="NET", help="judge labels by what this net sees (efficientnet_lite0, a run)"),
    ] = None,
    accept: Annotated[
        float | None, option("--accept", metavar="P", help="relabel what is suspected with at least this probability")
    ] = None,
    group: Annotated[
        str | None, option("--group", metavar="auto", help="auto: each burst stays on one side of splits to come")
    ] = None,
    most: Annotated[int, option("--limit", min=1, metavar="N", help="findings of each kind that are printed")] = 10,
    who: Annotated[str, option("--who", metavar="NAME", help="who accepts, if not the user of this machine")] = "",
    device: DEVICE = "auto",
    seed: SEED = 0,
    column: COLUMN = None,
    images: IMAGES = None,
    follow_links: FOLLOW_LINKS = False,
    data_root: DATA_ROOT = None,
    as_json: JSON = False,
) -> None:
    """Find twins, leaks across the split, bursts, damaged and odd pictures, shortcuts, and labels that are wrong.

    Of a run also strangers, and what leaks did to its accuracy.

    hubel clean photos/
    hubel clean photos/ --folds 5
    hubel clean photos/ --eyes efficientnet_lite0
    hubel clean runs/photos-1 --page
    hubel clean runs/photos-folds-1    (each by the net that left it out)
    hubel clean runs/photos-1 --accept 0.95
    hubel clean photos/ --group auto
    """
    from hubel.verbs.clean import clean

    with watched() as watch:
        found = clean(
            source, folds=folds, eyes=eyes, accept=accept, group=group, who=who, device=device, seed=seed,
            columns=columns(column), images=images, follow_links=follow_links, data_root=data_root, watch=watch,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        say("\n".join(found.lines(most)))
    if file is not None:
        from hubel.report.pages.cleaning import render_cleaning

        write_file(file, render_cleaning(found).encode(errors="backslashreplace"), beside=[found.source], told=False)
        note(f"wrote {file}")
