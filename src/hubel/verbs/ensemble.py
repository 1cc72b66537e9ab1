"""Ensemble: several runs of the same data chosen on validation, written as one net that answers like any other."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel import runtime
from hubel.assembly.trusting import trusted
from hubel.errors import UsageError
from hubel.evaluation import Evaluation
from hubel.evaluation.comparison import compare
from hubel.evaluation.judge import judge
from hubel.faces.progress import shows_progress
from hubel.records.together import candidates_of
from hubel.report.pages.ensemble import render_ensemble
from hubel.searching.ensembles import Ensembled, Measured, check_space
from hubel.searching.joining import chosen, honest, said, shared_data, write_ensemble
from hubel.verbs.evaluate import write_results
from hubel.watching import SILENT, Watcher
from hubel.words import plural


@shows_progress
def ensemble(
    runs: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    members: int = 5,
    snapshots: bool = False,
    space: str = "",
    out: str | Path | None = None,
    device: str = "auto",
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Ensembled:
    """Choose at most `members` of the `runs` (a search: all of its trials) on validation, and write them as one run.

    Greedy, with repeats (`hubel.searching.ensembles`); the mean is taken in `space` "probability" or "logit", the
    better one on validation if not given. What comes out is a run folder in `out` (None: beside the first run):
    predict, evaluate, serve and export take it. Its temperature is learnt as a training's is, and it is measured on the
    test split beside the best single net.

    `snapshots`: of each run the weights at the ends of its cycles (schedule "cycles"), in place of its best (G. Huang
    et al., Snapshot Ensembles, arXiv:1704.00109).

    Raises UsageError, ArtefactError, DataError; HubelError where no second net helps the best one.
    """
    check_space(space, members)
    names: list[Any] = [runs] if isinstance(runs, (str, PathLike)) else list(runs)
    if not names:
        raise UsageError("runs are needed, got none", hint="hubel ensemble search/photos-1")
    watch.stage("reading the nets")
    candidates, left_out = candidates_of(names, snapshots=snapshots)
    prepared = shared_data(candidates[0], watch)
    rows, labels = prepared.splits.val, prepared.manifest.labels
    target = runtime.pick_device(device)
    watch.stage(f"asking {plural(len(candidates), 'net')} about {plural(len(rows), 'validation sample')}")
    logits = said(candidates, prepared.decoded, rows, target)
    parts, numbers, told = chosen(candidates, logits, labels[rows], members, space)
    best = max(range(len(candidates)), key=lambda each: (_right(logits[each], labels[rows]), -each))
    first = torch.from_numpy(np.ascontiguousarray(prepared.decoded.images[prepared.ids("train")[:16]]))
    store, together = write_ensemble(parts, numbers, first, Path(out or candidates[0].folder.parent), "ensemble")
    together, _ = trusted(store, together, prepared, target, prepared.recipe.train.epochs or 1, watch)
    measured: dict[str, list[Evaluation]] = {}
    watch.stage("measuring")
    alone = honest(candidates[best], logits[best], labels[rows])
    for name, net in (("together", together), ("the best alone", alone)):
        for split in ("val", *(("test",) if len(prepared.splits.test) else ())):
            found = judge(net, prepared.scan, prepared.decoded, prepared.splits.ids(split), split, target)
            assert isinstance(found, Evaluation), "candidates name classes"
            measured.setdefault(name, []).append(found)
    last = measured["together"][-1]
    write_results(store, last)
    result = Ensembled(
        folder=store.folder, space=numbers["space"], members=tuple(told), candidates=len(candidates),
        left_out=dict(left_out), together=tuple(map(_numbers, measured["together"])),
        single=tuple(map(_numbers, measured["the best alone"])),
        best=candidates[best].name,
        sentence=compare({name: each[-1] for name, each in measured.items()}).tests[0].sentence,
    )  # fmt: skip
    store.write_json("ensemble.json", result.to_dict())
    store.write_text("report.html", render_ensemble(result))
    headline = {"split": last.split, "sentence": last.sentence, "accuracy": last.top1, "log_loss": last.log_loss}
    best_row = {"val_accuracy": measured["together"][0].top1, "val_loss": measured["together"][0].log_loss}
    store.write_json(
        "summary.json",
        {"status": "finished", "reason": "ensemble", "epochs": 0, "best": best_row, last.split: headline,
         "parameters": sum(member.params for member in told)},
    )  # fmt: skip
    watch.done()
    return result


def _numbers(found: Evaluation) -> Measured:
    return Measured(
        split=found.split, samples=found.samples, accuracy=found.top1, interval=found.intervals["top1"],
        log_loss=found.log_loss, ece=found.calibration.ece,
    )  # fmt: skip


def _right(logits: np.ndarray, labels: np.ndarray) -> float:
    return float((logits.argmax(axis=1) == labels).mean())
