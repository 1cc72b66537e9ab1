"""Robust: what a trained run makes of pictures that are spoilt, moved, turned and bent; alone, or beside others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from hubel import runtime
from hubel.data.batches import reading_size
from hubel.diagnosis.doubted import weigh_trust
from hubel.faces.progress import shows_progress
from hubel.records.contenders import Runs, open_contenders
from hubel.report.pages.robust import render_robust
from hubel.robustness.answers import Truth
from hubel.robustness.beside import RobustComparison, lay_beside
from hubel.robustness.corruptions import SEVERITIES, chosen, corrupt, list_corruptions
from hubel.robustness.examining import Asked, Net, examine
from hubel.robustness.measuring import Robustness
from hubel.watching import SILENT, Watcher
from hubel.words import plural

__all__ = ["RobustComparison", "Robustness", "list_corruptions", "robust", "write_page"]


@shows_progress
def robust(
    runs: Runs, *, split: str = "test", limit: int | None = None, corruptions: Sequence[str] = (),
    severities: Sequence[int] = SEVERITIES, shifts: int = 8, seed: int = 0, device: str = "auto",
    data_root: str | Path | None = None, verbose: bool | None = None, watch: Watcher = SILENT,
) -> Robustness | RobustComparison:  # fmt: skip
    """Accuracy on a run's own `split` under corruptions (`hubel.robustness.corruptions`), shifts, turns and bends.

    Several runs are measured on the same pictures, which all of them have in that split, and laid beside the first.
    `limit` pictures are taken evenly over the split; None takes as many as last about a minute. `corruptions` are names
    and groups (none: those usual for grey or for colour; ["none"]: none at all), `shifts` is how many pixels pictures
    are moved at most (0 leaves moving, turning, resizing and bending out).

    Raises UsageError, DataError, ArtefactError.
    """
    runtime.keep_memory()  # of the arrays that each corruption makes anew
    contenders, rows = open_contenders(runs, split, data_root=data_root, watch=watch)
    shapes = [each.own.decoded.images.shape[1:] for each in contenders]
    named = () if list(corruptions) == ["none"] else chosen(corruptions, min(shape[0] for shape in shapes))
    asked = Asked(corruptions=named, severities=tuple(sorted(set(severities))), shifts=shifts, seed=seed)
    taken = asked.some(rows, limit, max(math.prod(shape[1:]) for shape in shapes))
    if len(taken) < len(rows):
        watch.remark(f"{len(taken):,} of {plural(len(rows), f'{split} picture')}, evenly taken (--limit N takes more)")
    target = runtime.pick_device(device)
    found = []
    for each in contenders:
        assert each.net.preprocessing is not None
        truth = Truth(labels=each.labels(taken), limits=each.net.label_thresholds if each.net.several else None)
        net = Net(
            title=each.title, architecture=each.net.spec.architecture, model=each.net.model.to(target),
            forward=each.net.look(), preprocessing=each.net.preprocessing,
        )  # fmt: skip
        found.append(
            examine(
                net, each.own.decoded.images[taken], truth, taken, asked, split=split,
                available=len(rows), device=target, size=reading_size(each.own.decoded), watch=watch,
            )
        )  # fmt: skip
    return found[0] if len(found) == 1 else lay_beside(found)


def write_page(
    found: Robustness | RobustComparison, run: str | PathLike[str], data_root: str | Path | None, device: str = "auto"
) -> str:
    """The result as one self-contained page, with the pictures that the first `run` lost most surely."""
    first = found if isinstance(found, Robustness) else found.runs[0]
    (contender,), _ = open_contenders(run, first.split, data_root=data_root)
    own, pictures = contender.own, contender.own.decoded.images[first.ids]
    names, severity = first.corruptions, max(first.severities, default=0)
    parts = [
        corrupt(pictures[place :: len(names)], first.ids[place :: len(names)], name, severity, seed=first.seed)
        for place, name in enumerate(names)
    ]
    spoilt = np.concatenate([pictures[:0], *parts])
    net, target = contender.net, runtime.pick_device(device)
    trust = None if net.several else weigh_trust(net, own, first.ids, spoilt, target)
    return render_robust(found, pictures, contender.labels(first.ids), net.class_names, trust)
