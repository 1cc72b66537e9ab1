"""What the parts of a split share, told before a training: pictures that are nearly the same on both sides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.functional import interpolate

from hubel.assembly.prepare import Prepared
from hubel.care.judging import SMALL
from hubel.care.twins import SIDE, find_pairs, grey32
from hubel.data.streamed import Streamed
from hubel.diagnosis.checks import found
from hubel.diagnosis.finding import Finding

MOST = 2000
"""Pictures of which all pairs are looked at before a training: some seconds. Of more, `hubel clean` tells."""
_BLOCK = 256


def look_across(prepared: Prepared) -> Iterator[Finding]:
    """The finding where pictures of test or validation are nearly pictures of training, at the size that the net sees.

    Files alone are looked at, no more than MOST of them, and not where no picture is kept decoded.
    """
    parts = {name: prepared.ids(name) for name in ("train", "val", "test")}
    rows = np.concatenate(list(parts.values()))
    images = prepared.decoded.images
    if prepared.manifest.kind != "files" or len(rows) > MOST or isinstance(images, Streamed) or images.ndim != 4:
        return
    if min(images.shape[2:]) < SMALL or prepared.scan.sides[rows].min() < SMALL:
        return
    part = np.repeat(list(parts), [len(ids) for ids in parts.values()])
    pairs = find_pairs(grey32(_small(images, rows)), between=part == "train")
    name = prepared.manifest.name
    for judged, words in (("test", "test"), ("val", "validation")):
        close = [(p.first, p.second) if part[p.first] == judged else (p.second, p.first) for p in pairs]
        close = [(one, other) for one, other in close if part[one] == judged]
        twins = len({one for one, _ in close})
        if not twins:
            continue
        are = "is nearly a picture" if twins == 1 else "are nearly pictures"
        one, other = (name(int(rows[row])) for row in close[0])
        data = prepared.recipe.data.data
        yield found(
            "near-leak",
            f"{twins} of {len(parts[judged])} {words} pictures {are} of training, such as {one} and {other}",
            mend=f"hubel clean {data} names them, and its --group auto keeps them on one side of splits to come; "
            "hubel clean RUN says the accuracy without them",
            samples=twins,
            of=len(parts[judged]),
        )
        return


def _small(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows of pictures N C H W uint8 at the size at which they are compared."""
    blocks = [
        interpolate(torch.from_numpy(np.array(images[rows[start : start + _BLOCK]])).float(), (SIDE, SIDE), mode="area")
        for start in range(0, len(rows), _BLOCK)
    ]
    return np.asarray(torch.cat(blocks).round().to(torch.uint8))
