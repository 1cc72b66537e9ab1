"""What else may be asked whether a picture is strange: a detector, or a net that gives pictures back, beside a run."""

from __future__ import annotations

from os import PathLike

import torch

from hubel.anomalies.artefact import load
from hubel.assembly.beside import Score, check_sight, errors_by
from hubel.checkpoint import Classifier
from hubel.checkpoint import load as load_checkpoint
from hubel.errors import ArtefactError
from hubel.records.ledger import find_run
from hubel.store.kinds import is_detector


def scores_by(place: str | PathLike[str], beside: Classifier, device: str) -> Score:
    """The score of a detector (its first method's), or the reconstruction error of a run of the task reconstruct.

    Raises ArtefactError for what is neither, and where it sees pictures otherwise than the net `beside` it.
    """
    if beside.preprocessing is None:
        raise ArtefactError("a second net looks at pictures, and this run takes points", hint="leave --autoencoder out")
    if is_detector(place):
        detector = load(place, device=device)
        check_sight(beside.preprocessing, detector.preprocessing)
        return lambda pictures: detector.methods[0].look(pictures)[0]
    net = load_checkpoint(find_run(place))
    score = errors_by(net, torch.device(device))
    assert net.preprocessing is not None
    check_sight(beside.preprocessing, net.preprocessing)
    return score
