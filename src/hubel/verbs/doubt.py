"""How well a run knows what it does not know: strange pictures told from its own, and answers kept back."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from hubel import runtime
from hubel.anomalies.asked import learnt_trust, scores_by, tell_learnt
from hubel.assembly.beside import NAME, joined
from hubel.assembly.seeing import Look
from hubel.checkpoint import load as load_checkpoint
from hubel.checkpoint.trust import ACCEPTED
from hubel.data.keeping import prepare as scan_and_decode
from hubel.data.unlabelled import open_pictures
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.evaluation.doubt import (
    Selective,
    Strangers,
    answers_of,
    keep_back,
    named_by,
    second_of,
    tell_apart,
)
from hubel.faces.progress import shows_progress
from hubel.records.ledger import find_run
from hubel.records.other_data import learnt_from
from hubel.records.own_data import own_data
from hubel.watching import SILENT, Watcher
from hubel.words import plural

__all__ = ["Selective", "Strangers", "selective", "strangers"]


@shows_progress
def strangers(
    run: str | PathLike[str],
    data: str | Path,
    *,
    split: str = "test",
    device: str = "auto",
    data_root: str | Path | None = None,
    follow_links: bool = False,
    autoencoder: str | PathLike[str] | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Strangers:
    """How well a run tells the pictures of `data` (a folder, labelled or not, or a named set) from its own `split`.

    `autoencoder`: a run of the task reconstruct, or a detector of `hubel.anomaly`, that is asked about the same
    pictures; it enters the mixture where made strange pictures are told better with it (`hubel.assembly.beside`).

    `verbose` shows progress; None does where somebody looks. Raises ArtefactError for a run that learnt nothing about
    strange pictures, DataError for data without pictures.
    """
    folder = find_run(run)
    classifier = load_checkpoint(folder)
    trust = learnt_trust(folder, classifier)
    own = own_data(folder, classifier, watch, data_root=data_root)
    rows = own.ids(split)
    if not len(rows):
        raise DataError(f"the run has no samples in its {split} split", hint="take another part: --split val")
    assert classifier.preprocessing is not None
    listed = open_pictures(str(data), follow_links=follow_links)
    scan, decoded = scan_and_decode(listed, classifier.preprocessing, progress=watch.progress, partial=True)
    there = np.arange(len(scan.manifest))
    met = learnt_from(folder, scan.manifest, there)
    if met:
        watch.remark(
            f"{len(met):,} of {plural(len(there), 'picture')} in {data} were trained on: those are not strange to it"
        )
    target = runtime.pick_device(device)
    score = None if autoencoder is None else scores_by(autoencoder, classifier, str(target))
    watch.stage(f"looking at {plural(len(there), 'strange picture')} and {plural(len(rows), f'{split} sample')}")
    look = Look(classifier, own.decoded, target)
    home, away = look.at(rows), Look(classifier, decoded, target).at(there)
    pictures = own.decoded.images[rows], decoded.images[there]
    alone = trust
    if score is not None and autoencoder is not None:
        parts = {"strange": (scan.manifest, there), f"its {split}": (own.scan.manifest, rows)}
        tell_learnt(autoencoder, parts, watch)
        trust = joined(trust, look, score, own.ids("val"), own.ids("train"))
    (sure, _), (sure_of_strange, taken_for) = (named_by(classifier, logits) for logits, _ in (home, away))
    return tell_apart(
        Path(data).name or str(data),
        (trust.strange(*home, pictures[0]), sure),
        (trust.strange(*away, pictures[1]), sure_of_strange),
        (trust.familiarity(*home, pictures[0]), trust.familiarity(*away, pictures[1])),
        [scan.manifest.name(int(row)) for row in there], taken_for, border=1 - ACCEPTED,
        second=None if score is None else second_of(
            Path(str(autoencoder)).name, (score(pictures[0]), score(pictures[1])),
            (alone.strange(*home), alone.strange(*away)), enters=NAME in trust.scores,
        ),
    )  # fmt: skip


@shows_progress
def selective(
    run: str | PathLike[str],
    risk: float,
    *,
    split: str = "test",
    device: str = "auto",
    data_root: str | Path | None = None,
    verbose: bool | None = None,
    watch: Watcher = SILENT,
) -> Selective:
    """From which probability on a run must answer so that at most `risk` (0..1) of its answers are wrong.

    Of several labels an answer is all of a sample's, with the probability of all together. The threshold is fitted on
    the validation split, and measured on `split`.
    Raises UsageError, DataError, ArtefactError.
    """
    if not 0 <= risk < 1:
        raise UsageError(f"a risk is a share of wrong answers from 0 to below 1, got {risk:g}", hint="try --risk 0.01")
    if split == "val":
        raise UsageError("the threshold is fitted on the val split, so it is not measured there", hint="--split test")
    folder = find_run(run)
    classifier = load_checkpoint(folder)
    classifier.require_answers(several=True)
    if not classifier.class_names:
        raise ArtefactError(
            "this run predicts a number, which has no probability", hint="hubel evaluate without --risk"
        )
    own = own_data(folder, classifier, watch, data_root=data_root)
    limits = classifier.label_thresholds if classifier.several else None
    found = {}
    for name in ("val", split):
        rows = own.ids(name)
        if not len(rows):
            raise DataError(
                f"the run has no samples in its {name} split, and a threshold needs both val and {split}",
                hint="train with parts: --val-fraction 0.1 --test-fraction 0.1",
            )
        logits, _ = Look(classifier, own.decoded, runtime.pick_device(device)).at(rows)
        shares, data = classifier.probabilities(logits), own.scan.manifest
        truth = np.asarray(data.labels if limits is None else data.targets)[rows]
        found[name] = answers_of(shares, truth, limits)
    return keep_back(found["val"], found[split], risk, split, several=classifier.several)
