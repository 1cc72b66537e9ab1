"""What a net said of its training samples as it learnt, as the state of a run keeps it (`hubel.training.dynamics`)."""

from __future__ import annotations

import numpy as np
import torch

from hubel.checkpoint.state import load_state
from hubel.errors import ArtefactError
from hubel.store import RunStore

SUMS, SEEN = "dynamics.sums", "dynamics.seen"
"""In a saved state: sums of log-probabilities N K, and how often each sample was seen, N."""
FEWEST = 3
"""Epochs from which the means tell more than what the net sees in the end."""


def means_of(store: RunStore) -> np.ndarray | None:
    """N K mean log-probabilities, nan for samples that the run did not learn from.

    None where they were not kept, are of fewer than FEWEST epochs, or where the run has no state that can be read.
    """
    try:
        tensors = load_state(store).tensors
    except ArtefactError:  # a run may do without a state to resume from
        return None
    sums, seen = (tensors.get(name, torch.zeros(0)).double().cpu() for name in (SUMS, SEEN))
    if sums.ndim != 2 or seen.shape != sums.shape[:1] or not (seen >= FEWEST).any():
        return None
    return np.asarray((sums / torch.where(seen > 0, seen, torch.nan)[:, None]).numpy())
