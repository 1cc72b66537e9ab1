"""The pictures that are looked at, read and decoded, with all that is known of them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from hubel.anomalies.pictures import Material, read_masks
from hubel.data.keeping import prepare
from hubel.data.manifest import Problem
from hubel.data.preprocessing import Preprocessing
from hubel.watching import Watcher


@dataclass(frozen=True, kw_only=True, eq=False)
class Tested:
    """N pictures."""

    images: np.ndarray
    """N C H W uint8."""
    names: tuple[str, ...]
    truth: np.ndarray
    """N: -1 unknown, 0 normal, 1 strange."""
    kinds: tuple[str, ...]
    masks: np.ndarray | None
    """N H W: 1 where it is strange, 0 where not, -1 where nobody knows; None where nobody knows anything."""
    problems: tuple[Problem, ...]
    learnt_too: int
    """Pictures that are among the normal ones, too: the same bytes."""


def read_tested(
    material: Material, preprocessing: Preprocessing, known: AbstractSet[str], watch: Watcher
) -> Tested:  # fmt: skip
    """Read the test pictures; `known`: the digests of the normal ones."""
    if material.test is None:
        return Tested(
            images=np.zeros((0, *preprocessing.shape), np.uint8), names=(), truth=np.zeros(0, np.int64), kinds=(),
            masks=None, problems=(), learnt_too=0,
        )  # fmt: skip
    scan, decoded = prepare(material.test, preprocessing, progress=watch.progress, partial=True)
    kept = scan.kept
    truth = material.truth[kept]
    files = [material.masks[row] for row in kept]
    masks, bad = read_masks(files, truth, preprocessing)
    digests = scan.manifest.digests or ()
    return Tested(
        images=np.ascontiguousarray(decoded.images), names=tuple(map(scan.manifest.name, range(len(scan.manifest)))),
        truth=truth, kinds=tuple(material.kinds[row] for row in kept), masks=masks, problems=(*scan.problems, *bad),
        learnt_too=sum(digest in known for digest in digests),
    )  # fmt: skip
