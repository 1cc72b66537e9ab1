"""Ensemble: several runs of the same data chosen on validation, written as one net that answers like any other."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel import runtime
from hubel.assembly.transfer.beside import begun_beside, is_single, with_first, with_time_left
from hubel.assembly.trusting import trusted
from hubel.errors import UsageError
from hubel.faces.progress import shows_progress
from hubel.models.ensemble import SPACES_OF
from hubel.records.folder import whole_or_gone
from hubel.records.together import candidates_of
from hubel.report.pages.ensemble import render_ensemble
from hubel.searching.ensembles import Ensembled, check_space
from hubel.searching.joining import chosen, said, shared_data, write_down, write_ensemble
from hubel.searching.mean_kinds import alone_too, judged, mean_for
from hubel.verbs.evaluate import write_results
from hubel.watching import SILENT, Watcher
from hubel.words import plural

__all__ = ["begun_beside", "ensemble", "is_single", "join", "with_first", "with_time_left"]


@shows_progress
def ensemble(
    runs: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    members: int = 5,
    snapshots: bool = False,
    space: str = "",
    alike: bool = False,
    out: str | Path | None = None,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Ensembled:
    """Choose at most `members` of the `runs` (a search: all of its trials) on validation, and write them as one run.

    Runs that name a class, several labels or a number, a class for each pixel, answers step by step, or that give
    pictures back; points on a sphere and pictures held by heart have no mean. Greedy, with repeats
    (`hubel.searching.ensembles`); the mean is taken in `space` "probability" or "logit", the better one on validation
    if not given; numbers have one mean. What comes out is a run folder in `out` (None: beside the first run): predict
    and evaluate take it, and serve and export where they take its members. Its temperature, or its thresholds, are
    learnt as a training's are, and it is measured on the test split beside the best single net.

    `snapshots`: of each run the weights at the ends of its cycles (schedule "cycles"), in place of its best (G. Huang
    et al., Snapshot Ensembles, arXiv:1704.00109). `alike`: the best, as they are, with the same weight each.

    Raises UsageError, ArtefactError, DataError; HubelError where no second net helps the best one.
    """
    return _join(runs, members, snapshots, space, alike, out, device, watch)


def join(folders: Sequence[Path], *, name: str, why: str, device: str, watch: Watcher) -> Path:
    """The folder of a run, called `name`, that these are with the same weight each; `why`: nobody has asked for it."""
    return _join(folders, len(folders), False, "", True, None, device, watch, name, why).folder


def _join(
    runs: str | PathLike[str] | Sequence[str | PathLike[str]], members: int, snapshots: bool, space: str, alike: bool,
    out: str | Path | None, device: str, watch: Watcher, name: str = "", why: str = "",
) -> Ensembled:  # fmt: skip
    check_space(space, members)
    names: list[Any] = [runs] if isinstance(runs, (str, PathLike)) else list(runs)
    if not names:
        raise UsageError("runs are needed, got none", hint="hubel ensemble search/photos-1")
    watch.stage("reading the nets")
    candidates, left_out = candidates_of(names, snapshots=snapshots)
    mean = mean_for(candidates[0].net)
    check_space(space, members, SPACES_OF[mean.answers])
    prepared = shared_data(candidates[0], watch)
    target = runtime.pick_device(device)
    watch.stage(
        f"asking {plural(len(candidates), 'net')} about {plural(len(prepared.splits.val), 'validation sample')}"
    )
    answers, truth, scores = said(candidates, prepared, mean, target)
    parts, numbers, shares, apart = chosen(candidates, answers, truth, members, space, scores if alike else ())
    best = max(range(len(candidates)), key=lambda each: (scores[each], -each))
    first = torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[prepared.ids("train")[:16]]))
    store, together = write_ensemble(
        parts, numbers, first, Path(out or candidates[0].folder.parent), name or "ensemble"
    )
    with whole_or_gone(store):
        together, _ = trusted(store, together, prepared, target, prepared.recipe.train.epochs or 1, watch)
        watch.stage("measuring")
        told, alone = alone_too(mean, candidates, answers, truth, parts, shares, candidates[best], prepared, target)
        both = judged(together, prepared, target)
        last = both[-1]
        write_results(store, last)
        result = Ensembled(
            folder=store.folder, space=numbers["space"], members=told, candidates=len(candidates),
            left_out=dict(left_out), together=tuple(map(mean.measured, both)),
            single=tuple(map(mean.measured, alone)), best=candidates[best].name,
            sentence=mean.difference(last, alone[-1]), disagreement=apart, apart=mean.apart, loss=mean.loss,
            alike=alike, why=why,
        )  # fmt: skip
        store.write_text("report.html", render_ensemble(result, last, served=together.labels or together.several))
        write_down(store, result, mean.best(both[0]), last.sentence)
    watch.done()
    return result
