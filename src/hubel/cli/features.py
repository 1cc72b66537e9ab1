"""`hubel features`: the features of every sample, for other classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from hubel.cli.console import note, say
from hubel.cli.options import DATA, DATA_AGAIN, DEVICE, LIMIT, RUN, SPLIT, STAGE, one_source, out
from hubel.cli.output import keep_off, watched
from hubel.words import plural


def command(
    run: RUN,
    data: DATA = "",
    again: DATA_AGAIN = "",
    stage: STAGE = "",
    split: SPLIT = "train",
    limit: LIMIT = None,
    file: Annotated[Path, out("the .npz file to write")] = Path("features.npz"),
    device: DEVICE = "auto",
) -> None:
    """Write what a layer says about every sample: features, labels, names, class_names and layer in one .npz.

    hubel features runs/photos-1 other/ --out f.npz
    """
    from hubel.verbs.features import features, write_features

    source = one_source(data, again)
    keep_off(file, [source] if source else ())
    with watched() as watch:
        found = features(run, source, stage=stage or None, split=split, limit=limit, device=device, watch=watch)
    count, width = found.values.shape
    say(f"{plural(count, 'sample')}, {plural(width, 'feature')} each, from layer {found.layer}")
    note(f"wrote {write_features(found, file)}")
