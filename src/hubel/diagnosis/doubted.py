"""How far a net can be trusted, and how strange spoilt and made pictures look to it (behind `hubel robust`)."""

from __future__ import annotations

import math

import numpy as np
import torch

from hubel.assembly.seeing import Look
from hubel.checkpoint import Classifier
from hubel.checkpoint.trust import ACCEPTED
from hubel.data.strange import KINDS
from hubel.evaluation.doubt import Trusted, trust_in
from hubel.records.own_data import OwnData


def weigh_trust(net: Classifier, own: OwnData, rows: np.ndarray, spoilt: np.ndarray, device: torch.device) -> Trusted:
    """How far the answers of a net to some of its own pictures can be trusted, and how strange these look to it beside
    pictures that are made of them, and `spoilt` ones (M C H W uint8)."""
    look = Look(net, own.decoded, device)
    logits, inside = look.at(rows)
    pictures, trust, draw = own.decoded.images[rows], net.trust, np.random.default_rng(0)
    usual, strange, border = np.zeros(0), {}, math.inf
    if trust is not None and trust.knows:
        parts = [make(pictures[place :: len(KINDS)], draw) for place, make in enumerate(KINDS.values())]
        kinds = {"those made strange": np.concatenate(parts), "those spoilt": spoilt}
        usual = trust.strange(logits, inside, pictures)
        strange = {name: trust.strange(*look.at_pictures(of), of) for name, of in kinds.items() if len(of)}
        border = float(np.quantile(trust.usual, ACCEPTED))
    labels = own.scan.manifest.labels[rows]
    return trust_in(logits, net.calibrator(logits), labels, own=usual, strange=strange, border=border)
