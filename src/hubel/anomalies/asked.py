"""What else may be asked whether a picture is strange: a detector, or a net that gives pictures back, beside a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from hubel.anomalies.artefact import load
from hubel.assembly.beside import Score, check_sight, errors_by, joined
from hubel.assembly.seeing import Look
from hubel.checkpoint import Classifier
from hubel.checkpoint import load as load_checkpoint
from hubel.checkpoint.trust import Trust
from hubel.data.manifest import Manifest
from hubel.errors import ArtefactError, UsageError
from hubel.records.ledger import find_run
from hubel.records.other_data import learnt_from
from hubel.records.own_data import own_data
from hubel.store.kinds import is_detector
from hubel.watching import Watcher
from hubel.words import plural


def scores_by(place: str | PathLike[str], beside: Classifier, device: str) -> Score:
    """The score of a detector (its first method's), or the reconstruction error of a run of the task reconstruct.

    Raises ArtefactError for what is neither, and where it sees pictures otherwise than the net `beside` it.
    """
    if beside.preprocessing is None:
        raise ArtefactError(
            f"a second net looks at pictures, and this run learnt from {beside.material}",
            hint="leave --autoencoder out",
        )
    if is_detector(place):
        detector = load(place, device=device)
        check_sight(beside.preprocessing, detector.preprocessing)
        return lambda pictures: detector.methods[0].look(pictures)[0]
    net = load_checkpoint(find_run(place))
    score = errors_by(net, torch.device(device))
    assert net.preprocessing is not None
    check_sight(beside.preprocessing, net.preprocessing)
    return score


def tell_learnt(place: str | PathLike[str], shown: Mapping[str, tuple[Manifest, np.ndarray]], watch: Watcher) -> None:
    """Say how many of the pictures that are `shown` (by name: manifest and rows) the second net was trained on."""
    folder = Path(place) if is_detector(place) else find_run(place)
    for name, (manifest, rows) in shown.items():
        seen = learnt_from(folder, manifest, rows)
        if seen:
            watch.remark(
                f"{folder.name} was trained on {len(seen):,} of {plural(len(rows), f'{name} picture')}: those are "
                "familiar to it, whatever they show"
            )


def with_second(
    run: str | PathLike[str] | Classifier,
    classifier: Classifier,
    second: str | PathLike[str],
    device: torch.device,
    watch: Watcher,
) -> Classifier:
    """The classifier with another net asked about what is known, where that helps; else as it is, which is said.

    Raises UsageError where no folder of a run is given, ArtefactError, DataError.
    """
    if isinstance(run, Classifier):
        raise UsageError(
            "the scale of a second net is that of the run's own pictures, and a classifier has none with it",
            hint="give the run's folder",
        )
    folder = find_run(run)
    trust, score = learnt_trust(folder, classifier), scores_by(second, classifier, str(device))
    own = own_data(folder, classifier, watch)
    found = joined(trust, Look(classifier, own.decoded, device), score, own.ids("val"), own.ids("train"))
    if found is trust:
        watch.remark(f"{second} does not tell made strange pictures better than the run alone: it has no say")
    return replace(classifier, trust=found)


def learnt_trust(folder: Path, classifier: Classifier) -> Trust:
    """What the run learnt about strange pictures; raises ArtefactError where that is nothing."""
    classifier.require_answers(several=True)
    if classifier.trust is None or not classifier.trust.knows:
        raise ArtefactError(
            f"{folder.name} learnt nothing about strange pictures: "
            + (
                "its validation split is too small, or it is from an earlier hubel"
                if classifier.preprocessing
                else f"it learnt from {classifier.material}"
            ),
            hint="train it again with at least 30 validation pictures",
        )
    return classifier.trust
